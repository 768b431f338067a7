"""Does the spread of the members tell how wrong the area is? Rank correlation, risk–coverage, and the limits chosen.

Works on the numbers of `uncertainty_report`; nothing is measured here. Errors are absolute, in % of the SMA drawn on
the clean slice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.clinical.method_comparison import spearman, spearman_within
from sarcopenia.domain.results import Degradation

MEASURES: Final = ("cov_percent", "entropy", "variance", "dissimilarity")
REVIEW_ERROR_PERCENT: Final = 6.0
"""Errors beyond the worst that the product aims at (and twice what two readings differ by) should be looked at."""
REJECT_ERROR_PERCENT: Final = 15.0
"""Errors larger than the losses of muscle that the literature calls prognostic make a number useless."""
CAUGHT_SHARE: Final = 0.9
"""Share of the wrong slices that a limit should flag."""
REVIEW_BUDGET: Final = 0.2
"""Share of ordinary slices that may ask for a look: a flag on most scans is a flag that nobody reads."""
UNSPOILED: Final = "none"
"""Kind of the slices that nothing was done to."""


@dataclass(frozen=True)
class StressResult:
    """One slice of the stress set: whose, how it was degraded, the truth, and what the product says of it.

    ``sma_error_percent`` is signed, ``dice`` that of the muscle, both against the drawing on the clean slice;
    ``sma_change_percent`` is the error less that of the same model on the clean slice: the degradation's share.
    ``cov_percent`` is the CoV of the SMA, ``entropy`` in nats and ``variance`` are means over the band of the wall.
    ``predicted_ssim`` and ``predicted_kind`` are those of `scan_quality`.
    ``muscle_is_cut``: the product says that the field of view cuts through muscle, and refuses the slice for that.
    """

    person: str
    kind: str
    severity: float
    sma_error_percent: float
    sma_change_percent: float
    dice: float
    cov_percent: float
    entropy: float
    variance: float
    predicted_ssim: float
    predicted_kind: Degradation
    muscle_is_cut: bool = False

    @property
    def dissimilarity(self) -> float:
        """How far the slice is predicted to be from its clean self, 0..1."""
        return 1 - self.predicted_ssim


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman of one measure with the absolute error: over all slices, and the mean within each person."""

    measure: str
    pooled: float
    within_person: float


