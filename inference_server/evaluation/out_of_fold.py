"""Every hand-drawn slice of the training patients, measured by networks that never saw the patient.

The slices go through `sarcopenia.assessment.segmentation.segment_slices`, so that areas and spread are those that the
product would give for a slice that a person chose.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference_server.evaluation.agreement import MuscleAgreement, muscle_agreement
from inference_server.evaluation.predictors import CompartmentPredictor, out_of_fold
from inference_server.training.datasets.compartment_data import NativeSlice, native_slices, read_index
from inference_server.training.datasets.splits import splits_of
from inference_server.training.networks import Calibration
from sarcopenia.assessment.segmentation import SegmentedSlice, segment_slices
from sarcopenia.domain.volume import Sex

MEASURED_LEVELS: Final = ("L2", "L3", "L4", "")
"""Levels that count for the targets; "" is a single slice that the source says lies at about L2–L3."""


@dataclass(frozen=True)
class EvaluatedSlice:
    """One slice: agreement, whose it is, nearest annotated level ("" if none is), CoV of the members' SMA in %."""

    agreement: MuscleAgreement
    person: str
    sex: Sex
    level: str
    sma_cov_percent: float

    @property
    def is_measured_level(self) -> bool:
        """Whether the slice lies where the product is made for, L2 to L4."""
        return self.level in MEASURED_LEVELS


def annotated_level(data: Path, name: str, slice_index: int) -> str:
    """Name of the annotated vertebra nearest to a slice; "" for a scan without levels."""
    levels = read_index(data)[name]["levels_z"]
    return min(levels, key=lambda label: abs(levels[label] - slice_index), default="")


def sex_of(data: Path, name: str) -> Sex:
    """Sex as the first word of the scan's description says it, UNKNOWN where it says something else."""
    first_word = str(read_index(data)[name].get("what", "")).replace(",", " ").split()[:1]
    return {"female": Sex.FEMALE, "male": Sex.MALE}.get("".join(first_word), Sex.UNKNOWN)


def segment(native: NativeSlice, predictor: CompartmentPredictor) -> SegmentedSlice:
    """One native slice through the product's own segmentation."""
    return segment_slices([native.hu_yx], [native.plane], predictor)[0]


def evaluate(
    data: Path, native: NativeSlice, predictor: CompartmentPredictor, reference_yx: NDArray[np.bool_] | None = None
) -> EvaluatedSlice:
    """Measure one slice and hold it against its labels, or against another reader's muscle mask (y, x)."""
    found = segment(native, predictor)
    agreement = muscle_agreement(native, found.compartments.compartments_yx, reference_yx)
    return evaluated(data, agreement, found.sma_cov_percent)


def evaluated(data: Path, agreement: MuscleAgreement, sma_cov_percent: float) -> EvaluatedSlice:
    """An agreement with what the index of the data says about the slice."""
    name = agreement.name
    level = annotated_level(data, name, agreement.slice_index)
    return EvaluatedSlice(agreement, splits_of(data).patient_of(name), sex_of(data, name), level, sma_cov_percent)


def evaluate_out_of_fold(
    data: Path, runs: Path, model: str, by_fold: Sequence[Calibration]
) -> Iterator[EvaluatedSlice]:
    """All key slices of all folds by the teacher or the student, with a calibration that never saw the fold either."""
    for fold, (names, calibration) in enumerate(zip(splits_of(data).compartment_folds, by_fold, strict=True)):
        predictor = out_of_fold(runs, fold, model, calibration)
        for name in names:
            for native in native_slices(data, name, include_weak=False):
                yield evaluate(data, native, predictor)
