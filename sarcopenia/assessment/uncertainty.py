"""How unsure an ensemble is about the muscle: three numbers, from its members' probabilities and areas.

Entropy and variance are means over a band on the model grid that holds the muscle wall and what lies close around it:
elsewhere every network is sure, and a mean over the whole slice would measure how much air is in the picture.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from sarcopenia.domain.results import Compartment
from sarcopenia.inference.contract import AXIAL_GRID_MM

BAND_MM: Final = 4.5
"""Reach of the band beyond the wall: about the width over which a member's probability falls from 1 to 0."""


WALL_LEVELS: Final = (0.35, 0.5, 0.65)
"""Probabilities of the wall at which a member's area is taken. Members that learned from the same few people are sure
of the same mistake; how far a border could move at little cost tells more of the error (docs/evidence/uncertainty.md).
The levels are such that the CoV of the areas is about as large as the errors on people that no member has seen."""


def plausible_areas_cm2(
    muscle_like_yx: NDArray[np.bool_], wall_probability_yx: NDArray[np.floating], pixel_area_mm2: float
) -> tuple[float, ...]:
    """Areas in cm² of one member: its wall at each of `WALL_LEVELS` ∩ the pixels in the HU range of muscle."""
    probability = wall_probability_yx[muscle_like_yx]
    return tuple(float(np.count_nonzero(probability > level) * pixel_area_mm2 / 100) for level in WALL_LEVELS)


def area_cov_percent(sma_cm2: Sequence[float]) -> float:
    """Coefficient of variation of areas in %, with n − 1; 0 for a single one."""
    areas = np.asarray(sma_cm2)
    return 100 * float(areas.std(ddof=1) / max(areas.mean(), 1e-6)) if len(areas) > 1 else 0.0


def wall_band(probability_mcyx: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Pixels (y, x) that any member takes for muscle wall, and those within `BAND_MM` of them."""
    wall = (probability_mcyx.argmax(axis=1) == Compartment.MUSCLE_WALL).any(axis=0)
    if not wall.any():
        return np.asarray(wall)
    return np.asarray(ndimage.distance_transform_edt(~wall, sampling=AXIAL_GRID_MM) <= BAND_MM)


def wall_entropy(probability_mcyx: NDArray[np.floating]) -> float:
    """Mean predictive entropy of the compartments over the band, in nats; 0 where no member sees a wall.

    The predictive entropy of a pixel is that of the mean of the members' probabilities (Lakshminarayanan 2017).

    Parameters
    ----------
    probability_mcyx: members × 5 compartments × rows × columns of the model grid, 0..1.
    """
    band = wall_band(probability_mcyx)
    if not band.any():
        return 0.0
    mean_cp = probability_mcyx.mean(axis=0)[:, band]
    # Bytes on the wire need not sum to exactly 1.
    return float(special.entr(mean_cp / mean_cp.sum(axis=0)).sum(axis=0).mean())


def wall_variance(probability_mcyx: NDArray[np.floating]) -> float:
    """Mean over the band of the variance of the wall's probability across members; 0 where no member sees a wall.

    Parameters
    ----------
    probability_mcyx: see `wall_entropy`.
    """
    band = wall_band(probability_mcyx)
    return float(probability_mcyx[:, Compartment.MUSCLE_WALL][:, band].var(axis=0).mean()) if band.any() else 0.0
