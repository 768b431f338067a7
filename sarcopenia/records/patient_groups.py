"""A merge keeps the rows of both patients and points one to the other; a patient is therefore a group of rows.

The pointer always leads to the kept row directly, never over another merged one.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session, aliased

from sarcopenia.domain.errors import RecordNotFoundError
from sarcopenia.records.schema import PatientRow


def root_id() -> ColumnElement[Any]:
    """Column of the kept patient of a `PatientRow`."""
    return func.coalesce(PatientRow.merged_into_id, PatientRow.id)


def member_ids(patient_id: int) -> Select[Any]:
    """Query of all row ids of the group whose kept patient is ``patient_id``."""
    member = aliased(PatientRow)  # an alias, so that an enclosing query of patients does not absorb this one
    return select(member.id).where(or_(member.id == patient_id, member.merged_into_id == patient_id))


def resolve(session: Session, patient_id: int) -> int:
    """Id of the kept patient; raises `RecordNotFoundError`."""
    row = session.get(PatientRow, patient_id)
    if row is None:
        raise RecordNotFoundError(f"There is no patient {patient_id}.")
    return row.merged_into_id or row.id
