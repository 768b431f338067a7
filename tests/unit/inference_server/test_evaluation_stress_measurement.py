"""One case of the stress set measured by a model that reads compartments from HU alone."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.evaluation.stress import StressCase, StressKind
from inference_server.evaluation.stress_measurement import HeldOutModels, slice_results, stress_result
from inference_server.training.datasets.compartment_data import NativeSlice
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Degradation

SPACING = 1.5
AIR, FAT, MUSCLE, ORGAN = -1000, -100, 80, 0


class HuReader:
    """Two members that agree: compartments by ranges of HU."""

    def segment_compartments(self, slices_hu_nyx: np.ndarray) -> np.ndarray:
        labels = np.select([slices_hu_nyx < -500, slices_hu_nyx < -50, slices_hu_nyx > 40], [0, 1, 2], default=3)
        return np.repeat(255 * (labels[:, None, None] == np.arange(5)[:, None, None]), 2, axis=1).astype(np.uint8)


def always_streaks(hu_yx: np.ndarray) -> tuple[float, np.ndarray]:
    return 0.7, np.eye(6, dtype=np.float32)[2]


MODELS = HeldOutModels(HuReader(), always_streaks)


@pytest.fixture
def clean() -> NativeSlice:
    y, x = np.mgrid[-90:90, -110:110] * SPACING
    radius = np.hypot(y / 110, x / 140)
    labels = np.select([radius < 0.55, radius < 0.8, radius < 1], [3, 2, 1], 0).astype(np.uint8)
    hu = np.choose(labels, [AIR, FAT, MUSCLE, ORGAN]).astype(np.int16)
    plane = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (SPACING, SPACING), labels.shape)
    return NativeSlice("someone", 0, hu, labels, plane, True)


def case_of(native: NativeSlice, kind: StressKind, clean: NativeSlice) -> StressCase:
    muscle_cm2 = (clean.labels_yx == 2).sum() * clean.plane.pixel_area_mm2 / 100
    return StressCase(native, kind, 1.0, float(muscle_cm2))


def test_a_slice_that_is_not_spoiled_has_no_error(clean):
    found = stress_result(case_of(clean, StressKind.NONE, clean), clean, MODELS, "somebody")
    assert (found.person, found.kind, found.muscle_is_cut) == ("somebody", "none", False)
    assert abs(found.sma_error_percent) < 3
    assert found.dice > 0.97
    assert found.cov_percent == pytest.approx(0)
    assert (found.predicted_ssim, found.predicted_kind) == (0.7, Degradation.STREAK)


def test_the_drawing_follows_when_a_slice_is_widened_for_an_arm(clean):
    plane = replace(clean.plane, shape_yx=(180, 300))
    wide = replace(clean, hu_yx=np.pad(clean.hu_yx, ((0, 0), (40, 40)), constant_values=AIR), plane=plane)
    found = stress_result(case_of(wide, StressKind.ARM, clean), clean, MODELS, "somebody")
    assert found.dice > 0.97


def test_muscle_that_cannot_be_seen_is_an_error_against_the_clean_slice(clean):
    half = clean.hu_yx.copy()
    half[:, :110] = np.where(half[:, :110] == MUSCLE, FAT, half[:, :110])
    found = stress_result(case_of(replace(clean, hu_yx=half), StressKind.STREAK, clean), clean, MODELS, "somebody")
    assert found.sma_error_percent == pytest.approx(-50, abs=3)


def test_the_change_by_the_degradation_leaves_out_the_error_on_the_clean_slice(clean):
    """The drawing says a tenth less muscle than the model finds on the clean slice."""
    half = clean.hu_yx.copy()
    half[:, :110] = np.where(half[:, :110] == MUSCLE, FAT, half[:, :110])
    cases = [
        case_of(clean, StressKind.NONE, clean),
        case_of(replace(clean, hu_yx=half), StressKind.STREAK, clean),
    ]
    cases = [replace(case, reference_sma_cm2=0.9 * case.reference_sma_cm2) for case in cases]
    first, second = slice_results(cases, clean, MODELS, "somebody")
    assert first.sma_change_percent == 0
    assert second.sma_error_percent == pytest.approx(first.sma_error_percent + second.sma_change_percent)
    assert second.sma_change_percent == pytest.approx(-50 / 0.9, abs=3)
