"""Which measurement corrects which: a measurement has one correction at the most."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from sarcopenia.records.schema import MeasurementRow


def corrected_by(session: Session, measurement_id: int) -> int | None:
    """Id of the measurement that corrects this one, ``None`` where it is the newest version."""
    return session.scalar(select(MeasurementRow.id).where(MeasurementRow.parent_id == measurement_id))
