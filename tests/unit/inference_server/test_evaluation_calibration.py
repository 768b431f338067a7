"""Temperature scaling on logits whose right temperature is known."""

import numpy as np
import pytest
from scipy import special

pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.evaluation.calibration import (
    CalibrationPixels,
    border_band,
    calibrate,
    fit_temperature,
    negative_log_likelihood,
    reliability,
)


def overconfident(person: str, fold: int, factor: float, pixels: int = 4000) -> CalibrationPixels:
    """Pixels whose truth is drawn from the softmax of logits, which are then multiplied by ``factor``."""
    random = np.random.default_rng(fold + len(person))
    logits = random.normal(0, 2, (5, pixels))
    probability = special.softmax(logits, axis=0)
    truth = np.array([random.multinomial(1, p) for p in probability.T]).T
    return CalibrationPixels(
        person, fold, np.repeat(factor * logits[None], 2, axis=0).astype(np.float32), truth.astype(np.float32)
    )


@pytest.fixture(scope="module")
def pixels():
    return [overconfident(name, fold, 2.5) for fold, name in enumerate(("a", "bb", "ccc"))]


def test_the_temperature_undoes_the_factor(pixels):
    assert fit_temperature(pixels) == pytest.approx(2.5, rel=0.08)
    assert negative_log_likelihood(pixels, 2.5) < negative_log_likelihood(pixels, 1.0)


def test_calibration_across_folds_lowers_the_error(pixels):
    report = calibrate(pixels)
    assert len(report.fold_temperatures) == 3
    assert report.before.expected_error > 0.05
    assert report.after.expected_error < 0.03


def test_weights_of_the_bins_sum_to_one_and_persons_weigh_the_same(pixels):
    twice = [*pixels, pixels[0]]
    first, second = (reliability(chosen, [1.0] * len(chosen)) for chosen in (pixels, twice))
    assert first.weight.sum() == pytest.approx(1)
    assert second.expected_error == pytest.approx(first.expected_error)


def test_the_band_lies_on_both_sides_of_the_border():
    wall = np.zeros((60, 60), dtype=bool)
    wall[:, 30:] = True
    assert np.flatnonzero(border_band(wall)[30]).tolist() == list(range(24, 36))
