"""Measurements: stored once, never changed; a correction is a new measurement that names the one it corrects."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.domain.results import LevelFinding, Measurement, PatternFinding
from sarcopenia.records.arrays import MUSCLE_ROLE, ArrayFrame, pack, unpack
from sarcopenia.records.codec import decode, encode
from sarcopenia.records.lineage import corrected_by
from sarcopenia.records.patient_groups import root_id
from sarcopenia.records.reviews import latest_reviews
from sarcopenia.records.schema import MeasurementBlobRow, MeasurementRow, PatientRow, PatternFindingRow, ScanRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import NewMeasurement, StoredArrays, StoredMeasurement, StoredReview


class Measurements:
    """Storing and reading measurements and their pictures."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def store(self, scan_id: int, new: NewMeasurement) -> StoredMeasurement:
        """Store a measurement of a scan: arrays first, then the rows that name them.

        A second one with the same ``request_key`` on the same scan returns the first.

        Raises
        ------
        ConflictError: the parent has been corrected already. RecordNotFoundError: no such scan or parent.
        RecordError: the parent belongs to another scan.
        """
        frame, contents = pack(new.arrays)
        digests = {role: self._store.blobs.put(content) for role, content in contents.items()}
        with self._store.database.writing() as session:
            known_id = _find_id(session, scan_id, new.request_key)
            measurement_id = known_id or self._insert(session, scan_id, new, frame, digests)
        return self.get(measurement_id)

    def get(self, measurement_id: int) -> StoredMeasurement:
        """One measurement; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            found = read_measurements(session, _selection().where(MeasurementRow.id == measurement_id))
        if not found:
            raise RecordNotFoundError(f"There is no measurement {measurement_id}.")
        return found[0]

    def arrays(self, measurement_id: int) -> StoredArrays:
        """Pictures of a measurement; raises `RecordNotFoundError`, also for a missing blob."""
        query = select(MeasurementBlobRow).where(MeasurementBlobRow.measurement_id == measurement_id)
        with self._store.database.reading() as session:
            row = session.get(MeasurementRow, measurement_id)
            if row is None:
                raise RecordNotFoundError(f"There is no measurement {measurement_id}.")
            frame = decode(ArrayFrame, row.frame)
            digests = {blob.role: blob.blob_sha256 for blob in session.scalars(query)}
        return unpack(frame, {role: self._store.blobs.get(digest) for role, digest in digests.items()})

    def pattern(self, measurement_id: int) -> PatternFinding | None:
        """What the experimental classifier said with a measurement; ``None`` where it was not asked."""
        with self._store.database.reading() as session:
            row = session.get(PatternFindingRow, measurement_id)
            return None if row is None else decode(PatternFinding, row.payload)

    def of_scan(self, scan_id: int) -> tuple[StoredMeasurement, ...]:
        """All measurements of a scan, corrected ones too, the oldest first."""
        with self._store.database.reading() as session:
            return tuple(read_measurements(session, _selection().where(MeasurementRow.scan_id == scan_id)))

    def corrected(self) -> tuple[StoredMeasurement, ...]:
        """All versions whose mask a person mended, of all scans, the oldest first."""
        with self._store.database.reading() as session:
            found = read_measurements(session, _selection().where(MeasurementRow.parent_id.is_not(None)))
        return tuple(stored for stored in found if stored.measurement.provenance.strokes)

    def find(self, scan_id: int, request_key: str) -> int | None:
        """Id of the measurement that answers this request already, or ``None``."""
        with self._store.database.reading() as session:
            return _find_id(session, scan_id, request_key)

    def _insert(
        self, session: Session, scan_id: int, new: NewMeasurement, frame: ArrayFrame, digests: dict[str, str]
    ) -> int:
        if session.get(ScanRow, scan_id) is None:
            raise RecordNotFoundError(f"There is no scan {scan_id}.")
        _check_parent(session, scan_id, new.parent_id)
        row = MeasurementRow(
            scan_id=scan_id,
            parent_id=new.parent_id,
            request_key=new.request_key,
            author=new.author,
            payload=encode(new.measurement),
            level=encode(new.level),
            frame=encode(frame),
            stored_at=self._store.now(),
        )
        session.add(row)
        session.flush()
        session.add_all(
            MeasurementBlobRow(measurement_id=row.id, role=role, blob_sha256=digest) for role, digest in digests.items()
        )
        if new.pattern is not None:
            session.add(PatternFindingRow(measurement_id=row.id, payload=encode(new.pattern)))
        subject = f"measurement:{row.id}"
        self._store.audit(session, new.author, "measurement.stored", subject, scan=scan_id, parent=new.parent_id)
        return row.id


def latest_of_scans(session: Session, scan_ids: Iterable[int]) -> dict[int, StoredMeasurement]:
    """Newest measurement of every scan that no correction has replaced.

    One that a person corrected, signed or rejected goes before a newer one of the software alone: models of a later
    version never replace a person's word.
    """
    child = aliased(MeasurementRow)
    replaced = select(child.id).where(child.parent_id == MeasurementRow.id).exists()
    query = _selection().where(MeasurementRow.scan_id.in_(list(scan_ids)), ~replaced)
    found = sorted(read_measurements(session, query), key=lambda each: (each.is_by_person, each.measurement_id))
    return {each.scan_id: each for each in found}


def read_measurements(session: Session, query: Select[Any]) -> Sequence[StoredMeasurement]:
    """Measurements of a query made by `_selection`, the oldest first."""
    found = session.execute(query).all()
    reviews = latest_reviews(session, [row.id for row, *_ in found])
    return [
        _stored(row, patient_id, child_id, muscle, reviews.get(row.id)) for row, patient_id, child_id, muscle in found
    ]


def _selection() -> Select[Any]:
    """Rows with their patient, the correction that replaces them, and the hash of the muscle mask."""
    child = aliased(MeasurementRow)
    muscle = aliased(MeasurementBlobRow)
    return (
        select(MeasurementRow, root_id(), child.id, muscle.blob_sha256)
        .join(ScanRow, ScanRow.id == MeasurementRow.scan_id)
        .join(PatientRow, PatientRow.id == ScanRow.patient_id)
        .join(child, child.parent_id == MeasurementRow.id, isouter=True)
        .join(muscle, (muscle.measurement_id == MeasurementRow.id) & (muscle.role == MUSCLE_ROLE), isouter=True)
        .order_by(MeasurementRow.id)
    )


def _stored(
    row: MeasurementRow, patient_id: int, child_id: int | None, muscle: str | None, review: StoredReview | None
) -> StoredMeasurement:
    return StoredMeasurement(
        measurement_id=row.id,
        scan_id=row.scan_id,
        patient_id=patient_id,
        parent_id=row.parent_id,
        superseded_by=child_id,
        author=row.author,
        stored_at=row.stored_at,
        measurement=decode(Measurement, row.payload),
        level=None if row.level is None else decode(LevelFinding, row.level),
        muscle_sha256=muscle,
        review=review,
    )


def _find_id(session: Session, scan_id: int, request_key: str | None) -> int | None:
    if request_key is None:
        return None
    query = select(MeasurementRow.id)
    return session.scalar(query.where(MeasurementRow.scan_id == scan_id, MeasurementRow.request_key == request_key))


def _check_parent(session: Session, scan_id: int, parent_id: int | None) -> None:
    if parent_id is None:
        return
    parent = session.get(MeasurementRow, parent_id)
    if parent is None:
        raise RecordNotFoundError(f"There is no measurement {parent_id} to correct.")
    if parent.scan_id != scan_id:
        raise RecordError(f"Measurement {parent_id} belongs to another scan.")
    if corrected_by(session, parent_id) is not None:
        raise ConflictError(
            f"Measurement {parent_id} has been corrected by somebody else.",
            "Open the newest correction and start there.",
        )
