"""Readings: masks that people drew outside the tool, each against the models' own mask of the same slice.

They are only ever added; which of several counts is decided where they are summed up.
"""

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import RecordError, RecordNotFoundError
from sarcopenia.domain.results import ModelIdentity
from sarcopenia.records.arrays import from_npy, to_npy
from sarcopenia.records.codec import decode, encode
from sarcopenia.records.patient_groups import root_id
from sarcopenia.records.schema import MeasurementRow, PatientRow, ReadingRow, ScanRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import MaskComparison, MaskFormat, NewReading, ReadingMasks, StoredReading


class Readings:
    """Storing and reading what readers drew."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, new: NewReading) -> StoredReading:
        """Store a reading: masks first, then the row that names them.

        Raises
        ------
        RecordNotFoundError: no such scan. RecordError: the measurement is none of the scan's, or nobody's
        name.
        """
        if not new.reader.strip():
            raise RecordError("A reading needs the name of its reader.", "Enter who drew the mask.")
        digests = [self._store.blobs.put(to_npy(mask)) for mask in (new.masks.reader_yx, new.masks.ai_yx)]
        with self._store.database.writing() as session:
            _check_place(session, new)
            row = ReadingRow(
                scan_id=new.scan_id,
                measurement_id=new.measurement_id,
                slice_index=new.slice_index,
                reader=new.reader.strip(),
                blind=new.blind,
                method=new.method,
                mask_sha256=digests[0],
                ai_mask_sha256=digests[1],
                comparison=encode(new.comparison),
                models=encode(new.models),
                recorded_at=self._store.now(),
            )
            session.add(row)
            session.flush()
            self._store.audit(session, new.author, "reading.stored", f"scan:{new.scan_id}", reading=row.id)
            return _read(session, _selection().where(ReadingRow.id == row.id))[0]

    def all(self) -> tuple[StoredReading, ...]:
        """All readings of all scans, the oldest first."""
        with self._store.database.reading() as session:
            return _read(session, _selection())

    def of_scan(self, scan_id: int) -> tuple[StoredReading, ...]:
        """All readings of a scan, the oldest first."""
        with self._store.database.reading() as session:
            return _read(session, _selection().where(ReadingRow.scan_id == scan_id))

    def masks(self, reading_id: int) -> ReadingMasks:
        """Both masks of a reading; raises `RecordNotFoundError`, also for a missing blob."""
        with self._store.database.reading() as session:
            row = session.get(ReadingRow, reading_id)
            if row is None:
                raise RecordNotFoundError(f"There is no reading {reading_id}.")
            digests = row.mask_sha256, row.ai_mask_sha256
        reader, ai = (from_npy(self._store.blobs.get(digest)) for digest in digests)
        return ReadingMasks(reader, ai)


def _check_place(session: Session, new: NewReading) -> None:
    if session.get(ScanRow, new.scan_id) is None:
        raise RecordNotFoundError(f"There is no scan {new.scan_id}.")
    if new.measurement_id is None:
        return
    measurement = session.get(MeasurementRow, new.measurement_id)
    if measurement is None or measurement.scan_id != new.scan_id:
        raise RecordError(f"Measurement {new.measurement_id} is none of scan {new.scan_id}.")


def _selection() -> Select[Any]:
    """Rows with the patient of their scan, the oldest first."""
    return (
        select(ReadingRow, root_id())
        .join(ScanRow, ScanRow.id == ReadingRow.scan_id)
        .join(PatientRow, PatientRow.id == ScanRow.patient_id)
        .order_by(ReadingRow.id)
    )


def _read(session: Session, query: Select[Any]) -> tuple[StoredReading, ...]:
    return tuple(_stored(row, patient_id) for row, patient_id in session.execute(query))


def _stored(row: ReadingRow, patient_id: int) -> StoredReading:
    return StoredReading(
        reading_id=row.id,
        scan_id=row.scan_id,
        patient_id=patient_id,
        measurement_id=row.measurement_id,
        slice_index=row.slice_index,
        reader=row.reader,
        blind=row.blind,
        method=MaskFormat(row.method),
        mask_sha256=row.mask_sha256,
        ai_mask_sha256=row.ai_mask_sha256,
        comparison=decode(MaskComparison, row.comparison),
        models=decode(tuple[ModelIdentity, ...], row.models),
        recorded_at=row.recorded_at,
    )
