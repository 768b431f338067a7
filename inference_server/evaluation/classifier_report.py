"""`sarcopenia_classifier` against the measured rule, on people and phantoms that neither it nor its encoder saw.

The labelled people are a handful, each wasted and strengthened on a fixed grid: the figures are a demonstration on
simulated muscle loss, and no estimate for patients.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import stats

from inference_server.training.classifier.bags import (
    FIRST_SEED,
    Bag,
    Wasting,
    phantom_slab,
    plain_bag,
    scan_slabs,
)
from inference_server.training.classifier.network import ServedClassifier
from inference_server.training.datasets.splits import splits_of

AMOUNTS_MM: Final = (-14.0, -12.0, -10.0, -8.0, -6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0, 8.0)
FATTY: Final = (0.15, -10.0)
"""Share of streaks and shift in HU of the bags with fat in their muscle; every second amount has it."""
GRID_SEED: Final = 7
UNSEEN_PHANTOMS: Final = range(FIRST_SEED + 1000, FIRST_SEED + 1080)
THRESHOLD: Final = 0.5
LIMITATION: Final = (
    "Real anatomies with simulated muscle loss and phantoms; the truth is the measured rule itself. "
    "With so few people this is a demonstration, not an estimate of accuracy in patients."
)


@dataclass(frozen=True)
class ClassifiedBag:
    """One bag: who, the measured SMA and the limit of the sex in cm², the probability of low muscle, and the fold."""

    name: str
    fold: int
    sma_cm2: float
    limit_cm2: float
    probability: float

    @property
    def is_low(self) -> bool:
        """The measured rule."""
        return self.sma_cm2 < self.limit_cm2


@dataclass(frozen=True)
class ClassifierFigures:
    """Agreement with the measured rule at a probability of 0.5.

    Attributes
    ----------
    group: whom the bags show. persons, bags, low: how many, and how many bags are low by the rule.
    auroc: of the probability. area_auroc: of the true SMA without the sex, the best that an image of unknown sex can
    do if it measures perfectly. sensitivity, specificity: NaN, as both AUROC, where a class is missing.
    """

    group: str
    persons: int
    bags: int
    low: int
    auroc: float
    area_auroc: float
    accuracy: float
    sensitivity: float
    specificity: float


@dataclass(frozen=True)
class ClassifierReport:
    """Figures by held-out person, over all of them, and by fold on unseen phantoms; `LIMITATION` belongs to them."""

    persons: tuple[ClassifierFigures, ...]
    pooled: ClassifierFigures
    phantoms: tuple[ClassifierFigures, ...]
    bags: tuple[ClassifiedBag, ...]


def auroc(scores: ArrayLike, is_positive: ArrayLike) -> float:
    """Chance that a positive scores higher than a negative, ties count half; NaN without both (Mann–Whitney U)."""
    values, positive = np.asarray(scores, dtype=float), np.asarray(is_positive, dtype=bool)
    if positive.all() or not positive.any():
        return float("nan")
    rank_sum = stats.mannwhitneyu(values[positive], values[~positive]).statistic
    return float(rank_sum / (positive.sum() * (~positive).sum()))


def figures(group: str, bags: Sequence[ClassifiedBag]) -> ClassifierFigures:
    """Figures of at least one bag."""
    low = np.array([bag.is_low for bag in bags])
    probability = np.array([bag.probability for bag in bags])
    said_low = probability >= THRESHOLD
    return ClassifierFigures(
        group=group,
        persons=len({bag.name for bag in bags}),
        bags=len(bags),
        low=int(low.sum()),
        auroc=auroc(probability, low),
        area_auroc=auroc([-bag.sma_cm2 for bag in bags], low),
        accuracy=float((said_low == low).mean()),
        sensitivity=float(said_low[low].mean()) if low.any() else float("nan"),
        specificity=float((~said_low[~low]).mean()) if not low.all() else float("nan"),
    )


def grid_of_wasting() -> tuple[Wasting, ...]:
    """The fixed changes of every held-out slab."""
    return tuple(
        Wasting(amount, *(FATTY if index % 2 else (0.0, 0.0)), seed=GRID_SEED + index)
        for index, amount in enumerate(AMOUNTS_MM)
    )


def held_out_bags(data: Path, fold: int) -> Iterator[Bag]:
    """Every slab from L2 to L4 of the fold's people whose sex is known, with every change of the grid."""
    for name in splits_of(data).compartment_folds[fold]:
        for slab in scan_slabs(data, name):
            yield from (plain_bag(slab, wasting) for wasting in grid_of_wasting())


def phantom_bags(phantoms: Path) -> Iterator[Bag]:
    """The slabs of phantoms that no training used."""
    return (plain_bag(phantom_slab(phantoms, seed), Wasting()) for seed in UNSEEN_PHANTOMS)


def classify(classifier: ServedClassifier, fold: int, bags: Iterable[Bag]) -> tuple[ClassifiedBag, ...]:
    """Answers of the classifier that held a fold out."""
    return tuple(ClassifiedBag(b.name, fold, b.sma_cm2, b.limit_cm2, _probability(classifier, b)) for b in bags)


def _probability(classifier: ServedClassifier, bag: Bag) -> float:
    with torch.inference_mode():
        return float(classifier(torch.from_numpy(bag.slab_hu)[None])[0])


def report(data: Path, phantoms: Path, classifiers: Sequence[ServedClassifier]) -> ClassifierReport:
    """Hold the classifier of each fold against the people of the fold and the unseen phantoms."""
    people = [bag for fold, c in enumerate(classifiers) for bag in classify(c, fold, held_out_bags(data, fold))]
    unseen = tuple(phantom_bags(phantoms))
    made = [classify(c, fold, unseen) for fold, c in enumerate(classifiers)]
    names = dict.fromkeys(bag.name for bag in people)
    return ClassifierReport(
        persons=tuple(figures(name, [bag for bag in people if bag.name == name]) for name in names),
        pooled=figures("all held-out people", people),
        phantoms=tuple(figures(f"unseen phantoms, fold {fold}", bags) for fold, bags in enumerate(made)),
        bags=(*people, *(bag for bags in made for bag in bags)),
    )