@dataclass(frozen=True)
class RiskCoverage:
    """Mean absolute error in % of the slices that are kept when the most uncertain ones go, least kept first."""

    coverage: NDArray[np.float64]
    risk_percent: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve in %: the mean risk over all coverages (AURC; Geifman 2019)."""
        return float(self.risk_percent.mean())


@dataclass(frozen=True)
class CovLimits:
    """Limits of the CoV of the SMA in %: above the first a person looks, above the second the area is refused."""

    review_percent: float
    reject_percent: float


@dataclass(frozen=True)
class QualityLimits:
    """Predicted SSIM below which a person looks, and below which no area is given."""

    ssim_review: float
    ssim_reject: float


@dataclass(frozen=True)
class FlagQuality:
    """What flags do: share of all slices flagged, of the wrong ones flagged (recall), and precision.

    ``recall`` is NaN where nothing is wrong, ``precision`` where nothing is flagged. ``worst_kept`` is the largest
    error in % among slices that are not flagged.
    """

    flagged: float
    recall: float
    precision: float
    worst_kept: float


def absolute_errors(results: Sequence[StressResult]) -> NDArray[np.float64]:
    """Absolute SMA errors in %."""
    return np.abs([item.sma_error_percent for item in results])


def rank_correlations(results: Sequence[StressResult]) -> tuple[RankCorrelation, ...]:
    """Every measure against the absolute error."""
    error, persons = absolute_errors(results), [item.person for item in results]
    values = {measure: np.array([getattr(item, measure) for item in results]) for measure in MEASURES}
    return tuple(
        RankCorrelation(measure, spearman(value, error), spearman_within(persons, value, error))
        for measure, value in values.items()
    )


def risk_coverage(results: Sequence[StressResult], measure: str) -> RiskCoverage:
    """Risk against coverage when slices are kept from the smallest value of a measure upwards."""
    order = np.argsort([getattr(item, measure) for item in results], kind="stable")
    count = np.arange(1, len(order) + 1)
    return RiskCoverage(count / len(order), np.cumsum(absolute_errors(results)[order]) / count)


def choose_limits(results: Sequence[StressResult]) -> CovLimits:
    """The highest limits that flag `CAUGHT_SHARE` of the slices beyond each error, within a budget of false alarms.

    A slice is flagged when its CoV is above the limit, so the limit is the CoV that exactly this share exceeds,
    rounded down to 0.1 %. Where the spread ranks the error too badly for that, the budget wins: the review limit flags
    at most `REVIEW_BUDGET` of the slices that nothing was done to, the reject limit none of those; the share that is
    then caught is reported. The reject limit is never below the review limit.

    Raises
    ------
    ValueError: no slice is wrong enough to choose by.
    """
    as_they_are = np.sort([r.cov_percent for r in results if r.kind == UNSPOILED])
    review = max(_limit_for(results, REVIEW_ERROR_PERCENT), _budget(as_they_are, REVIEW_BUDGET))
    reject = max(_limit_for(results, REJECT_ERROR_PERCENT), _budget(as_they_are, 0.0))
    return CovLimits(review, max(review, reject))


def _budget(cov_percent: NDArray[np.float64], share: float) -> float:
    """Lowest limit, in steps of 0.1 %, that at most a share of the sorted CoVs exceeds; 0 without any."""
    allowed = int(share * len(cov_percent))
    kept = cov_percent[: len(cov_percent) - allowed]
    return float(np.ceil(kept[-1] * 10) / 10) if len(kept) else 0.0


def _limit_for(results: Sequence[StressResult], error_percent: float) -> float:
    wrong = np.array([r.cov_percent for r in results if abs(r.sma_error_percent) > error_percent])
    if not len(wrong):
        raise ValueError(f"no slice has an error above {error_percent} %: the stress set is too mild to choose by")
    must_flag = int(np.ceil(CAUGHT_SHARE * len(wrong)))
    least_flagged = np.sort(wrong)[::-1][must_flag - 1]
    return float(max(np.ceil(least_flagged * 10) - 1, 0) / 10)


def cov_above(results: Sequence[StressResult], limit_percent: float) -> NDArray[np.bool_]:
    """Which results a limit of the CoV flags."""
    return np.array([r.cov_percent > limit_percent for r in results])


def product_flags(results: Sequence[StressResult], cov: CovLimits, quality: QualityLimits) -> NDArray[np.bool_]:
    """Which results the product would not accept without a look, for any reason that the stress set touches.

    The same rule as `sarcopenia.assessment.flags`: spread of the area, quality of the image, muscle that is cut.
    """
    poor = [
        r.predicted_ssim < quality.ssim_reject
        or (r.predicted_ssim < quality.ssim_review and r.predicted_kind is not Degradation.NONE)
        for r in results
    ]
    return cov_above(results, cov.review_percent) | np.array(poor) | np.array([r.muscle_is_cut for r in results])


def flag_quality(results: Sequence[StressResult], flagged: NDArray[np.bool_], error_percent: float) -> FlagQuality:
    """What flags do about errors above ``error_percent``."""
    error = absolute_errors(results)
    wrong = error > error_percent
    caught = float((flagged & wrong).sum())
    return FlagQuality(
        flagged=float(flagged.mean()),
        recall=caught / int(wrong.sum()) if wrong.any() else float("nan"),
        precision=caught / int(flagged.sum()) if flagged.any() else float("nan"),
        worst_kept=float(error[~flagged].max(initial=0.0)),
    )


@dataclass(frozen=True)
class LeftOut:
    """The rule chosen without a person, and what it does on the person."""

    person: str
    limits: CovLimits
    review: FlagQuality
    reject: FlagQuality


def leave_one_person_out(results: Sequence[StressResult]) -> tuple[LeftOut, ...]:
    """Choose the limits on everybody else, and try them on each person."""
    found = []
    for person in dict.fromkeys(item.person for item in results):
        limits = choose_limits([item for item in results if item.person != person])
        own = [item for item in results if item.person == person]
        review = flag_quality(own, cov_above(own, limits.review_percent), REVIEW_ERROR_PERCENT)
        reject = flag_quality(own, cov_above(own, limits.reject_percent), REJECT_ERROR_PERCENT)
        found.append(LeftOut(person, limits, review, reject))
    return tuple(found)
