"""Scans: a series that was read finds its patient, once, and is found again when it comes a second time."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import RecordNotFoundError, ValidationIssue, ValidationReport
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.records.codec import decode, encode
from sarcopenia.records.contexts import Contexts
from sarcopenia.records.identities import facts_of, find_or_create_patient
from sarcopenia.records.measurements import latest_of_scans
from sarcopenia.records.patient_groups import member_ids, resolve
from sarcopenia.records.schema import ScanRow
from sarcopenia.records.store import SYSTEM_AUTHOR, Store
from sarcopenia.records.views import IdentityDecision, IdentityQuestion, ScanReceipt, ScanSummary


class Scans:
    """Storing and reading scans."""

    def __init__(self, store: Store, contexts: Contexts) -> None:
        self._store = store
        self._contexts = contexts

    def register(
        self,
        upload_id: int,
        volume: CtVolume,
        rejected_series: Sequence[ValidationIssue] = (),
        decision: IdentityDecision | None = None,
    ) -> ScanReceipt | IdentityQuestion:
        """Give a series its place under its patient, in one transaction; or say what a person must answer first.

        The same pixels and geometry under the same identity are the same scan, even after it was moved to another
        patient. What the header says of height, weight and sex is kept as context.
        """
        incoming = facts_of(volume.header)
        with self._store.database.writing() as session:
            twins = list(session.scalars(select(ScanRow).where(ScanRow.series_hash == volume.series_hash)))
            twin = next((row for row in twins if facts_of(decode(SeriesHeader, row.header)) == incoming), None)
            if twin is not None:
                return ScanReceipt(twin.id, resolve(session, twin.patient_id), already_known=True)
            patient = find_or_create_patient(self._store, session, incoming, decision or IdentityDecision())
            if isinstance(patient, IdentityQuestion):
                return patient
            twin = next((row for row in twins if resolve(session, row.patient_id) == patient), None)
            scan_id = twin.id if twin else self._insert(session, upload_id, volume, rejected_series, patient)
            return ScanReceipt(scan_id, patient, already_known=twin is not None)

    def get(self, scan_id: int) -> ScanSummary:
        """One scan; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            row = session.get(ScanRow, scan_id)
            if row is None:
                raise RecordNotFoundError(f"There is no scan {scan_id}.")
            return _summaries(session, [row])[0]

    def newest(self, limit: int = 500) -> tuple[ScanSummary, ...]:
        """The scans that were stored last, the newest first, each with its newest measurement."""
        with self._store.database.reading() as session:
            rows = list(session.scalars(select(ScanRow).order_by(ScanRow.id.desc()).limit(limit)))
            return tuple(_summaries(session, rows))

    def of_patient(self, patient_id: int) -> tuple[ScanSummary, ...]:
        """Scans of a patient by study date, undated ones first, each with its newest measurement."""
        with self._store.database.reading() as session:
            members = member_ids(resolve(session, patient_id))
            rows = list(session.scalars(select(ScanRow).where(ScanRow.patient_id.in_(members)).order_by(ScanRow.id)))
            found = _summaries(session, rows)
        return tuple(sorted(found, key=lambda s: (s.study_date is not None, s.study_date or s.stored_at.date())))

    def _insert(
        self,
        session: Session,
        upload_id: int,
        volume: CtVolume,
        rejected_series: Sequence[ValidationIssue],
        patient_id: int,
    ) -> int:
        row = ScanRow(
            patient_id=patient_id,
            upload_id=upload_id,
            series_hash=volume.series_hash,
            header=encode(volume.header),
            reader_report=encode(volume.report),
            rejected_series=encode(list(rejected_series)),
            study_date=volume.header.study_date,
            slice_count=volume.hu_zyx.shape[0],
            stored_at=self._store.now(),
        )
        session.add(row)
        session.flush()
        self._contexts.add_from_header(session, row.id, volume.header)
        self._store.audit(session, SYSTEM_AUTHOR, "scan.stored", f"scan:{row.id}", patient=patient_id, upload=upload_id)
        return row.id


def _summaries(session: Session, rows: Sequence[ScanRow]) -> list[ScanSummary]:
    latest = latest_of_scans(session, [row.id for row in rows])
    return [
        ScanSummary(
            scan_id=row.id,
            patient_id=resolve(session, row.patient_id),
            upload_id=row.upload_id,
            series_hash=row.series_hash,
            header=decode(SeriesHeader, row.header),
            reader_report=decode(ValidationReport, row.reader_report),
            rejected_series=decode(tuple[ValidationIssue, ...], row.rejected_series),
            study_date=row.study_date,
            slice_count=row.slice_count,
            stored_at=row.stored_at,
            latest=latest.get(row.id),
        )
        for row in rows
    ]
