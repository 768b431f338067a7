"""Planned operations as they leave the records: frozen dataclasses, no rows. Times are aware UTC."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True)
class NewOperation:
    """An operation to be planned.

    Attributes
    ----------
    hospital_number: the patient's id at the hospital, DICOM Patient ID (0010,0020).
    patient_name: as the list gives it; the images' own name is shown where there are images.
    procedure: a code of the evidence cards (`sarcopenia.clinical.evidence`).
    patient_id: the patient of the records, where the operation was entered on that patient's page.
    """

    hospital_number: str
    day: date
    procedure: str
    surgeon: str = ""
    patient_name: str = ""
    note: str = ""
    patient_id: int | None = None


@dataclass(frozen=True)
class OperationCancellation:
    """Who took an operation off the list, why, and when; the operation itself stays."""

    author: str
    reason: str
    recorded_at: datetime


@dataclass(frozen=True)
class PlannedOperation:
    """A planned operation; fields as in `NewOperation`.

    ``patient_ids`` are the patients of the records whose images carry the hospital number: none when no scan has been
    uploaded, several when two hospitals use the same number and a person must choose.
    """

    operation_id: int
    plan: NewOperation
    patient_ids: tuple[int, ...]
    author: str
    recorded_at: datetime
    cancelled: OperationCancellation | None
