"""How well `scan_quality` reads slices of unseen patients, and below which similarity an area is not trusted.

Nothing is measured on the test split. The similarity is one to the scan as it was given: an ordinary noisy scan counts
as clean, and what the model sees is what came on top.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from inference_server.evaluation import markdown
from inference_server.evaluation.predictors import QualityModel
from inference_server.evaluation.stress import StressKind
from inference_server.evaluation.uncertainty_analysis import QualityLimits, StressResult
from inference_server.training.quality.examples import QualityExample
from sarcopenia.clinical.method_comparison import spearman
from sarcopenia.domain.results import Degradation

KINDS: Final = tuple(Degradation)
VISIBLE_SEVERITY: Final = 0.3
"""Milder degradations can hardly be seen by anybody; the kind is also reported without them."""
REVIEW_BUDGET: Final = 0.1
"""Share of unspoiled slices that may ask for a look because of their quality."""
REVIEW_CHANGE_PERCENT, REJECT_CHANGE_PERCENT = 3.0, 10.0
"""Changes of the SMA by the degradation alone: the difference within reading, and more than any trend of months."""


@dataclass(frozen=True)
class QualityResult:
    """One example and what the model says of it."""

    name: str
    kind: Degradation
    severity: float
    ssim: float
    predicted_ssim: float
    predicted_kind: Degradation

    @property
    def is_visible(self) -> bool:
        """Clean, or spoiled so that it can be seen."""
        return self.kind is Degradation.NONE or self.severity >= VISIBLE_SEVERITY


@dataclass(frozen=True)
class QualityFigures:
    """Figures over n slices of some people.

    Attributes
    ----------
    ssim_mae, ssim_spearman: mean absolute error and rank correlation of the predicted similarity.
    kind_accuracy, visible_kind_accuracy: share of right kinds, of all and of those that can be seen.
    confusion: counts (true, predicted) in the order of `Degradation`.
    """

    n: int
    people: int
    ssim_mae: float
    ssim_spearman: float
    kind_accuracy: float
    visible_kind_accuracy: float
    confusion: NDArray[np.int64]


def rate_examples(examples: Iterable[QualityExample], model: QualityModel) -> list[QualityResult]:
    """What the model says of every example."""
    results = []
    for example in examples:
        ssim, probability = model(example.hu_yx)
        kind = KINDS[int(probability.argmax())]
        results.append(QualityResult(example.name, example.kind, example.severity, example.ssim, ssim, kind))
    return results


def quality_figures(results: Sequence[QualityResult]) -> QualityFigures:
    """Figures over results, pooled."""
    true, found = np.array([r.ssim for r in results]), np.array([r.predicted_ssim for r in results])
    right = np.array([r.kind is r.predicted_kind for r in results])
    confusion = np.zeros((len(KINDS), len(KINDS)), dtype=np.int64)
    for result in results:
        confusion[KINDS.index(result.kind), KINDS.index(result.predicted_kind)] += 1
    return QualityFigures(
        n=len(results),
        people=len({r.name for r in results}),
        ssim_mae=float(np.abs(true - found).mean()),
        ssim_spearman=spearman(true, found),
        kind_accuracy=float(right.mean()),
        visible_kind_accuracy=float(right[[r.is_visible for r in results]].mean()),
        confusion=confusion,
    )


def choose_limits(
    results: Sequence[StressResult],
    review_percent: float = REVIEW_CHANGE_PERCENT,
    reject_percent: float = REJECT_CHANGE_PERCENT,
) -> QualityLimits:
    """The predicted SSIM at which the expected change of the SMA passes each percentage, rounded to 0.01.

    The expectation is the decreasing step function of the SSIM nearest to the absolute changes (isotonic regression:
    Barlow 1972), but never so high that more than `REVIEW_BUDGET` of the slices to which nothing was done would be
    flagged, or any refused: where the prediction tells too little, a limit must not cry wolf. Slices with an arm beside
    the body are left out: an arm is not a fault of the image.

    What counts is the change against the same model's area of the clean slice: its own error is not the image's fault.

    Raises
    ------
    ValueError: the expected change never passes a percentage, so that there is nothing to choose by.
    """
    used = sorted((r for r in results if r.kind != StressKind.ARM), key=lambda result: result.predicted_ssim)
    ssim = np.array([r.predicted_ssim for r in used])
    expected = isotonic_regression([abs(r.sma_change_percent) for r in used], increasing=False).x
    clean = np.sort([r.predicted_ssim for r in used if r.kind == StressKind.NONE])
    review = min(_passed(ssim, expected, review_percent), _budget(clean, REVIEW_BUDGET))
    reject = min(_passed(ssim, expected, reject_percent), _budget(clean, 0.0))
    return QualityLimits(review, min(review, reject))


def _budget(clean_ssim: NDArray[np.float64], share: float) -> float:
    """Highest limit, in steps of 0.01, that at most a share of the sorted clean slices lie below; 1 without any."""
    if not len(clean_ssim):
        return 1.0
    return float(np.floor(clean_ssim[int(share * len(clean_ssim))] * 100) / 100)


def _passed(ssim: NDArray[np.float64], expected: NDArray[np.float64], percent: float) -> float:
    beyond = ssim[expected > percent]
    if not len(beyond):
        raise ValueError(f"no degradation changes the SMA by {percent} % or more: nothing to choose by")
    return round(float(beyond.max()), 2)


def figures_markdown(figures: QualityFigures) -> str:
    """The figures in a sentence and the confusion as a table."""
    sentence = (
        f"n = {figures.n} slices of {figures.people} held-out patients and phantoms: SSIM mean absolute error "
        f"{figures.ssim_mae:.3f}, Spearman {figures.ssim_spearman:.3f}; kind right in {figures.kind_accuracy:.1%} "
        f"({figures.visible_kind_accuracy:.1%} of clean slices and of severity ≥ {VISIBLE_SEVERITY}).\n\n"
    )
    rows = [[kind, *map(str, counts)] for kind, counts in zip(KINDS, figures.confusion, strict=True)]
    return sentence + markdown.table(["true \\ predicted", *KINDS], rows)


def limits_markdown(results: Sequence[StressResult], limits: QualityLimits) -> str:
    """What the limits do: median and worst change of the SMA of the slices in each class, without arms."""
    used = [r for r in results if r.kind != StressKind.ARM]
    classes = (
        (f"accept (≥ {limits.ssim_review})", limits.ssim_review, float("inf")),
        (f"review (≥ {limits.ssim_reject})", limits.ssim_reject, limits.ssim_review),
        ("reject", -float("inf"), limits.ssim_reject),
    )
    rows = []
    for name, low, high in classes:
        change = np.abs([r.sma_change_percent for r in used if low <= r.predicted_ssim < high])
        middle, worst = (float(np.median(change)), float(change.max())) if len(change) else (None, None)
        shares = [markdown.number(len(change) / len(used), ".0%"), markdown.number(middle, ".1f")]
        rows.append([name, str(len(change)), *shares, markdown.number(worst, ".1f")])
    return markdown.table(["predicted SSIM", "slices", "share", "median |ΔSMA|, %", "worst |ΔSMA|, %"], rows)
