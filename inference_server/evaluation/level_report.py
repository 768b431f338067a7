"""docs/evidence/levels.md: where mid-L3 is found, in which vertebra, and whether "no L3" is said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_server.evaluation.levels import SILVER, LevelError
from inference_server.evaluation.markdown import number, table, yes_no
from inference_server.evaluation.test_split import SplitResult


@dataclass(frozen=True)
class LevelSummary:
    """Left-out spines with an annotated L3, person by person, and scans without.

    ``median_mm``, ``worst_mm`` are absolute errors (median over persons' means, worst over spines) of the spines in
    which L3 was found; ``right`` of ``with_l3`` spines were measured in the right vertebra, ``said_none`` of
    ``without_l3`` scans and crops ended in "no L3".
    """

    persons: int
    with_l3: int
    missed: int
    median_mm: float
    worst_mm: float
    right: int
    without_l3: int
    said_none: int


def summarise_levels(errors: Sequence[LevelError]) -> LevelSummary:
    """Headline figures; NaN in mm when no L3 was found at all."""
    true = [e for e in errors if e.has_l3]
    found = [e for e in true if e.error_mm is not None]
    by_person = [np.mean([abs(e.error_mm) for e in found if e.name == name]) for name in {e.name for e in found}]
    without = [e for e in errors if not e.has_l3]
    return LevelSummary(
        persons=len({e.name for e in true}),
        with_l3=len(true),
        missed=len(true) - len(found),
        median_mm=float(np.median(by_person)) if by_person else float("nan"),
        worst_mm=max((abs(e.error_mm) for e in found), default=float("nan")),
        right=sum(e.right_vertebra is True for e in true),
        without_l3=len(without),
        said_none=sum(not e.found_l3 for e in without),
    )


def levels_page(errors: Sequence[LevelError], missing_folds: Sequence[int], split: SplitResult | None) -> str:
    """The page; ``missing_folds`` were not trained and are said to be missing."""
    text = INTRODUCTION
    if missing_folds:
        text += f"**Not trained, so not in these figures: folds {', '.join(map(str, missing_folds))}.**\n\n"
    if errors:
        text += _headline(summarise_levels(errors)) + table(COLUMNS, (_row(error) for error in errors))
    text += "## Visible test split, published model\n\n"
    if split is None:
        return text + "Not run for the weights that are published now; `test_runs.csv` lists earlier runs.\n"
    rows = ((x.name, number(x.error_mm, "+.1f"), yes_no(x.right_vertebra)) for x in split.levels)
    return text + "One man, two scans.\n\n" + table(("scan", "error of mid-L3, mm", "right vertebra"), rows)


def _headline(found: LevelSummary) -> str:
    return (
        f"{found.with_l3} spines of {found.persons} persons with an annotated L3: error of mid-L3 median "
        f"{number(found.median_mm, '.1f')} mm (persons' means), worst {number(found.worst_mm, '.1f')} mm; right "
        f"vertebra {found.right} of {found.with_l3}; L3 not found in {found.missed}. Scans and crops without L3: "
        f'"no L3" said in {found.said_none} of {found.without_l3}.\n\n'
    )


COLUMNS = (
    "scan",
    "shown",
    "L3 annotated",
    "L3 found",
    "error, mm",
    "right vertebra",
    "own spread, mm",
    "counted from",
    "lumbar bodies",
    "ambiguous",
)


def _row(error: LevelError) -> tuple[str, ...]:
    return (
        error.name + (" (silver)" if error.name in SILVER else ""),
        error.case,
        yes_no(error.has_l3),
        yes_no(error.found_l3),
        number(error.error_mm, "+.1f"),
        yes_no(error.right_vertebra),
        number(error.spread_mm, ".1f"),
        error.anchor.value.replace("_", " "),
        "–" if error.lumbar_count is None else str(error.lumbar_count),
        yes_no(error.ambiguous),
    )


INTRODUCTION = """# Level of L3

Written by `sarcopenia models evaluate`. Every spine is read by the network of the fold that held its person out, and
the level is found by the product's own search. The error is signed, positive too far to the head. Right vertebra: the
found middle lies less than half a vertebra from the annotated one. "Own spread" is the network's standard deviation.
Names that begin with A are sagittal reformats (no ribs, no coronal projection), some of one person on two dates; the
levels of `tsex0` come from another model and lie up to 8 mm too low. "Cropped above L2" keeps what a chest scan shows.

"""
