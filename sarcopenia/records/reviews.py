"""What people say about measurements, and reports as frozen sets of ids; both are only ever added to."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.records.codec import decode, encode
from sarcopenia.records.lineage import corrected_by
from sarcopenia.records.patient_groups import resolve
from sarcopenia.records.schema import ContextRow, MeasurementRow, ReportRow, ReviewRow, ScanRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import ReportItem, ReviewState, StoredReport, StoredReview


class Reviews:
    """Signing, rejecting and withdrawing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, measurement_id: int, state: ReviewState, *, author: str, comment: str = "") -> StoredReview:
        """Say something about a measurement; the newest review holds.

        Raises
        ------
        ConflictError: a correction has replaced the measurement. RecordNotFoundError: no such measurement.
        """
        with self._store.database.writing() as session:
            if session.get(MeasurementRow, measurement_id) is None:
                raise RecordNotFoundError(f"There is no measurement {measurement_id}.")
            if corrected_by(session, measurement_id) is not None:
                raise ConflictError(
                    f"Measurement {measurement_id} has been corrected.", "Open the correction and review that one."
                )
            row = ReviewRow(
                measurement_id=measurement_id,
                state=state,
                author=author,
                comment=comment,
                recorded_at=self._store.now(),
            )
            session.add(row)
            session.flush()
            self._store.audit(session, author, f"review.{state}", f"measurement:{measurement_id}", review=row.id)
            return _review(row)

    def of_measurement(self, measurement_id: int) -> tuple[StoredReview, ...]:
        """All reviews of a measurement, the newest first."""
        query = select(ReviewRow).where(ReviewRow.measurement_id == measurement_id).order_by(ReviewRow.id.desc())
        with self._store.database.reading() as session:
            return tuple(_review(row) for row in session.scalars(query))


class Reports:
    """Freezing what a report says, and reading it later."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def freeze(
        self, patient_id: int, measurement_ids: Sequence[int], context_entry_ids: Sequence[int], *, author: str
    ) -> StoredReport:
        """Keep the ids that a report is made of, with the reviews that hold now.

        Raises
        ------
        RecordNotFoundError: no such patient, measurement or context. RecordError: it belongs to another patient.
        """
        with self._store.database.writing() as session:
            kept_id = resolve(session, patient_id)
            items = _items(session, kept_id, measurement_ids)
            _require_contexts(session, kept_id, context_entry_ids)
            snapshot = {"items": encode(items), "context_entry_ids": list(context_entry_ids)}
            row = ReportRow(patient_id=kept_id, snapshot=snapshot, author=author, frozen_at=self._store.now())
            session.add(row)
            session.flush()
            self._store.audit(session, author, "report.frozen", f"patient:{kept_id}", report=row.id)
            return _report(row)

    def get(self, report_id: int) -> StoredReport:
        """One report; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            row = session.get(ReportRow, report_id)
            if row is None:
                raise RecordNotFoundError(f"There is no report {report_id}.")
            return _report(row)


def latest_reviews(session: Session, measurement_ids: Iterable[int]) -> dict[int, StoredReview]:
    """Review that holds for every measurement that has one."""
    query = select(ReviewRow).where(ReviewRow.measurement_id.in_(list(measurement_ids))).order_by(ReviewRow.id)
    return {row.measurement_id: _review(row) for row in session.scalars(query)}


def _items(session: Session, patient_id: int, measurement_ids: Sequence[int]) -> tuple[ReportItem, ...]:
    query = select(MeasurementRow.id, ScanRow.id, ScanRow.patient_id).join(
        ScanRow, ScanRow.id == MeasurementRow.scan_id
    )
    found = {row[0]: row for row in session.execute(query.where(MeasurementRow.id.in_(measurement_ids)))}
    missing = [measurement_id for measurement_id in measurement_ids if measurement_id not in found]
    if missing:
        raise RecordNotFoundError(f"There is no measurement {missing[0]}.")
    if any(resolve(session, row[2]) != patient_id for row in found.values()):
        raise RecordError("A report holds measurements of one patient only.")
    reviews = latest_reviews(session, measurement_ids)
    return tuple(_item(found[m], reviews.get(m)) for m in measurement_ids)


def _item(row: Any, review: StoredReview | None) -> ReportItem:  # noqa: ANN401 # a row of three columns
    return ReportItem(scan_id=row[1], measurement_id=row[0], review_id=review.review_id if review else None)


def _require_contexts(session: Session, patient_id: int, entry_ids: Sequence[int]) -> None:
    owner = func.coalesce(ContextRow.patient_id, ScanRow.patient_id)
    query = select(ContextRow.id, owner).join(ScanRow, ScanRow.id == ContextRow.scan_id, isouter=True)
    found = {row[0]: row[1] for row in session.execute(query.where(ContextRow.id.in_(entry_ids)))}
    missing = [entry_id for entry_id in entry_ids if entry_id not in found]
    if missing:
        raise RecordNotFoundError(f"There is no context entry {missing[0]}.")
    if any(resolve(session, owner_id) != patient_id for owner_id in found.values()):
        raise RecordError("A report holds height, weight and the like of its own patient only.")


def _review(row: ReviewRow) -> StoredReview:
    return StoredReview(row.id, row.measurement_id, ReviewState(row.state), row.author, row.comment, row.recorded_at)


def _report(row: ReportRow) -> StoredReport:
    return StoredReport(
        report_id=row.id,
        patient_id=row.patient_id,
        items=decode(tuple[ReportItem, ...], row.snapshot["items"]),
        context_entry_ids=tuple(row.snapshot["context_entry_ids"]),
        author=row.author,
        frozen_at=row.frozen_at,
    )
