"""Jobs as people see them: how far they are, trying again, answering a question of identity.

The workers' side, claiming and reporting, is `sarcopenia.records.job_queue`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import ConflictError, IdentityQuestionError, RecordError, RecordNotFoundError
from sarcopenia.records.codec import decode
from sarcopenia.records.job_views import JobFailure, JobStage, JobState, JobStatus
from sarcopenia.records.patient_groups import root_id
from sarcopenia.records.schema import JobRow, PatientRow, ScanRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import IdentityQuestion


class Jobs:
    """Reading jobs, and the two things that a person may do to them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def status(self, job_id: int) -> JobStatus:
        """One job; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            found = session.execute(_statuses().where(JobRow.id == job_id)).one_or_none()
            if found is None:
                raise RecordNotFoundError(f"There is no job {job_id}.")
            return _status(*found)

    def recent(self, limit: int = 20) -> tuple[JobStatus, ...]:
        """The newest jobs first."""
        with self._store.database.reading() as session:
            query = _statuses().order_by(JobRow.id.desc()).limit(limit)
            return tuple(_status(*found) for found in session.execute(query))

    def retry(self, job_id: int, *, author: str) -> JobStatus:
        """Queue a failed job again, or let a waiting one be tried at once; jobs under way or done stay as they are.

        Raises
        ------
        RecordError: the same upload would fail the same way. IdentityQuestionError: an answer is needed first.
        """
        with self._store.database.writing() as session:
            job = _get(session, job_id)
            if job.state == JobState.QUESTION:
                raise IdentityQuestionError("The job waits for an answer about the patient.")
            if job.state == JobState.FAILED:
                self._requeue_failed(session, job, author)
            elif job.state == JobState.QUEUED:
                job.not_before = None
        return self.status(job_id)

    def answer_identity(self, job_id: int, *, same_person: bool, author: str) -> JobStatus:
        """Say whether the incoming patient is the known one; the job goes on.

        Raises
        ------
        ConflictError: somebody has answered before.
        """
        with self._store.database.writing() as session:
            job = _get(session, job_id)
            if job.state != JobState.QUESTION or job.question is None:
                raise ConflictError(f"Job {job_id} waits for no answer; somebody has given it before.")
            known = decode(IdentityQuestion, job.question).known_patient_id
            if same_person:
                job.accepted_patient_id = known
            else:
                job.refused_patient_ids = [*job.refused_patient_ids, known]
            job.question = None
            _queue_again(job, self._store.now())
            answer = "same person" if same_person else "different person"
            self._store.audit(session, author, "identity.answered", f"job:{job_id}", patient=known, answer=answer)
        return self.status(job_id)

    def _requeue_failed(self, session: Session, job: JobRow, author: str) -> None:
        failure = decode(JobFailure, job.failure)
        if not failure.retriable:
            raise RecordError(f"This upload would fail the same way again: {failure.message}", failure.next_step)
        _queue_again(job, self._store.now())
        self._store.audit(session, author, "job.retried", f"job:{job.id}", failure=failure.code)


def new_job(session: Session, upload_id: int, idempotency_key: str, now: datetime) -> JobRow:
    """Queue an upload; part of the caller's transaction."""
    job = JobRow(
        upload_id=upload_id,
        state=JobState.QUEUED,
        idempotency_key=idempotency_key,
        attempt=0,
        refused_patient_ids=[],
        note="",
        created_at=now,
        updated_at=now,
    )
    session.add(job)
    session.flush()
    return job


def _queue_again(job: JobRow, now: datetime) -> None:
    """Start the count of attempts anew: a person has changed something, or wants it tried."""
    job.state, job.attempt, job.not_before, job.updated_at = JobState.QUEUED, 0, None, now
    job.stage, job.failure = None, None


def _get(session: Session, job_id: int) -> JobRow:
    job = session.get(JobRow, job_id)
    if job is None:
        raise RecordNotFoundError(f"There is no job {job_id}.")
    return job


def _statuses() -> Select[Any]:
    """Jobs with the patient to whom their scan belongs now."""
    return (
        select(JobRow, root_id())
        .join(ScanRow, ScanRow.id == JobRow.scan_id, isouter=True)
        .join(PatientRow, PatientRow.id == ScanRow.patient_id, isouter=True)
    )


def _status(row: JobRow, patient_id: int | None) -> JobStatus:
    return JobStatus(
        job_id=row.id,
        upload_id=row.upload_id,
        state=JobState(row.state),
        stage=_stage(row),
        attempt=row.attempt,
        failure=None if row.failure is None else decode(JobFailure, row.failure),
        question=None if row.question is None else decode(IdentityQuestion, row.question),
        next_attempt_at=row.not_before,
        scan_id=row.scan_id,
        patient_id=patient_id,
        measurement_id=row.measurement_id,
        note=row.note,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _stage(row: JobRow) -> JobStage | None:
    if row.stage is None:
        return None
    return JobStage(row.stage, row.stage_index or 0, row.stage_total or 0, row.stage_text or "")
