"""The worker: takes jobs from the records, reads the series, measures it, stores the result.

A job may be cut off anywhere and is then done again from its start: each step finds what an earlier attempt has stored
(blobs by their hash, the scan by its series hash, the measurement by its request key) and stores nothing twice. A
thread renews the lease while the work goes on, so that a long step is not taken for a dead worker.
"""

import hashlib
import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from threading import Event, Thread
from typing import Final
from uuid import uuid4

from sarcopenia.assessment import (
    Assessment,
    AssessmentEvent,
    AssessmentFinished,
    AssessmentOptions,
    Scout,
    StageEvent,
    assess,
)
from sarcopenia.domain.errors import (
    InferenceError,
    InputError,
    LeaseLostError,
    RecordError,
    SarcopeniaError,
    ValidationIssue,
)
from sarcopenia.domain.results import ModelIdentity
from sarcopenia.domain.volume import CtVolume
from sarcopenia.imaging import RejectedSeries, SeriesSelection, read_series
from sarcopenia.inference.port import ModelClient
from sarcopenia.records import (
    ClaimedJob,
    IdentityQuestion,
    JobFailure,
    JobStage,
    Lease,
    NewMeasurement,
    Records,
    ScanReceipt,
    ScoutImage,
    StoredArrays,
)
from sarcopenia.stored_series import stored_slice, upload_files

LOG: Final = logging.getLogger(__name__)

Assessor = Callable[[CtVolume, ModelClient, AssessmentOptions], Iterator[AssessmentEvent]]

READ_STAGE: Final = "read"
BEATS_PER_LEASE: Final = 4
BACK_OFF_S: Final = 5.0
BACK_OFF_FACTOR: Final = 4.0
"""Pauses of 5, 20, 80 … s between attempts: a restart of the inference server takes about ten seconds."""

MEASURED_BEFORE: Final = (
    "This series has been measured before with the same software and models; the result of that time is shown."
)
KNOWN_SERIES: Final = "This series is known from an earlier upload; it has been measured again with the present models."


class _StopRequestedError(Exception):
    """The worker is asked to stop; the job goes back into the queue."""


class Worker:
    """Does jobs one at a time; run as many workers as the machine has room for.

    Parameters
    ----------
    models: access to the served models; asked anew for every job, so a restarted server is noticed.
    lease_s, poll_s: see `sarcopenia.settings`.
    assessor: what measures a volume; tests give another one.
    """

    def __init__(
        self,
        records: Records,
        models: ModelClient,
        *,
        lease_s: float = 60.0,
        poll_s: float = 1.0,
        assessor: Assessor = assess,
    ) -> None:
        self._records = records
        self._models = models
        self._lease_s = lease_s
        self._poll_s = poll_s
        self._assessor = assessor
        self._owner = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"

    def run_forever(self, stop: Event) -> None:
        """Do jobs as they come, until ``stop`` is set; a job under way then goes back into the queue."""
        while not stop.is_set():
            try:
                worked = self.run_once(stop)
            except RecordError:
                LOG.exception("The records do not answer; trying again.")
                worked = False
            if not worked:
                stop.wait(self._poll_s)

    def run_once(self, stop: Event | None = None) -> bool:
        """Do one job if there is one; returns whether there was. Raises `RecordError` when the records fail."""
        job = self._records.queue.claim_next(self._owner, self._lease_s)
        if job is None:
            return False
        with _kept_alive(self._records, job.lease):
            try:
                self._attempt(job, stop or Event())
            except LeaseLostError:
                LOG.warning("Job %d was taken over by another worker.", job.job_id)
        return True

    def _attempt(self, job: ClaimedJob, stop: Event) -> None:
        """Do a job and turn each way in which it can go wrong into a state of the job."""
        queue = self._records.queue
        try:
            self._measure(job, stop)
        except _StopRequestedError:
            queue.release(job.lease)
        except LeaseLostError:
            raise
        except InferenceError as error:
            LOG.warning("Job %d, attempt %d: %s", job.job_id, job.lease.attempt, error.message)
            delay_s = BACK_OFF_S * BACK_OFF_FACTOR ** (job.lease.attempt - 1)
            queue.try_later(job.lease, failure_of(error), delay_s)
        except SarcopeniaError as error:
            LOG.warning("Job %d failed: %s", job.job_id, error.code)
            queue.fail(job.lease, failure_of(error))
        except Exception:
            LOG.exception("Job %d failed unexpectedly.", job.job_id)
            queue.fail(job.lease, failure_of(SarcopeniaError("The assessment failed for a reason nobody foresaw.")))

    def _measure(self, job: ClaimedJob, stop: Event) -> None:
        """Read, find the patient, measure, store. Every step may find its work done already."""
        self._report(job, JobStage(READ_STAGE, 0, 1, "Reading the series"), stop)
        selection = self._read(job.upload_id)
        receipt = self._register(job, selection)
        if isinstance(receipt, IdentityQuestion):
            self._records.queue.ask(job.lease, receipt)
            return
        series_hash = selection.chosen.series_hash
        self._records.queue.report_scan(job.lease, receipt.scan_id, f"series:{series_hash}")
        options = AssessmentOptions()
        key = request_key(series_hash, self._models.identities(), options)
        self._records.queue.report_scan(job.lease, receipt.scan_id, f"request:{key}")
        known_before = receipt.already_known and job.scan_id is None
        measurement_id = self._records.measurements.find(receipt.scan_id, key)
        note = MEASURED_BEFORE if measurement_id is not None else KNOWN_SERIES
        if measurement_id is None:
            assessment = self._assess(job, selection.chosen, options, stop)
            measurement_id = self._store(receipt.scan_id, assessment, key)
        self._records.queue.finish(job.lease, measurement_id, note if known_before else "")

    def _read(self, upload_id: int) -> SeriesSelection:
        return read_series(upload_files(self._records, upload_id))

    def _register(self, job: ClaimedJob, selection: SeriesSelection) -> ScanReceipt | IdentityQuestion:
        rejected = _issues(selection.rejected)
        return self._records.scans.register(job.upload_id, selection.chosen, rejected, job.decision)

    def _assess(self, job: ClaimedJob, volume: CtVolume, options: AssessmentOptions, stop: Event) -> Assessment:
        for event in self._assessor(volume, self._models, options):
            if isinstance(event, AssessmentFinished):
                return event.assessment
            self._report(job, _stage_after_reading(event), stop)
        raise RuntimeError("an assessment ended without a result")

    def _store(self, scan_id: int, assessment: Assessment, key: str) -> int:
        new = NewMeasurement(
            measurement=assessment.measurement,
            level=assessment.level,
            arrays=_stored_arrays(assessment),
            author=f"sarcopenia {assessment.measurement.provenance.software_version}",
            request_key=key,
            pattern=assessment.pattern,
        )
        return self._records.measurements.store(scan_id, new).measurement_id

    def _report(self, job: ClaimedJob, stage: JobStage, stop: Event) -> None:
        if stop.is_set():
            raise _StopRequestedError
        self._records.queue.report_stage(job.lease, stage)


