"""Scans: a series that was read finds its patient, once, and is found again when it comes a second time."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, String, cast, or_, select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import RecordNotFoundError, ValidationIssue, ValidationReport
from sarcopenia.domain.volume import CtVolume, SeriesHeader
from sarcopenia.records.codec import decode, encode
from sarcopenia.records.contexts import Contexts
from sarcopenia.records.identities import facts_of, find_or_create_patient
from sarcopenia.records.measurements import latest_of_scans
from sarcopenia.records.patient_groups import member_ids, resolve, root_id
from sarcopenia.records.patients import patients_named
from sarcopenia.records.schema import PatientRow, ScanRow
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

    def search(self, text: str, limit: int) -> tuple[ScanSummary, ...]:
        """The newest scans that hold every word of the text; no word: the newest of all.

        A word is part of a patient's name or Patient ID, of the series' description, UID or accession number, of the
        study date as YYYY-MM-DD, or the scan's own number.
        """
        query = select(ScanRow).join(PatientRow, PatientRow.id == ScanRow.patient_id)
        for word in text.split():
            query = query.where(holds(word))
        with self._store.database.reading() as session:
            rows = list(session.scalars(query.order_by(ScanRow.id.desc()).limit(limit)))
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


def holds(word: str) -> ColumnElement[bool]:
    """Whether a `ScanRow`, joined with its `PatientRow`, holds a word where `Scans.search` looks."""
    series = ("series_description", "series_instance_uid", "accession_number")
    return or_(
        root_id().in_(patients_named(word)),
        *(ScanRow.header[name].as_string().icontains(word, autoescape=True) for name in series),
        cast(ScanRow.study_date, String).contains(word, autoescape=True),
        cast(ScanRow.id, String) == word,
    )


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
