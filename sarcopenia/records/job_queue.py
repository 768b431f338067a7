"""Jobs as workers see them: claim one, keep its lease alive, report, and hand it back in one of five ways.

A lease ends when its worker is silent for too long; the job is then claimed again, up to ``max_attempts`` times. Every
report is refused with `LeaseLostError` when the job belongs to somebody else by then, so that two workers never write
to one job.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import LeaseLostError
from sarcopenia.records.codec import encode
from sarcopenia.records.job_views import ClaimedJob, JobFailure, JobStage, JobState, Lease
from sarcopenia.records.schema import JobRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import IdentityDecision, IdentityQuestion

WORKER_LOST = JobFailure(
    code="worker_lost",
    title="The assessment stopped in the middle",
    message="The worker ended several times while it worked on this upload.",
    next_step="Your upload is kept. Retry; if it stays, send the log to your administrator.",
    retriable=True,
)


class JobQueue:
    """The queue of jobs for any number of workers on any number of machines."""

    def __init__(self, store: Store, max_attempts: int) -> None:
        self._store = store
        self._max_attempts = max_attempts

    def claim_next(self, owner: str, lease_s: float) -> ClaimedJob | None:
        """Claim the oldest job that is due, or ``None``; ``owner`` must be unique to this worker process."""
        with self._store.database.reading() as session:
            if session.scalar(select(JobRow.id).where(self._is_due()).limit(1)) is None:
                return None
        with self._store.database.writing() as session:
            self._give_up_abandoned(session)
            job = session.scalar(select(JobRow).where(self._is_due()).order_by(JobRow.id).limit(1))
            return None if job is None else self._claim(job, owner, lease_s)

    def heartbeat(self, lease: Lease) -> None:
        """Keep the lease for another ``lease.seconds``; raises `LeaseLostError`."""
        with self._store.database.writing() as session:
            self._renew(self._held(session, lease), lease)

    def report_stage(self, lease: Lease, stage: JobStage) -> None:
        """Write down what the job does now, and keep the lease; raises `LeaseLostError`."""
        with self._store.database.writing() as session:
            job = self._held(session, lease)
            job.stage, job.stage_index, job.stage_total = stage.stage, stage.index, stage.total
            job.stage_text, job.updated_at = stage.text, self._store.now()
            self._renew(job, lease)

    def report_scan(self, lease: Lease, scan_id: int, idempotency_key: str) -> None:
        """Name the scan, and the job by what is asked of it, as far as it is known; raises `LeaseLostError`."""
        with self._store.database.writing() as session:
            job = self._held(session, lease)
            job.scan_id, job.idempotency_key = scan_id, idempotency_key
            self._renew(job, lease)

    def finish(self, lease: Lease, measurement_id: int, note: str = "") -> None:
        """Done, with this measurement; raises `LeaseLostError`."""
        with self._store.database.writing() as session:
            job = self._held(session, lease)
            job.measurement_id, job.note = measurement_id, note
            self._end(job, JobState.DONE)

    def ask(self, lease: Lease, question: IdentityQuestion) -> None:
        """Wait for a person's answer; raises `LeaseLostError`."""
        with self._store.database.writing() as session:
            job = self._held(session, lease)
            job.question = encode(question)
            self._end(job, JobState.QUESTION)

    def fail(self, lease: Lease, failure: JobFailure) -> None:
        """Give up, saying why; the upload is kept. Raises `LeaseLostError`."""
        with self._store.database.writing() as session:
            job = self._held(session, lease)
            job.failure = encode(failure)
            self._end(job, JobState.FAILED)

    def try_later(self, lease: Lease, failure: JobFailure, delay_s: float) -> None:
        """Queue again after a pause, or give up when all attempts are used; raises `LeaseLostError`."""
        with self._store.database.writing() as session:
            job = self._held(session, lease)
            job.failure = encode(failure)
            used_up = job.attempt >= self._max_attempts
            self._end(job, JobState.FAILED if used_up else JobState.QUEUED)
            job.not_before = None if used_up else self._store.now() + timedelta(seconds=delay_s)

    def release(self, lease: Lease) -> None:
        """Hand the job back untouched, because the worker is asked to stop; the attempt does not count."""
        with self._store.database.writing() as session:
            job = self._held(session, lease)
            job.attempt -= 1
            self._end(job, JobState.QUEUED)

    def _is_due(self) -> ColumnElement[bool]:
        now = self._store.now()
        waiting = and_(JobRow.state == JobState.QUEUED, or_(JobRow.not_before.is_(None), JobRow.not_before <= now))
        return or_(waiting, and_(JobRow.state == JobState.RUNNING, JobRow.lease_expires_at < now))

    def _give_up_abandoned(self, session: Session) -> None:
        """Fail what has killed or lost its worker too often, so that it cannot do so for ever."""
        abandoned = select(JobRow).where(
            JobRow.state == JobState.RUNNING,
            JobRow.lease_expires_at < self._store.now(),
            JobRow.attempt >= self._max_attempts,
        )
        for job in session.scalars(abandoned):
            job.failure = encode(WORKER_LOST)
            self._end(job, JobState.FAILED)
        session.flush()

    def _claim(self, job: JobRow, owner: str, lease_s: float) -> ClaimedJob:
        job.state, job.attempt, job.lease_owner = JobState.RUNNING, job.attempt + 1, owner
        job.not_before, job.stage, job.failure, job.updated_at = None, None, None, self._store.now()
        lease = Lease(job.id, owner, job.attempt, lease_s)
        self._renew(job, lease)
        decision = IdentityDecision(job.accepted_patient_id, tuple(job.refused_patient_ids))
        return ClaimedJob(lease, job.upload_id, job.scan_id, decision)

    def _held(self, session: Session, lease: Lease) -> JobRow:
        query = select(JobRow).where(
            JobRow.id == lease.job_id,
            JobRow.state == JobState.RUNNING,
            JobRow.lease_owner == lease.owner,
            JobRow.attempt == lease.attempt,
        )
        job = session.scalar(query)
        if job is None:
            raise LeaseLostError(f"Job {lease.job_id} is no longer held by {lease.owner}.")
        return job

    def _renew(self, job: JobRow, lease: Lease) -> None:
        job.lease_expires_at = self._store.now() + timedelta(seconds=lease.seconds)

    def _end(self, job: JobRow, state: JobState) -> None:
        job.state, job.lease_owner, job.lease_expires_at = state, None, None
        job.updated_at = self._store.now()
