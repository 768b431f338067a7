"""Whether 80 % means 80 %: calibration of the compartment probabilities (`networks.Calibration`), fitted and judged.

Everything is out-of-fold, on the hand-drawn slices of the training patients, on the model grid where a pixel's truth is
the share of each compartment in it. Temperature and offset of bone are fitted by the likelihood of all compartments and
judged by the wall alone. Persons weigh the same, however many slices. An offset moves borders and so areas: figures on
a person are honest only with the calibration that was fitted without the person's fold.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, special

from inference_server.evaluation.predictors import UNCALIBRATED, TorchPredictor, out_of_fold
from inference_server.training.datasets.compartment_data import LabelledSlice, native_slices, to_model_grid
from inference_server.training.datasets.splits import splits_of
from inference_server.training.networks import Calibration
from sarcopenia.domain.results import Compartment
from sarcopenia.inference.contract import AXIAL_GRID_MM

BAND_MM: Final = 10.0
"""Near the border of the wall it is decided what is muscle; elsewhere every network is sure."""
BINS: Final = 15
FIRST_SIMPLEX: Final = ((0.0, 0.0), (0.3, 0.0), (0.0, 1.0))
"""Logarithms of the temperature and offsets of bone that a fit starts from."""
FIT_TOLERANCE: Final = 0.01


@dataclass(frozen=True)
class CalibrationPixels:
    """The labelled pixels of one slice near the wall's border.

    Attributes
    ----------
    logits_mcp: float32 (member and mirror image, 5, pixel). share_cp: float32 (5, pixel), sums to 1.
    """

    person: str
    fold: int
    logits_mcp: NDArray[np.float32]
    share_cp: NDArray[np.float32]


@dataclass(frozen=True)
class Reliability:
    """Wall probability against the share of wall: per bin (mean probability, mean share, weight 0..1), and the ECE."""

    probability: NDArray[np.float64]
    share: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean distance of probability and share over the bins, by weight."""
        return float((self.weight * np.abs(self.probability - self.share)).sum())


@dataclass(frozen=True)
class CalibrationReport:
    """Before and after; ``after`` uses for every fold what was fitted to the other folds (``by_fold``).

    ``published`` is fitted to all folds.
    """

    published: Calibration
    by_fold: tuple[Calibration, ...]
    before: Reliability
    after: Reliability


def collect(data: Path, runs: Path, model: str) -> Iterator[CalibrationPixels]:
    """Out-of-fold pixels of every hand-drawn slice, by the teacher or the student."""
    splits = splits_of(data)
    for fold, names in enumerate(splits.compartment_folds):
        predictor = out_of_fold(runs, fold, model)
        for name in names:
            for native in native_slices(data, name, include_weak=False):
                yield pixels_of(to_model_grid(native), predictor, splits.patient_of(name), fold)


def pixels_of(labelled: LabelledSlice, predictor: TorchPredictor, person: str, fold: int) -> CalibrationPixels:
    """The pixels of one slice that lie near the border of its wall and are labelled."""
    share = labelled.share_cyx.astype(np.float32) / 255
    chosen = border_band(share[Compartment.MUSCLE_WALL] > 0.5) & (labelled.known_yx == 255)
    logits = predictor.member_logits(labelled.hu_yx)[:, :, chosen]
    truth = share[:, chosen]
    return CalibrationPixels(person, fold, logits, truth / truth.sum(0))


def border_band(wall_yx: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels (y, x) of the model grid within `BAND_MM` of the border of the wall, on both sides."""
    outside = ndimage.distance_transform_edt(~wall_yx, sampling=AXIAL_GRID_MM)
    inside = ndimage.distance_transform_edt(wall_yx, sampling=AXIAL_GRID_MM)
    return np.asarray(np.maximum(outside, inside) <= BAND_MM)


def mean_probability(logits_mcp: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float32]:
    """Mean over members (5, pixel) of the calibrated probabilities."""
    offsets = np.zeros((logits_mcp.shape[1], 1), np.float32)
    offsets[Compartment.SPINE_BONE] = calibration.bone_offset
    return special.softmax((logits_mcp + offsets) / calibration.temperature, axis=1).mean(0)


def negative_log_likelihood(pixels: Sequence[CalibrationPixels], calibration: Calibration) -> float:
    """Mean over persons of the mean over their pixels, in nats."""
    by_person: dict[str, list[float]] = {}
    for item in pixels:
        probability = mean_probability(item.logits_mcp, calibration)
        value = -(item.share_cp * np.log(probability + 1e-7)).sum(0).mean()
        by_person.setdefault(item.person, []).append(float(value))
    return float(np.mean([np.mean(values) for values in by_person.values()]))


def fit_calibration(pixels: Sequence[CalibrationPixels]) -> Calibration:
    """Calibration with the greatest likelihood (Nelder–Mead)."""
    found = optimize.minimize(
        lambda values: negative_log_likelihood(pixels, _calibration(values)),
        FIRST_SIMPLEX[0],
        method="Nelder-Mead",
        options={"initial_simplex": FIRST_SIMPLEX, "xatol": FIT_TOLERANCE, "fatol": 1e-5},
    )
    return _calibration(found.x)


def _calibration(values: Sequence[float]) -> Calibration:
    return Calibration(temperature=float(np.exp(values[0])), bone_offset=float(values[1]))


def reliability(pixels: Sequence[CalibrationPixels], calibrations: Sequence[Calibration]) -> Reliability:
    """Reliability of the wall probability, with one calibration for every item of ``pixels``."""
    counts = {person: sum(item.person == person for item in pixels) for person in {item.person for item in pixels}}
    sums = np.zeros((3, BINS))
    for item, calibration in zip(pixels, calibrations, strict=True):
        found = mean_probability(item.logits_mcp, calibration)[Compartment.MUSCLE_WALL]
        true = item.share_cp[Compartment.MUSCLE_WALL]
        weight = 1 / (len(counts) * counts[item.person] * len(found))
        bins = np.minimum((found * BINS).astype(int), BINS - 1)
        sums += [np.bincount(bins, weights=values * weight, minlength=BINS) for values in (found, true, found * 0 + 1)]
    filled = sums[2] > 0
    return Reliability(sums[0][filled] / sums[2][filled], sums[1][filled] / sums[2][filled], sums[2][filled])


def calibrate(pixels: Sequence[CalibrationPixels]) -> CalibrationReport:
    """Fit on all folds for publishing, and across folds for honest figures."""
    folds = sorted({item.fold for item in pixels})
    of_fold = {fold: fit_calibration([item for item in pixels if item.fold != fold]) for fold in folds}
    return CalibrationReport(
        published=fit_calibration(pixels),
        by_fold=tuple(of_fold[fold] for fold in folds),
        before=reliability(pixels, [UNCALIBRATED] * len(pixels)),
        after=reliability(pixels, [of_fold[item.fold] for item in pixels]),
    )


def calibrations(data: Path, runs: Path, models: Sequence[str]) -> dict[str, CalibrationReport]:
    """The report of each model (teacher, student).

    Raises
    ------
    SettingsError: a fold was not trained.
    """
    return {model: calibrate(tuple(collect(data, runs, model))) for model in models}
