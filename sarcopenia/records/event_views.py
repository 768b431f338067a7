"""What happened to a patient, as it leaves the records: frozen dataclasses, no rows. Times are aware UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class EventKind(StrEnum):
    """What may change muscle or its measurement between two scans."""

    OPERATION = "operation"
    CHEMOTHERAPY = "chemotherapy"
    NUTRITION = "nutrition"
    EXERCISE = "exercise"
    OTHER = "other"


@dataclass(frozen=True)
class NewEvent:
    """An event to be added; ``last_day`` is ``None`` for an event of one day."""

    kind: EventKind
    first_day: date
    last_day: date | None = None
    note: str = ""


@dataclass(frozen=True)
class EventWithdrawal:
    """Who took an event back, why, and when; the event itself stays."""

    author: str
    reason: str
    recorded_at: datetime


@dataclass(frozen=True)
class StoredEvent:
    """An event of a patient, who told it and when; fields as in `NewEvent`. ``withdrawn``: it was said by mistake."""

    event_id: int
    patient_id: int
    kind: EventKind
    first_day: date
    last_day: date | None
    note: str
    author: str
    recorded_at: datetime
    withdrawn: EventWithdrawal | None
