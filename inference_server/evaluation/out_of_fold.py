"""Every hand-drawn slice of the training patients, measured by networks that never saw the patient.

The slices go through `sarcopenia.assessment.segmentation.segment_slices`, so that areas and spread are those that the
product would give for a slice that a person chose.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference_server.evaluation.agreement import MuscleAgreement, muscle_agreement
from inference_server.evaluation.predictors import CompartmentPredictor, out_of_fold
from inference_server.training.compartment_data import NativeSlice, native_slices, read_index
from inference_server.training.splits import COMPARTMENT_FOLDS
from sarcopenia.assessment.segmentation import SegmentedSlice, segment_slices
from sarcopenia.domain.volume import Sex

MEASURED_LEVELS: Final = ("L2", "L3", "L4", "")
"""Levels that count for the targets; "" is a single slice that the source says lies at about L2–L3."""


@dataclass(frozen=True)
class EvaluatedSlice:
    """One slice: agreement, nearest annotated level ("" if none is), CoV of the members' SMA in %, person's sex."""

    agreement: MuscleAgreement
    level: str
    sma_cov_percent: float
    sex: Sex

    @property
    def person(self) -> str:
        """Who the slice belongs to; the two scans of one man are one person."""
        return person_of(self.agreement.name)

    @property
    def is_measured_level(self) -> bool:
        """Whether the slice lies where the product is made for, L2 to L4."""
        return self.level in MEASURED_LEVELS


def person_of(name: str) -> str:
    """The person behind a scan: `juno0` and `juno1` are the same-day pair of one man."""
    return "juno" if name.startswith("juno") else name


def annotated_level(data: Path, name: str, slice_index: int) -> str:
    """Name of the annotated vertebra nearest to a slice; "" for a scan without levels."""
    levels = read_index(data)[name]["levels_z"]
    return min(levels, key=lambda label: abs(levels[label] - slice_index), default="")


def sex_of(data: Path, name: str) -> Sex:
    """Sex as the source describes the scan, UNKNOWN where it says nothing."""
    first = str(read_index(data)[_described_scan(name)].get("what", "")).split()[:1]
    return {"female": Sex.FEMALE, "male,": Sex.MALE, "male": Sex.MALE}.get("".join(first), Sex.UNKNOWN)


def _described_scan(name: str) -> str:
    """The scan whose description names the sex of the person."""
    return "juno0" if person_of(name) == "juno" else name


def sma_cov_percent(member_sma_cm2: tuple[float, ...]) -> float:
    """Coefficient of variation of the members' SMA in %, as the assessment computes it."""
    areas = np.array(member_sma_cm2)
    return 100 * float(areas.std(ddof=1) / max(areas.mean(), 1e-6)) if len(areas) > 1 else 0.0


def segment(native: NativeSlice, predictor: CompartmentPredictor) -> SegmentedSlice:
    """One native slice through the product's own segmentation."""
    return segment_slices([native.hu_yx], [native.plane], predictor)[0]


def evaluate(
    data: Path, native: NativeSlice, predictor: CompartmentPredictor, reference_yx: NDArray[np.bool_] | None = None
) -> EvaluatedSlice:
    """Measure one slice and hold it against its labels, or against another reader's muscle mask (y, x)."""
    found = segment(native, predictor)
    return EvaluatedSlice(
        muscle_agreement(native, found.compartments.compartments_yx, reference_yx),
        annotated_level(data, native.name, native.slice_index),
        sma_cov_percent(found.member_sma_cm2),
        sex_of(data, native.name),
    )


def evaluate_out_of_fold(data: Path, runs: Path, model: str) -> Iterator[EvaluatedSlice]:
    """All key slices of all folds by the teacher or the student; see `predictors.out_of_fold`."""
    for fold, names in enumerate(COMPARTMENT_FOLDS):
        predictor = out_of_fold(runs, fold, model)
        for name in names:
            for native in native_slices(data, name, include_weak=False):
                yield evaluate(data, native, predictor)
