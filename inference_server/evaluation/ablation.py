"""Does pre-training help? Short trainings on one fold with and without it, for shares of the labelled slices and seeds.

Without phantoms, so that the labelled slices are all that a run learns from; the same steps for all. Each run is judged
on the hand-drawn L2–L4 slices of the fold that it did not see.
"""

import csv
import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np

from inference_server.evaluation.out_of_fold import EvaluatedSlice, evaluate
from inference_server.evaluation.predictors import TorchPredictor
from inference_server.training.compartments.train import CompartmentTraining, load_member, train
from inference_server.training.datasets.compartment_data import native_slices
from inference_server.training.datasets.splits import COMPARTMENT_FOLDS
from inference_server.training.networks import TeacherMembers

FOLD: Final = 0
SHARES: Final = (0.25, 0.5, 1.0)
SEEDS: Final = (0, 1, 2)
STEPS: Final = 200


@dataclass(frozen=True)
class AblationResult:
    """One run: muscle Dice (median, worst) and absolute SMA error in % (median) over ``slices`` held-out slices."""

    pretrained: bool
    labelled_share: float
    seed: int
    slices: int
    median_dice: float
    worst_dice: float
    median_error_percent: float


def run_ablation(data: Path, runs: Path) -> Iterator[AblationResult]:
    """Train and judge what is missing in ``runs/ablation/results.csv``; gives every result, old and new."""
    table = runs / "ablation" / "results.csv"
    done = read_results(table)
    for seed, share, pretrained in itertools.product(SEEDS, SHARES, (False, True)):
        key = (pretrained, share, seed)
        result = next((r for r in done if (r.pretrained, r.labelled_share, r.seed) == key), None)
        if result is None:
            result = _run(data, runs, pretrained, share, seed)
            _append(table, result)
        yield result


def _run(data: Path, runs: Path, pretrained: bool, share: float, seed: int) -> AblationResult:
    folder = runs / "ablation" / f"{'pretrained' if pretrained else 'random'}-{share:g}-{seed}"
    options = CompartmentTraining(
        data,
        runs / "no_phantoms",
        folder,
        FOLD,
        pretrained=runs / "pretrain" / f"fold{FOLD}" / "weights.pt" if pretrained else None,
        cycle_ends=(STEPS,),
        labelled_share=share,
        seed=seed,
    )
    (weights,) = train(options)
    slices = _held_out(data, TorchPredictor(TeacherMembers([load_member(weights)])))
    dice = [item.agreement.dice for item in slices]
    error = [abs(item.agreement.sma_error_percent) for item in slices]
    return AblationResult(
        pretrained, share, seed, len(slices), float(np.median(dice)), min(dice), float(np.median(error))
    )


def _held_out(data: Path, predictor: TorchPredictor) -> list[EvaluatedSlice]:
    natives = (n for name in COMPARTMENT_FOLDS[FOLD] for n in native_slices(data, name, include_weak=False))
    return [item for item in (evaluate(data, n, predictor) for n in natives) if item.is_measured_level]


def read_results(table: Path) -> list[AblationResult]:
    """The results so far; none if there is no table."""
    if not table.exists():
        return []
    with table.open(newline="") as stream:
        return [
            AblationResult(
                pretrained=row["pretrained"] == "True",
                labelled_share=float(row["labelled_share"]),
                seed=int(row["seed"]),
                slices=int(row["slices"]),
                median_dice=float(row["median_dice"]),
                worst_dice=float(row["worst_dice"]),
                median_error_percent=float(row["median_error_percent"]),
            )
            for row in csv.DictReader(stream)
        ]


def _append(table: Path, result: AblationResult) -> None:
    new = not table.exists()
    with table.open("a", newline="") as stream:
        writer = csv.DictWriter(stream, [f.name for f in fields(result)])
        if new:
            writer.writeheader()
        writer.writerow(asdict(result))
