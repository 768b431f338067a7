"""The stress set through the product's own segmentation, by networks that never saw the person."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference_server.evaluation.calibration import CalibrationReport
from inference_server.evaluation.out_of_fold import segment
from inference_server.evaluation.predictors import (
    CompartmentPredictor,
    QualityModel,
    out_of_fold,
    out_of_fold_quality,
)
from inference_server.evaluation.stress import StressCase, slice_cases
from inference_server.evaluation.uncertainty_analysis import StressResult
from inference_server.training.datasets.compartment_data import NativeSlice, native_slices
from inference_server.training.datasets.splits import splits_of
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.assessment.quality import cut_edge, muscle_is_cut
from sarcopenia.clinical.method_comparison import dice_of
from sarcopenia.domain.results import Degradation


@dataclass(frozen=True)
class HeldOutModels:
    """Models that never saw some people: one for the compartments, one for the quality of the image."""

    compartments: CompartmentPredictor
    quality: QualityModel


def stress_results(
    data: Path, runs: Path, calibrations: dict[str, CalibrationReport]
) -> dict[str, tuple[StressResult, ...]]:
    """Every case of the stress set by each model (teacher, student) of ``calibrations``, with `scan_quality`.

    Networks and calibrations are those that never saw the person. The cases are made once for all models: spoiling a
    slice takes longer than measuring it.

    Raises
    ------
    SettingsError: a fold was not trained.
    """
    results: dict[str, list[StressResult]] = {model: [] for model in calibrations}
    splits = splits_of(data)
    for fold, names in enumerate(splits.compartment_folds):
        quality = out_of_fold_quality(runs, fold)
        held_out = {
            model: HeldOutModels(out_of_fold(runs, fold, model, report.by_fold[fold]), quality)
            for model, report in calibrations.items()
        }
        for clean in (native for name in names for native in native_slices(data, name, include_weak=False)):
            cases = tuple(slice_cases(clean))
            for model, models in held_out.items():
                results[model] += slice_results(cases, clean, models, splits.patient_of(clean.name))
    return {model: tuple(found) for model, found in results.items()}


def slice_results(
    cases: Sequence[StressCase], clean: NativeSlice, models: HeldOutModels, person: str
) -> list[StressResult]:
    """All cases of one slice; the first one is the clean slice itself, as in `slice_cases`."""
    first, *others = (stress_result(case, clean, models, person) for case in cases)
    offset = first.sma_error_percent
    return [first, *(replace(r, sma_change_percent=r.sma_error_percent - offset) for r in others)]


def stress_result(case: StressCase, clean: NativeSlice, models: HeldOutModels, person: str) -> StressResult:
    """One case: error against the drawing on the clean slice, and what the product says; its change still 0."""
    found = segment(case.native, models.compartments)
    ssim, kinds = models.quality(found.model_hu_yx)
    plane, compartments = case.native.plane, found.compartments
    sma_cm2 = np.count_nonzero(compartments.muscle_yx) * plane.pixel_area_mm2 / 100
    edge = cut_edge(case.native.hu_yx, plane)
    return StressResult(
        person=person,
        kind=case.kind.value,
        severity=case.severity,
        sma_error_percent=float(100 * (sma_cm2 / case.reference_sma_cm2 - 1)),
        sma_change_percent=0.0,
        dice=dice_of(compartments.muscle_yx, _clean_muscle(clean, plane.shape_yx[1])),
        cov_percent=found.sma_cov_percent,
        entropy=found.entropy,
        variance=found.variance,
        predicted_ssim=ssim,
        predicted_kind=tuple(Degradation)[int(kinds.argmax())],
        muscle_is_cut=muscle_is_cut(edge, compartments.compartments_yx, plane),
    )


def _clean_muscle(clean: NativeSlice, columns: int) -> NDArray[np.bool_]:
    """Muscle as drawn on the clean slice; a case with an arm has as many columns more on both sides."""
    added = (columns - clean.plane.shape_yx[1]) // 2
    return np.pad(muscle_mask(clean.hu_yx, clean.labels_yx), ((0, 0), (added, added)))
