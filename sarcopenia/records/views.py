"""Patients, scans and measurements as they leave the records: frozen dataclasses, no rows.

Times are aware UTC; ids are whole numbers and never used twice.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.errors import ValidationIssue, ValidationReport
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import CompartmentMap, LevelFinding, Measurement, ModelIdentity, PatternFinding
from sarcopenia.domain.strokes import Stroke
from sarcopenia.domain.volume import SeriesHeader, Sex


class ReviewState(StrEnum):
    """What a person decided about a measurement; without any review it is "AI – not reviewed"."""

    SIGNED = "signed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class ContextKind(StrEnum):
    """Facts about a person that change or are measured apart from the scan."""

    HEIGHT = "height"
    WEIGHT = "weight"
    SEX = "sex"
    GRIP_STRENGTH = "grip_strength"
    GAIT_SPEED = "gait_speed"
    SARC_F = "sarc_f"
    PREGNANCY = "pregnancy"
    AMPUTATION = "amputation"
    PARALYSIS = "paralysis"
    DIALYSIS = "dialysis"
    RECENT_LAPAROTOMY = "recent_laparotomy"


class ContextSource(StrEnum):
    """Where a fact comes from; a person's word outranks the header of a scan of the same day."""

    DICOM = "DICOM"
    TYPED = "typed"
    MEASURED = "measured"


@dataclass(frozen=True)
class IdentityFacts:
    """Who the images say the patient is; "" or ``None`` where they say nothing."""

    issuer: str
    dicom_patient_id: str
    name: str
    birth_date: date | None
    sex: Sex


@dataclass(frozen=True)
class IdentityQuestion:
    """The same patient id came with other facts: a person must say whether the incoming patient is the known one."""

    known_patient_id: int
    known: IdentityFacts
    incoming: IdentityFacts
    text: str


@dataclass(frozen=True)
class IdentityDecision:
    """What a person answered: the patient it is, or the patients it is not."""

    accepted_patient_id: int | None = None
    refused_patient_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class PatientSummary:
    """A patient in a list; identity as the newest images give it. ``provisional``: the images named nobody."""

    patient_id: int
    identity: IdentityFacts
    provisional: bool
    scan_count: int
    first_study_date: date | None
    last_study_date: date | None

    @property
    def display_name(self) -> str:
        """Name for people: "Doe, Jane" for DOE^JANE, or "Provisional patient 7"."""
        parts = [part.strip() for part in self.identity.name.split("=")[0].split("^")]
        family, given = parts[0], " ".join(part for part in parts[1:3] if part)
        name = ", ".join(part for part in (family, given) if part)
        if name:
            return name
        return f"Provisional patient {self.patient_id}" if self.provisional else self.identity.dicom_patient_id


@dataclass(frozen=True)
class StoredMeasurement:
    """A measurement and its place: scan, patient, the one it corrects, the one that corrects it, its review.

    ``author`` is the person who made a correction, or the name of the software. ``muscle_sha256`` is the hash of the
    muscle mask, ``None`` without a measured slice.
    """

    measurement_id: int
    scan_id: int
    patient_id: int
    parent_id: int | None
    superseded_by: int | None
    author: str
    stored_at: datetime
    measurement: Measurement
    level: LevelFinding | None
    muscle_sha256: str | None
    review: "StoredReview | None"

    @property
    def is_signed(self) -> bool:
        """Whether a person signed this version, and nobody withdrew it."""
        return self.review is not None and self.review.state is ReviewState.SIGNED

    @property
    def is_by_person(self) -> bool:
        """Whether a person made this version, or said something of it that still holds."""
        reviewed = self.review is not None and self.review.state is not ReviewState.WITHDRAWN
        return self.parent_id is not None or reviewed


@dataclass(frozen=True)
class ScanSummary:
    """A stored series; ``latest`` is its newest measurement that no correction has replaced.

    ``rejected_series`` says of every other series of the upload why it was not chosen (``count`` images each).
    """

    scan_id: int
    patient_id: int
    upload_id: int
    series_hash: str
    header: SeriesHeader
    reader_report: ValidationReport
    rejected_series: tuple[ValidationIssue, ...]
    study_date: date | None
    slice_count: int
    stored_at: datetime
    latest: StoredMeasurement | None


@dataclass(frozen=True)
class ScanReceipt:
    """A series has its place. ``already_known``: it was stored before."""

    scan_id: int
    patient_id: int
    already_known: bool


@dataclass(frozen=True)
class ScoutImage:
    """A sagittal or coronal overview of the series.

    Attributes
    ----------
    hu_zx: int16 HU; rows from feet to head, columns to the back (sagittal) or to the patient's left (coronal).
    spacing_mm_zx: distance between rows and between columns.
    z_mm: float64 patient z coordinate of every row, shape (rows,).
    """

    hu_zx: NDArray[np.int16]
    spacing_mm_zx: tuple[float, float]
    z_mm: NDArray[np.float64]


@dataclass(frozen=True)
class StoredSlice:
    """The measured slice on its native pixels (int16 HU), its plane in patient space, and its maps."""

    hu_yx: NDArray[np.int16]
    plane: PlaneGeometry
    compartments: CompartmentMap


