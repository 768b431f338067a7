"""The log of every run of the visible test split, and the rule that a published version is tested once.

The log is part of the repository (`docs/evidence/test_runs.csv`): whoever looks at a test figure can see how often and
for which weights it was looked at. A second run with the same weights has to be asked for, and is logged as well.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final

from inference_server.evaluation.test_split import SplitResult
from sarcopenia.domain.errors import SettingsError
from sarcopenia.domain.results import ModelIdentity
from sarcopenia.inference.contract import BODY_COMPARTMENTS, BODY_COMPARTMENTS_TEACHER, SPINE_LEVEL


class TestedBeforeError(SettingsError):
    """The test split was run with these very weights; nothing is chosen by looking at it again."""

    title = "The test split was run before"


@dataclass(frozen=True)
class SplitRun:
    """One line of the log; figures are of the slices at L2–L4, as text with their unit in the name.

    ``models`` and ``onnx_sha256`` name the models in the same order, separated by spaces.
    """

    date: str
    models: str
    onnx_sha256: str
    command: str
    slices: str
    dice_median: str
    dice_worst: str
    sma_error_median_percent: str
    sma_error_worst_percent: str
    sma_error_mean_signed_percent: str
    level_errors_mm: str
    same_day_difference_percent: str


MEASURING: Final = frozenset({SPINE_LEVEL, BODY_COMPARTMENTS, BODY_COMPARTMENTS_TEACHER})
"""Models that decide the figures; another `scan_quality` is no reason to look at the test split again."""
COLUMNS: Final = tuple(field.name for field in fields(SplitRun))


def read_log(path: Path) -> tuple[SplitRun, ...]:
    """Every run so far, oldest first; none when there is no log."""
    if not path.exists():
        return ()
    with path.open(newline="", encoding="utf-8") as stream:
        return tuple(SplitRun(**row) for row in csv.DictReader(stream))


def measuring(models: Sequence[ModelIdentity]) -> tuple[ModelIdentity, ...]:
    """The models that decide the figures, by name."""
    return tuple(sorted((model for model in models if model.name in MEASURING), key=lambda model: model.name))


def hashes_of(models: Sequence[ModelIdentity]) -> str:
    """The SHA-256 of the measuring models, as they stand in the log."""
    return " ".join(model.onnx_sha256 for model in measuring(models))


def require_untested(path: Path, models: Sequence[ModelIdentity], *, again: bool) -> None:
    """Refuse a second run.

    Raises
    ------
    TestedBeforeError: the log holds a run with the same weights, and it was not asked for again.
    """
    before = [run.date for run in read_log(path) if run.onnx_sha256 == hashes_of(models)]
    if before and not again:
        raise TestedBeforeError(
            f"The test split was run with these weights on {', '.join(before)}; see {path}.",
            "Look up the figures there; --again runs it once more, which is logged as well.",
        )


def append_run(path: Path, run: SplitRun) -> None:
    """Add a line; the first one writes the header."""
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerow([getattr(run, column) for column in COLUMNS])


def split_run(result: SplitResult, models: Sequence[ModelIdentity], command: str, date: datetime) -> SplitRun:
    """The headline figures of a run."""
    measured = [item.evaluated.agreement for item in result.slices if item.evaluated.is_measured_level]
    errors = [a.sma_error_percent for a in measured]
    return SplitRun(
        date=date.isoformat(timespec="minutes"),
        models=" ".join(f"{model.name}/{model.version}" for model in measuring(models)),
        onnx_sha256=hashes_of(models),
        command=command,
        slices=str(len(measured)),
        dice_median=f"{median(a.dice for a in measured):.4f}",
        dice_worst=f"{min(a.dice for a in measured):.4f}",
        sma_error_median_percent=f"{median(abs(e) for e in errors):.2f}",
        sma_error_worst_percent=f"{max(abs(e) for e in errors):.2f}",
        sma_error_mean_signed_percent=f"{sum(errors) / len(errors):+.2f}",
        level_errors_mm=" ".join("none" if x.error_mm is None else f"{x.error_mm:+.1f}" for x in result.levels),
        same_day_difference_percent=" ".join(f"{d.level} {d.percent:+.1f}" for d in result.same_day),
    )
