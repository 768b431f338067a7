"""Statistics of two methods that measure the same thing: Dice, Bland–Altman, ICC, bootstrap by person, ranks.

People count, not slices: several slices of one person are not independent, so every figure comes per person first
(the mean of a person's slices) and pooled over slices second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LIMITS_Z: Final = 1.96
CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % confidence interval, in the unit of the figure."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement of n differences, each with its 95 % confidence interval."""

    n: int
    bias: Interval
    lower: Interval
    upper: Interval


def dice_of(found_yx: NDArray[np.bool_], reference_yx: NDArray[np.bool_]) -> float:
    """Overlap of two masks, 0..1; two empty masks agree."""
    total = int(found_yx.sum() + reference_yx.sum())
    return 2 * int((found_yx & reference_yx).sum()) / total if total else 1.0


def mean_by_person(persons: Sequence[str], values: ArrayLike) -> NDArray[np.float64]:
    """Mean value of every person, in the order of their first slice."""
    names, numbers = np.array(persons), np.asarray(values, dtype=np.float64)
    return np.array([numbers[names == name].mean() for name in dict.fromkeys(persons)])


def bland_altman(differences: ArrayLike) -> BlandAltman:
    """Bland JM, Altman DG: Stat Methods Med Res 1999;8:135 – bias ± 1.96 SD and the confidence of both.

    Raises
    ------
    ValueError: fewer than three differences have no usable standard deviation.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    if n < 3:
        raise ValueError("limits of agreement need three differences")
    bias, sd = float(values.mean()), float(values.std(ddof=1))
    t = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    of_bias, of_limit = t * sd / np.sqrt(n), t * sd * np.sqrt(1 / n + LIMITS_Z**2 / (2 * (n - 1)))
    centres = ((bias, of_bias), (bias - LIMITS_Z * sd, of_limit), (bias + LIMITS_Z * sd, of_limit))
    return BlandAltman(n, *(Interval(value, float(value - half), float(value + half)) for value, half in centres))


def icc_2_1(first: ArrayLike, second: ArrayLike) -> float:
    """ICC(2,1), two-way random, single measure, absolute agreement (Shrout PE, Fleiss JL: Psychol Bull 1979;86:420).

    Raises
    ------
    ValueError: fewer than two pairs.
    """
    table = np.column_stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    n, k = table.shape
    if n < 2:
        raise ValueError("an intraclass correlation needs two pairs")
    grand = table.mean()
    rows = k * ((table.mean(1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((table.mean(0) - grand) ** 2).sum() / (k - 1)
    residual = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + grand
    error = (residual**2).sum() / ((n - 1) * (k - 1))
    return float((rows - error) / (rows + (k - 1) * error + k * (columns - error) / n))


def mean_with_bootstrap(per_person: ArrayLike, seed: int = 0) -> Interval:
    """Mean over persons with a percentile bootstrap that draws persons (Efron B, Tibshirani RJ, 1993).

    Raises
    ------
    ValueError: one person alone has no interval.
    """
    values = np.asarray(per_person, dtype=np.float64)
    if len(values) < 2:
        raise ValueError("a bootstrap by person needs two persons")
    drawn = np.random.default_rng(seed).choice(values, (RESAMPLES, len(values)))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn.mean(1), [tail, 100 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation; NaN where one side does not vary."""
    a, b = stats.rankdata(np.asarray(first)), stats.rankdata(np.asarray(second))
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def spearman_within(groups: Sequence[str], first: ArrayLike, second: ArrayLike) -> float:
    """Mean rank correlation inside each group: what is left when the groups' own levels are taken away.

    Groups in which one side does not vary are left out; NaN if none remains.
    """
    names, a, b = np.array(groups), np.asarray(first), np.asarray(second)
    found = np.array([spearman(a[names == name], b[names == name]) for name in dict.fromkeys(groups)])
    usable = found[np.isfinite(found)]
    return float(usable.mean()) if len(usable) else float("nan")