@dataclass(frozen=True)
class StoredArrays:
    """The pictures of a measurement; ``None`` where there is none (L3 not in the scan; a single slice)."""

    slice: StoredSlice | None
    sagittal: ScoutImage | None
    coronal: ScoutImage | None


@dataclass(frozen=True)
class NewMeasurement:
    """A measurement to be stored.

    Attributes
    ----------
    author: the person who corrected, or the name of the software.
    request_key: SHA-256 of what was asked (series, models, options); a second one with the same key on the same scan
        is the same measurement. ``None`` for a person's correction.
    parent_id: the measurement that this one corrects.
    pattern: what the experimental classifier says of the slab; stored apart, ``None`` where research is off.
    """

    measurement: Measurement
    level: LevelFinding | None
    arrays: StoredArrays
    author: str
    request_key: str | None = None
    parent_id: int | None = None
    pattern: PatternFinding | None = None


@dataclass(frozen=True)
class StoredDraft:
    """Strokes that one person has made on a measurement and not stored as a correction yet.

    ``revision`` is the number of changes so far; a change names the one it was made on.
    """

    measurement_id: int
    author: str
    strokes: tuple[Stroke, ...]
    revision: int
    updated_at: datetime


class MaskFormat(StrEnum):
    """Kind of file in which a reader's mask came."""

    NIFTI = "nifti"
    SEG = "seg"
    TAG = "tag"


@dataclass(frozen=True)
class MaskComparison:
    """A person's muscle mask and the models' own on the same slice.

    Attributes
    ----------
    sma_cm2, ai_sma_cm2: areas of both. smd_hu, ai_smd_hu: mean HU of both, ``None`` where a mask is empty.
    dice: overlap, 0..1.
    """

    sma_cm2: float
    ai_sma_cm2: float
    smd_hu: float | None
    ai_smd_hu: float | None
    dice: float


@dataclass(frozen=True)
class ReadingMasks:
    """The muscle masks of a reading on the native pixels of its slice: boolean (y, x), the reader's and the AI's."""

    reader_yx: NDArray[np.bool_]
    ai_yx: NDArray[np.bool_]


@dataclass(frozen=True)
class NewReading:
    """A reading to be stored.

    Attributes
    ----------
    measurement_id: the measurement whose mask is the AI's; ``None``: the models outlined the slice for this reading.
    slice_index: 0-based, from the feet.
    reader: who drew the mask. blind: drawn without seeing the AI's mask. method: kind of its file.
    models: the weights that made the AI's mask.
    author: who gave the file.
    """

    scan_id: int
    measurement_id: int | None
    slice_index: int
    reader: str
    blind: bool
    method: MaskFormat
    masks: ReadingMasks
    comparison: MaskComparison
    models: tuple[ModelIdentity, ...]
    author: str


@dataclass(frozen=True)
class StoredReading:
    """A reading and its place; fields as in `NewReading`. The hashes are those of the reader's and of the AI's mask."""

    reading_id: int
    scan_id: int
    patient_id: int
    measurement_id: int | None
    slice_index: int
    reader: str
    blind: bool
    method: MaskFormat
    mask_sha256: str
    ai_mask_sha256: str
    comparison: MaskComparison
    models: tuple[ModelIdentity, ...]
    recorded_at: datetime


@dataclass(frozen=True)
class ContextEntry:
    """One fact about a person from ``valid_from`` on (``None``: of an undated scan), with its source and author."""

    entry_id: int
    kind: ContextKind
    value: float | str
    unit: str
    source: ContextSource
    valid_from: date | None
    author: str
    recorded_at: datetime


@dataclass(frozen=True)
class ScanContext:
    """The facts that hold on the day of a scan; ``None`` where nobody said anything."""

    height: ContextEntry | None
    weight: ContextEntry | None
    sex: ContextEntry | None
    grip_strength: ContextEntry | None
    gait_speed: ContextEntry | None
    sarc_f: ContextEntry | None
    pregnancy: ContextEntry | None
    amputation: ContextEntry | None
    paralysis: ContextEntry | None
    dialysis: ContextEntry | None
    recent_laparotomy: ContextEntry | None


@dataclass(frozen=True)
class StoredReview:
    """What a person said about a measurement, and when."""

    review_id: int
    measurement_id: int
    state: ReviewState
    author: str
    comment: str
    recorded_at: datetime


@dataclass(frozen=True)
class ReportItem:
    """One measurement of a report, with its scan and the review that held when the report was made."""

    scan_id: int
    measurement_id: int
    review_id: int | None


@dataclass(frozen=True)
class StoredReport:
    """The frozen ids of a report: reading them later gives exactly what was reported.

    ``document_sha256`` is the hash of the document that was handed out, ``None`` where none was.
    """

    report_id: int
    patient_id: int
    items: tuple[ReportItem, ...]
    context_entry_ids: tuple[int, ...]
    author: str
    frozen_at: datetime
    operation_id: int | None = None
    document_sha256: str | None = None


@dataclass(frozen=True)
class AuditEntry:
    """Who did what to which record; ``subject`` such as "patient:3", ``details`` as (name, value) pairs."""

    entry_id: int
    author: str
    action: str
    subject: str
    details: tuple[tuple[str, str], ...]
    recorded_at: datetime