def run_until_signalled(worker: Worker) -> None:
    """Run a worker in the main thread until SIGTERM or SIGINT; the job under way goes back into the queue."""
    stop = Event()
    previous = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        worker.run_forever(stop)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def request_key(series_hash: str, models: Sequence[ModelIdentity], options: AssessmentOptions) -> str:
    """SHA-256 of what is asked: the same series, software, weights and options give the same measurement."""
    asked = {
        "series": series_hash,
        "software": metadata.version("sarcopenia-dashboard"),
        "models": sorted((m.name, m.version, m.onnx_sha256) for m in models),
        "slice": options.slice_choice,
        "vat_range_hu": options.vat_range_hu,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def failure_of(error: SarcopeniaError) -> JobFailure:
    """Words of an error for a job; another input is needed after an `InputError`, a retry may help after the rest."""
    is_input = isinstance(error, InputError)
    issues = (*error.report.errors, *error.report.warnings) if isinstance(error, InputError) else ()
    return JobFailure(error.code, error.title, error.message, error.next_step, retriable=not is_input, issues=issues)


@contextmanager
def _kept_alive(records: Records, lease: Lease) -> Iterator[None]:
    """Renew the lease from a thread of its own until the body ends."""
    done = Event()
    thread = Thread(target=_beat, args=(records, lease, done), name=f"lease-of-job-{lease.job_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(records: Records, lease: Lease, done: Event) -> None:
    while not done.wait(lease.seconds / BEATS_PER_LEASE):
        try:
            records.queue.heartbeat(lease)
        except LeaseLostError:
            return  # finished or taken over; the next report of the job itself finds out which
        except RecordError:
            LOG.warning("The lease of job %d could not be renewed; trying again.", lease.job_id)


def _stage_after_reading(event: StageEvent) -> JobStage:
    return JobStage(event.stage.value, event.index + 1, event.total + 1, event.text)


def _issues(rejected: Sequence[RejectedSeries]) -> list[ValidationIssue]:
    return [ValidationIssue(r.reason_code, f"{r.description}: {r.reason_text}", r.slice_count) for r in rejected]


def _stored_arrays(assessment: Assessment) -> StoredArrays:
    scouts = assessment.scouts
    return StoredArrays(
        slice=stored_slice(assessment),
        sagittal=_scout_image(scouts.sagittal) if scouts else None,
        coronal=_scout_image(scouts.coronal) if scouts else None,
    )


def _scout_image(scout: Scout) -> ScoutImage:
    return ScoutImage(scout.hu_zw, scout.spacing_mm, scout.z_mm)
