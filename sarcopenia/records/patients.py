"""Patients: finding them, and correcting who is who. Merge, split and re-assign are audited and lose nothing."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.domain.volume import SeriesHeader
from sarcopenia.records.codec import decode
from sarcopenia.records.identities import create_patient, facts_from_row, facts_of, identity_row
from sarcopenia.records.patient_groups import member_ids, resolve, root_id
from sarcopenia.records.schema import IdentityRow, PatientRow, ScanRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import IdentityFacts, PatientSummary


class Patients:
    """Reading patients and correcting which scans are theirs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def search(self, text: str = "", limit: int = 200) -> tuple[PatientSummary, ...]:
        """Patients whose name or id holds every word of the text, those with the newest scans first."""
        query = _counts()
        for word in text.split():
            query = query.where(root_id().in_(patients_named(word)))
        order = func.max(ScanRow.stored_at).desc().nulls_last()
        with self._store.database.reading() as session:
            return _summaries(session, session.execute(query.order_by(order).limit(limit)).all())

    def get(self, patient_id: int) -> PatientSummary:
        """One patient, also by the id of one who was merged into it; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            query = _counts().where(root_id() == resolve(session, patient_id))
            return _summaries(session, session.execute(query).all())[0]

    def identities(self, patient_id: int) -> tuple[IdentityFacts, ...]:
        """All ways in which images named a patient, the newest first."""
        with self._store.database.reading() as session:
            return tuple(facts_from_row(row) for row in _identity_rows(session, resolve(session, patient_id)))

    def merge(self, keep_id: int, other_id: int, *, author: str, reason: str) -> PatientSummary:
        """Make one patient of two; scans, identities and context of both are found under the kept one.

        Raises
        ------
        ConflictError: they are one already. RecordNotFoundError: no such patient.
        """
        with self._store.database.writing() as session:
            keep, other = resolve(session, keep_id), resolve(session, other_id)
            if keep == other:
                raise ConflictError(f"Patients {keep_id} and {other_id} are one patient already.")
            session.execute(update(PatientRow).where(PatientRow.id.in_(member_ids(other))).values(merged_into_id=keep))
            self._store.audit(session, author, "patient.merged", f"patient:{keep}", merged=other, reason=reason)
        return self.get(keep)

    def reassign(self, scan_id: int, patient_id: int, *, author: str, reason: str) -> None:
        """Move a scan, with its measurements and what its header said, to another patient.

        Raises
        ------
        ConflictError: that patient has this scan already. RecordNotFoundError: no such scan or patient.
        """
        with self._store.database.writing() as session:
            self._move(session, scan_id, resolve(session, patient_id), author, reason)

    def split(self, scan_ids: Sequence[int], *, author: str, reason: str) -> PatientSummary:
        """Move scans of one patient to a new one of their own, named as their newest images name them.

        Raises
        ------
        RecordError: no scan, scans of several patients, or all of a patient's scans.
        """
        with self._store.database.writing() as session:
            facts = _require_part_of_one_patient(session, scan_ids)
            new_id = create_patient(self._store, session, facts)
            for scan_id in scan_ids:
                self._move(session, scan_id, new_id, author, reason)
            self._store.audit(session, author, "patient.split", f"patient:{new_id}", reason=reason)
        return self.get(new_id)

    def _move(self, session: Session, scan_id: int, target: int, author: str, reason: str) -> None:
        scan = _scan(session, scan_id)
        source = resolve(session, scan.patient_id)
        same = select(ScanRow.id).where(ScanRow.patient_id.in_(member_ids(target)))
        if session.scalar(same.where(ScanRow.series_hash == scan.series_hash)) is not None:
            raise ConflictError(f"Patient {target} has scan {scan_id} already.")
        scan.patient_id = target
        session.flush()
        _move_identity(self._store, session, facts_of(decode(SeriesHeader, scan.header)), source, target)
        details = {"source": source, "target": target, "reason": reason}
        self._store.audit(session, author, "scan.reassigned", f"scan:{scan_id}", **details)


def _scan(session: Session, scan_id: int) -> ScanRow:
    scan = session.get(ScanRow, scan_id)
    if scan is None:
        raise RecordNotFoundError(f"There is no scan {scan_id}.")
    return scan


def _scans_of(session: Session, patient_id: int) -> Sequence[ScanRow]:
    query = select(ScanRow).where(ScanRow.patient_id.in_(member_ids(patient_id)))
    return session.scalars(query.order_by(ScanRow.id)).all()


def _require_part_of_one_patient(session: Session, scan_ids: Sequence[int]) -> IdentityFacts:
    """Identity of the newest of the scans, which must be some but not all scans of one patient."""
    scans = [_scan(session, scan_id) for scan_id in scan_ids]
    owners = {resolve(session, scan.patient_id) for scan in scans}
    if len(owners) != 1:
        raise RecordError("A split takes one or more scans of one patient.")
    if len(_scans_of(session, owners.pop())) == len(set(scan_ids)):
        raise RecordError("A split must leave the patient at least one scan.")
    return facts_of(decode(SeriesHeader, max(scans, key=lambda scan: scan.id).header))


def _move_identity(store: Store, session: Session, facts: IdentityFacts, source: int, target: int) -> None:
    """Let the next scan with these facts find the patient that this scan was moved to.

    The source loses the identity when none of its scans bears it any more; where both bear it, the next scan asks.
    """
    if facts not in [facts_from_row(row) for row in _identity_rows(session, target)]:
        session.add(identity_row(target, facts, store))
    if facts not in [facts_of(decode(SeriesHeader, scan.header)) for scan in _scans_of(session, source)]:
        rows = [row.id for row in _identity_rows(session, source) if facts_from_row(row) == facts]
        session.execute(delete(IdentityRow).where(IdentityRow.id.in_(rows)))


def _identity_rows(session: Session, patient_id: int) -> Sequence[IdentityRow]:
    query = select(IdentityRow).where(IdentityRow.patient_id.in_(member_ids(patient_id)))
    return session.scalars(query.order_by(IdentityRow.id.desc())).all()


def patients_named(word: str) -> Select[Any]:
    """Kept patients with the word in a name or a Patient ID, whatever its case."""
    named = or_(
        IdentityRow.name.icontains(word, autoescape=True),
        IdentityRow.dicom_patient_id.icontains(word, autoescape=True),
    )
    bearer = aliased(PatientRow)  # an alias, so that an enclosing query of patients does not absorb this one
    kept = func.coalesce(bearer.merged_into_id, bearer.id)
    return select(kept).join(IdentityRow, IdentityRow.patient_id == bearer.id).where(named)


def _counts() -> Select[Any]:
    """Kept patient, whether provisional, number of scans, first and last study date."""
    kept = select(PatientRow.id, PatientRow.provisional).where(PatientRow.merged_into_id.is_(None)).subquery()
    return (
        select(
            kept.c.id,
            kept.c.provisional,
            func.count(ScanRow.id),
            func.min(ScanRow.study_date),
            func.max(ScanRow.study_date),
        )
        .select_from(kept)
        .join(PatientRow, root_id() == kept.c.id)
        .join(ScanRow, ScanRow.patient_id == PatientRow.id, isouter=True)
        .group_by(kept.c.id, kept.c.provisional)
    )


def _summaries(session: Session, counts: Sequence[Any]) -> tuple[PatientSummary, ...]:
    names = _newest_identities(session, [row[0] for row in counts])
    return tuple(PatientSummary(row[0], names[row[0]], *row[1:]) for row in counts)


def _newest_identities(session: Session, patient_ids: Sequence[int]) -> dict[int, IdentityFacts]:
    """Newest identity of every patient; one that names somebody goes before a blank one."""
    query = (
        select(root_id(), IdentityRow)
        .join(PatientRow, PatientRow.id == IdentityRow.patient_id)
        .where(root_id().in_(patient_ids))
        .order_by(IdentityRow.name != "", IdentityRow.id)
    )
    return {patient_id: facts_from_row(row) for patient_id, row in session.execute(query)}
