"""Reports: the frozen ids of what was reported, and the document that was handed out; both are only ever added to.

Height that is entered later changes what a page shows today, never what a report of last month says: the ids name the
entries that held then, and the document is kept byte for byte.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.records.codec import decode, encode
from sarcopenia.records.operations import require_of_patient
from sarcopenia.records.patient_groups import member_ids, resolve
from sarcopenia.records.reviews import latest_reviews
from sarcopenia.records.schema import (
    ContextRow,
    MeasurementRow,
    ReportDocumentRow,
    ReportRow,
    ScanRow,
)
from sarcopenia.records.store import Store
from sarcopenia.records.views import ReportItem, StoredReport, StoredReview


class Reports:
    """Freezing what a report says, keeping its document, and reading both later."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def freeze(
        self,
        patient_id: int,
        measurement_ids: Sequence[int],
        context_entry_ids: Sequence[int],
        *,
        author: str,
        operation_id: int | None = None,
    ) -> StoredReport:
        """Keep the ids that a report is made of, with the reviews that hold now.

        Raises
        ------
        RecordNotFoundError: no such patient, measurement, context or operation. RecordError: it belongs to another
        patient.
        """
        with self._store.database.writing() as session:
            kept_id = resolve(session, patient_id)
            items = _items(session, kept_id, measurement_ids)
            _require_contexts(session, kept_id, context_entry_ids)
            if operation_id is not None:
                require_of_patient(session, operation_id, kept_id)
            snapshot = {
                "items": encode(items),
                "context_entry_ids": list(context_entry_ids),
                "operation_id": operation_id,
            }
            row = ReportRow(patient_id=kept_id, snapshot=snapshot, author=author, frozen_at=self._store.now())
            session.add(row)
            session.flush()
            self._store.audit(session, author, "report.frozen", f"patient:{kept_id}", report=row.id)
            return _report(row, None)

    def attach(self, report_id: int, document: bytes) -> StoredReport:
        """Keep the document of a report, once and for ever.

        Raises
        ------
        RecordNotFoundError: no such report. ConflictError: it has a document.
        """
        digest = self._store.blobs.put(document)
        with self._store.database.writing() as session:
            row = _require_report(session, report_id)
            if session.get(ReportDocumentRow, report_id) is not None:
                raise ConflictError(f"Report {report_id} has a document already.", "Make a new report.")
            session.add(ReportDocumentRow(report_id=report_id, blob_sha256=digest))
            self._store.audit(session, row.author, "report.issued", f"patient:{row.patient_id}", report=report_id)
            return _report(row, digest)

    def get(self, report_id: int) -> StoredReport:
        """One report; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            row, document = _require_report(session, report_id), session.get(ReportDocumentRow, report_id)
            return _report(row, None if document is None else document.blob_sha256)

    def document(self, report_id: int) -> bytes:
        """The document of a report as it was handed out.

        Raises
        ------
        RecordNotFoundError: no such report, or it was never handed out. RecordError: the document is damaged.
        """
        digest = self.get(report_id).document_sha256
        if digest is None:
            raise RecordNotFoundError(f"Report {report_id} has no document.", "Make the report again.")
        return self._store.blobs.get(digest)

    def of_patient(self, patient_id: int) -> tuple[StoredReport, ...]:
        """All reports of a patient, the newest first; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            query = (
                select(ReportRow, ReportDocumentRow.blob_sha256)
                .join(ReportDocumentRow, ReportDocumentRow.report_id == ReportRow.id, isouter=True)
                .where(ReportRow.patient_id.in_(member_ids(resolve(session, patient_id))))
                .order_by(ReportRow.id.desc())
            )
            return tuple(_report(row, digest) for row, digest in session.execute(query))


def _require_report(session: Session, report_id: int) -> ReportRow:
    row = session.get(ReportRow, report_id)
    if row is None:
        raise RecordNotFoundError(f"There is no report {report_id}.")
    return row


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


def _report(row: ReportRow, document_sha256: str | None) -> StoredReport:
    return StoredReport(
        report_id=row.id,
        patient_id=row.patient_id,
        items=decode(tuple[ReportItem, ...], row.snapshot["items"]),
        context_entry_ids=tuple(row.snapshot["context_entry_ids"]),
        author=row.author,
        frozen_at=row.frozen_at,
        operation_id=row.snapshot.get("operation_id"),
        document_sha256=document_sha256,
    )
