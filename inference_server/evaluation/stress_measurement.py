"""The stress set through the product's own segmentation, by networks that never saw the person."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference_server.evaluation.agreement import dice_of
from inference_server.evaluation.out_of_fold import segment
from inference_server.evaluation.predictors import CompartmentPredictor, out_of_fold
from inference_server.evaluation.stress import StressCase, slice_cases
from inference_server.evaluation.uncertainty_analysis import StressResult
from inference_server.training.datasets.compartment_data import NativeSlice, native_slices
from inference_server.training.datasets.splits import splits_of
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.assessment.quality import cut_edge, muscle_is_cut


def stress_results(data: Path, runs: Path, temperatures: dict[str, float]) -> dict[str, list[StressResult]]:
    """Every case of the stress set by each model (teacher, student), at the temperature that it will be served with.

    The cases are made once for all models: spoiling a slice takes longer than measuring it.
    """
    results: dict[str, list[StressResult]] = {model: [] for model in temperatures}
    splits = splits_of(data)
    for fold, names in enumerate(splits.compartment_folds):
        predictors = {model: out_of_fold(runs, fold, model, t) for model, t in temperatures.items()}
        for clean in (native for name in names for native in native_slices(data, name, include_weak=False)):
            for case in slice_cases(clean):
                for model, predictor in predictors.items():
                    results[model].append(stress_result(case, clean, predictor, splits.patient_of(clean.name)))
    return results


def stress_result(case: StressCase, clean: NativeSlice, predictor: CompartmentPredictor, person: str) -> StressResult:
    """One case: error against the drawing on the clean slice, and what the product says about its own certainty."""
    found = segment(case.native, predictor)
    plane, compartments = case.native.plane, found.compartments
    sma_cm2 = np.count_nonzero(compartments.muscle_yx) * plane.pixel_area_mm2 / 100
    edge = cut_edge(case.native.hu_yx, plane)
    return StressResult(
        person=person,
        kind=case.kind.value,
        severity=case.severity,
        sma_error_percent=float(100 * (sma_cm2 / case.reference_sma_cm2 - 1)),
        dice=dice_of(compartments.muscle_yx, _clean_muscle(clean, plane.shape_yx[1])),
        cov_percent=found.sma_cov_percent,
        entropy=found.entropy,
        variance=found.variance,
        muscle_is_cut=muscle_is_cut(edge, compartments.compartments_yx, plane),
    )


def _clean_muscle(clean: NativeSlice, columns: int) -> NDArray[np.bool_]:
    """Muscle as drawn on the clean slice; a case with an arm has as many columns more on both sides."""
    added = (columns - clean.plane.shape_yx[1]) // 2
    return np.pad(muscle_mask(clean.hu_yx, clean.labels_yx), ((0, 0), (added, added)))
