"""Calibration on logits whose right temperature and offset are known."""

import numpy as np
import pytest
from scipy import special

pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.evaluation.calibration import (
    CalibrationPixels,
    border_band,
    calibrate,
    fit_calibration,
    negative_log_likelihood,
    reliability,
)
from inference_server.evaluation.predictors import UNCALIBRATED
from sarcopenia.domain.results import Compartment


def overconfident(person: str, fold: int, factor: float, pixels: int = 4000) -> CalibrationPixels:
    """Pixels whose truth is drawn from the softmax of logits, which are then multiplied; bone's is lowered by 1.5."""
    random = np.random.default_rng(fold + len(person))
    logits = random.normal(0, 2, (5, pixels))
    probability = special.softmax(logits, axis=0)
    truth = np.array([random.multinomial(1, p) for p in probability.T]).T
    spoiled = factor * logits
    spoiled[Compartment.SPINE_BONE] -= 1.5
    return CalibrationPixels(
        person, fold, np.repeat(spoiled[None], 2, axis=0).astype(np.float32), truth.astype(np.float32)
    )


@pytest.fixture(scope="module")
def pixels():
    return [overconfident(name, fold, 2.5) for fold, name in enumerate(("a", "bb", "ccc"))]


def test_the_fit_undoes_factor_and_offset(pixels):
    found = fit_calibration(pixels)
    assert found.temperature == pytest.approx(2.5, rel=0.08)
    assert found.bone_offset == pytest.approx(1.5, abs=0.2)
    assert negative_log_likelihood(pixels, found) < negative_log_likelihood(pixels, UNCALIBRATED)


def test_calibration_across_folds_lowers_the_error(pixels):
    report = calibrate(pixels)
    assert len(report.by_fold) == 3
    assert report.before.expected_error > 0.05
    assert report.after.expected_error < 0.03


def test_weights_of_the_bins_sum_to_one_and_persons_weigh_the_same(pixels):
    twice = [*pixels, pixels[0]]
    first, second = (reliability(chosen, [UNCALIBRATED] * len(chosen)) for chosen in (pixels, twice))
    assert first.weight.sum() == pytest.approx(1)
    assert second.expected_error == pytest.approx(first.expected_error)


def test_the_band_lies_on_both_sides_of_the_border():
    wall = np.zeros((60, 60), dtype=bool)
    wall[:, 30:] = True
    assert np.flatnonzero(border_band(wall)[30]).tolist() == list(range(24, 36))
