"""Uploads and jobs as they leave the records: frozen dataclasses, no rows. Times are aware UTC."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sarcopenia.domain.errors import ValidationIssue
from sarcopenia.records.views import IdentityDecision, IdentityQuestion


class JobState(StrEnum):
    """Where a job is on its way: queued -> running -> done, or -> question -> queued, or -> failed -> queued."""

    QUEUED = "queued"
    RUNNING = "running"
    QUESTION = "question"
    DONE = "done"
    FAILED = "failed"


ACTIVE_STATES = (JobState.QUEUED, JobState.RUNNING, JobState.QUESTION)


@dataclass(frozen=True)
class UploadReceipt:
    """An upload is safe on disk, and its job waits. ``already_known``: the same files were uploaded before."""

    job_id: int
    upload_id: int
    already_known: bool


@dataclass(frozen=True)
class JobFailure:
    """Why a job failed, in words for people; ``retriable`` when the same upload may succeed later.

    ``issues`` lists what a check of the input found, for example every rejected series with its reason.
    """

    code: str
    title: str
    message: str
    next_step: str
    retriable: bool
    issues: tuple[ValidationIssue, ...] = ()


@dataclass(frozen=True)
class JobStage:
    """What a running job does: stage ``index`` (0-based) of ``total``."""

    stage: str
    index: int
    total: int
    text: str


@dataclass(frozen=True)
class Lease:
    """The right to work on a job; it ends when not renewed for ``seconds``. ``attempt`` tells two leases apart."""

    job_id: int
    owner: str
    attempt: int
    seconds: float


@dataclass(frozen=True)
class ClaimedJob:
    """A job that a worker may do now; ``scan_id`` is known when an earlier attempt came so far."""

    lease: Lease
    upload_id: int
    scan_id: int | None
    decision: IdentityDecision

    @property
    def job_id(self) -> int:
        """Id of the job."""
        return self.lease.job_id


@dataclass(frozen=True)
class JobStatus:
    """A job as a page shows it.

    Attributes
    ----------
    stage: the latest stage, ``None`` before the first.
    failure: why it failed; on a queued job why the last attempt failed.
    next_attempt_at: a queued job that failed before is not tried again before this time.
    scan_id, patient_id: known as soon as the series is read and the patient is clear.
    measurement_id: the result of a done job.
    note: a sentence about a done job that differs from the ordinary, such as "measured before".
    """

    job_id: int
    upload_id: int
    state: JobState
    stage: JobStage | None
    attempt: int
    failure: JobFailure | None
    question: IdentityQuestion | None
    next_attempt_at: datetime | None
    scan_id: int | None
    patient_id: int | None
    measurement_id: int | None
    note: str
    created_at: datetime
    updated_at: datetime
