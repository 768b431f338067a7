"""What an assessment is asked, what it tells while it works, and what it gives in the end."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from sarcopenia.assessment.composition import VAT_HU, HuRange
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import (
    CompartmentMap,
    Landmark,
    LevelFinding,
    Measurement,
    PatternFinding,
    SliceRegistration,
)


@dataclass(frozen=True)
class AssessmentOptions:
    """Choices of the person who asks.

    Attributes
    ----------
    slice_choice: measure this slice instead of the found one: index (feet to head, 0-based) or SOP Instance UID.
    vat_range_hu: HU range of visceral fat, named in the result.
    level: the vertebra that the person says the chosen slice shows, such as "L3"; ``None``: the nearest that was found.
    landmark: where in that vertebra the person took the slice.
    registration: the chosen slice is the place of another scan's slice, not a person's choice.
    """

    slice_choice: int | str | None = None
    vat_range_hu: HuRange = VAT_HU
    level: str | None = None
    landmark: Landmark | None = None
    registration: SliceRegistration | None = None


class Stage(StrEnum):
    """Steps of an assessment, in order."""

    PROJECT = "project"
    LOCATE = "locate"
    SEGMENT = "segment"
    MEASURE = "measure"


STAGES = tuple(Stage)


@dataclass(frozen=True)
class StageEvent:
    """A step begins: ``index`` (0-based) of ``total``, and a line for people."""

    stage: Stage
    index: int
    total: int
    text: str


@dataclass(frozen=True)
class Scout:
    """A reformat along the spine's mid-line for display.

    Attributes
    ----------
    hu_zw: int16, rows from feet to head; columns to the back (sagittal) or to the left (coronal).
    spacing_mm: distance of rows and of columns.
    z_mm: patient z of every row, shape (z,).
    """

    hu_zw: NDArray[np.int16]
    spacing_mm: tuple[float, float]
    z_mm: NDArray[np.float64]


@dataclass(frozen=True)
class Scouts:
    """Both reformats."""

    sagittal: Scout
    coronal: Scout


@dataclass(frozen=True)
class AssessmentArrays:
    """The measured slice: native int16 HU (y, x), its compartments, and its plane in patient space."""

    hu_yx: NDArray[np.int16]
    compartments: CompartmentMap
    plane: PlaneGeometry


@dataclass(frozen=True)
class Assessment:
    """Result of one assessment; ``arrays`` is ``None`` when L3 is not in the scan, the rest for a single slice.

    ``pattern`` is experimental and ``None`` where research is off or nothing was measured.
    """

    measurement: Measurement
    arrays: AssessmentArrays | None
    level: LevelFinding | None
    scouts: Scouts | None
    pattern: PatternFinding | None = None


@dataclass(frozen=True)
class AssessmentFinished:
    """The last event."""

    assessment: Assessment


AssessmentEvent = StageEvent | AssessmentFinished
