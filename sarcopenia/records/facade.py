"""The records as the rest of the product sees them: one object whose attributes are the parts."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType

from sarcopenia.records.blobs import BlobStore
from sarcopenia.records.contexts import Contexts
from sarcopenia.records.database import Database
from sarcopenia.records.drafts import Drafts
from sarcopenia.records.events import Events
from sarcopenia.records.job_queue import JobQueue
from sarcopenia.records.jobs import Jobs
from sarcopenia.records.measurements import Measurements
from sarcopenia.records.operations import Operations
from sarcopenia.records.patients import Patients
from sarcopenia.records.readings import Readings
from sarcopenia.records.reports import Reports
from sarcopenia.records.reviews import Reviews
from sarcopenia.records.scans import Scans
from sarcopenia.records.store import AuditTrail, Store
from sarcopenia.records.uploads import Uploads
from sarcopenia.records.work_items import WorkItems
from sarcopenia.settings import Settings


class Records(AbstractContextManager["Records"]):
    """Uploads, jobs, patients, scans, measurements and what people say of them.

    Safe to share between threads. Close it, or use it in a ``with`` statement.

    Attributes
    ----------
    uploads, jobs: for pages: give files, watch, retry, answer.
    queue: for workers.
    patients, scans, measurements, contexts, reviews, reports, audit: what is known.
    events: what happened to a patient beside the scans.
    operations: the list of planned operations.
    work_items: every scan as the work list shows it.
    drafts: what a person is painting.
    readings: masks that people drew outside the tool, against the models' own.
    """

    def __init__(self, store: Store, max_attempts: int) -> None:
        self._database = store.database
        self.uploads = Uploads(store)
        self.jobs = Jobs(store)
        self.queue = JobQueue(store, max_attempts)
        self.contexts = Contexts(store)
        self.patients = Patients(store)
        self.scans = Scans(store, self.contexts)
        self.work_items = WorkItems(store)
        self.measurements = Measurements(store)
        self.events = Events(store)
        self.operations = Operations(store)
        self.drafts = Drafts(store)
        self.readings = Readings(store)
        self.reviews = Reviews(store)
        self.reports = Reports(store)
        self.audit = AuditTrail(store)

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def open_records(settings: Settings, now: Callable[[], datetime] = _utc_now) -> Records:
    """Open the records that the settings name; makes or upgrades the tables first.

    Raises
    ------
    SettingsError: a URL is wrong, or the database belongs to a newer version. RecordError: no answer.
    """
    database = Database(settings.database_url)
    try:
        database.upgrade()
        store = Store(database, BlobStore(settings.blob_url), now)
    except BaseException:
        database.close()
        raise
    return Records(store, settings.max_attempts)
