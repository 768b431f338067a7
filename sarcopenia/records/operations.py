"""Planned operations: who is operated on, when and by whom; append-only, taken off the list with a reason.

An operation may be planned before the first scan is uploaded, so it names the patient by the hospital's number; which
patient of the records that is, is looked up whenever it is read.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.records.identities import is_placeholder
from sarcopenia.records.operation_views import NewOperation, OperationCancellation, PlannedOperation
from sarcopenia.records.patient_groups import resolve
from sarcopenia.records.schema import IdentityRow, OperationCancellationRow, OperationRow
from sarcopenia.records.store import Store


class Operations:
    """Planning, taking off the list, and reading."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def plan(self, new: Sequence[NewOperation], *, author: str) -> tuple[PlannedOperation, ...]:
        """Put operations on the list, all or none; one that stands there already is not doubled.

        Raises
        ------
        RecordError: a field is missing. RecordNotFoundError: no such patient.
        """
        for each in new:
            _require_complete(each, author)
        with self._store.database.writing() as session:
            return tuple(self._add(session, _trimmed(each), author.strip()) for each in new)

    def cancel(self, operation_id: int, *, author: str, reason: str) -> PlannedOperation:
        """Take an operation off the list; it stays in the records, with the mark.

        Raises
        ------
        RecordError: no reason, or nobody's name. ConflictError: it was taken off before. RecordNotFoundError: no such
        operation.
        """
        if not reason.strip() or not author.strip():
            raise RecordError("Taking an operation off the list needs a reason and a name.", "Enter both.")
        with self._store.database.writing() as session:
            row = _require(session, operation_id)
            if session.get(OperationCancellationRow, operation_id) is not None:
                raise ConflictError(f"Operation {operation_id} was taken off the list before.", "Load the page again.")
            mark = OperationCancellationRow(
                operation_id=operation_id, author=author.strip(), reason=reason.strip(), recorded_at=self._store.now()
            )
            session.add(mark)
            self._store.audit(session, author, "operation.cancelled", f"operation:{operation_id}")
            return _operation(session, row, mark)

    def get(self, operation_id: int) -> PlannedOperation:
        """One operation, also one that was taken off; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            row = _require(session, operation_id)
            return _operation(session, row, session.get(OperationCancellationRow, operation_id))

    def planned(self, since: date) -> tuple[PlannedOperation, ...]:
        """The list from a day on, the next first, without those that were taken off."""
        query = _on_the_list().where(OperationRow.day >= since).order_by(OperationRow.day, OperationRow.id)
        with self._store.database.reading() as session:
            return tuple(_operation(session, row, None) for row in session.scalars(query))

    def _add(self, session: Session, new: NewOperation, author: str) -> PlannedOperation:
        patient_id = None if new.patient_id is None else resolve(session, new.patient_id)
        known = _same(session, new)
        if known is not None:
            return _operation(session, known, None)
        row = OperationRow(
            patient_id=patient_id,
            hospital_number=new.hospital_number,
            patient_name=new.patient_name,
            day=new.day,
            procedure=new.procedure,
            surgeon=new.surgeon,
            note=new.note,
            author=author,
            recorded_at=self._store.now(),
        )
        session.add(row)
        session.flush()
        self._store.audit(session, author, "operation.planned", f"operation:{row.id}", procedure=new.procedure)
        return _operation(session, row, None)


def _require(session: Session, operation_id: int) -> OperationRow:
    row = session.get(OperationRow, operation_id)
    if row is None:
        raise RecordNotFoundError(f"There is no planned operation {operation_id}.")
    return row


def _on_the_list() -> Select[OperationRow]:
    """Operations that nobody took off."""
    return (
        select(OperationRow)
        .join(OperationCancellationRow, OperationCancellationRow.operation_id == OperationRow.id, isouter=True)
        .where(OperationCancellationRow.operation_id.is_(None))
    )


def _require_complete(new: NewOperation, author: str) -> None:
    if not author.strip():
        raise RecordError("A planned operation needs the name of who enters it.", "Enter your name.")
    if not new.hospital_number.strip() and new.patient_id is None:
        raise RecordError("A planned operation needs the patient's hospital number.", "Enter it and save again.")
    if not new.procedure.strip():
        raise RecordError("A planned operation needs a procedure.", "Choose one of the list and save again.")


def _trimmed(new: NewOperation) -> NewOperation:
    texts = ("hospital_number", "procedure", "surgeon", "patient_name", "note")
    return replace(new, **{name: getattr(new, name).strip() for name in texts})


def _same(session: Session, new: NewOperation) -> OperationRow | None:
    """The same patient, day and procedure on the list: a list that is imported twice is no second list."""
    query = _on_the_list().where(
        OperationRow.hospital_number == new.hospital_number,
        OperationRow.patient_id == new.patient_id,  # of None it makes IS NULL
        OperationRow.day == new.day,
        OperationRow.procedure == new.procedure,
    )
    return session.scalars(query).first()


def require_of_patient(session: Session, operation_id: int, patient_id: int) -> None:
    """Raise unless an operation exists, is on the list, and may be this patient's."""
    row = _require(session, operation_id)
    if session.get(OperationCancellationRow, operation_id) is not None:
        raise RecordError(f"Operation {operation_id} was taken off the list.", "Open the one that is planned now.")
    if patient_id not in _patients(session, row):
        raise RecordError(f"Operation {operation_id} is another patient's.", "Open it from the list again.")


def _operation(session: Session, row: OperationRow, mark: OperationCancellationRow | None) -> PlannedOperation:
    plan = NewOperation(
        hospital_number=row.hospital_number,
        day=row.day,
        procedure=row.procedure,
        surgeon=row.surgeon,
        patient_name=row.patient_name,
        note=row.note,
        patient_id=row.patient_id,
    )
    cancelled = None if mark is None else OperationCancellation(mark.author, mark.reason, mark.recorded_at)
    return PlannedOperation(row.id, plan, _patients(session, row), row.author, row.recorded_at, cancelled)


def _patients(session: Session, row: OperationRow) -> tuple[int, ...]:
    if row.patient_id is not None:
        return (resolve(session, row.patient_id),)
    if is_placeholder(row.hospital_number):  # "0" or "ANONYMOUS" names nobody
        return ()
    query = select(IdentityRow.patient_id).where(IdentityRow.dicom_patient_id == row.hospital_number)
    return tuple(sorted({resolve(session, patient_id) for patient_id in session.scalars(query)}))
