"""The headline figures in one JSON file, and docs/evidence/README.md: every target beside what was measured.

Cards and the table of targets read this file only, so that a number stands in one place.
"""

import json
import math
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Final

from inference_server.evaluation.markdown import number, table
from inference_server.evaluation.reclassification import reclassified
from inference_server.evaluation.summaries import summarise
from inference_server.evaluation.test_split import SplitResult

FIGURES_FILE: Final = "figures.json"
PAGES: Final = ("accuracy", "uncertainty", "levels", "quality", "classifier", "repeatability", "ablation")


def figures_of(value: Any) -> Any:  # noqa: ANN401 # dataclasses, lists and numbers become JSON of the same shape
    """JSON value of a dataclass and what it holds; numbers that are not finite become ``None``."""
    if is_dataclass(value) and not isinstance(value, type):
        return figures_of(asdict(value))
    if isinstance(value, dict):
        return {key: figures_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [figures_of(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_figures(output: Path) -> dict[str, Any]:
    """Everything measured so far, by page; nothing if there is no file."""
    path = output / FIGURES_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def merge_figures(output: Path, page: str, figures: dict[str, Any]) -> None:
    """Replace the figures of one page."""
    merged = read_figures(output) | {page: figures_of(figures)}
    text = json.dumps(dict(sorted(merged.items())), indent=1, ensure_ascii=False)
    (output / FIGURES_FILE).write_text(text + "\n", encoding="utf-8")


def headline(split: SplitResult) -> dict[str, Any]:
    """Figures of a run of the test split: L2–L4, every profile, levels, and people scanned twice."""
    measured = [item.evaluated for item in split.slices if item.evaluated.is_measured_level]
    levels = [figures_of(level) for level in split.levels]
    return {
        "summary": figures_of(summarise(measured)),
        "reclassified": [figures_of(found) for found in reclassified(measured) if found.decided],
        "levels": levels,
        "same_day_percent": {f"{d.person} {d.level}": d.percent for d in split.same_day},
    }


def targets_page(output: Path) -> str:
    """The page: targets and figures, missed ones as well, and what else there is to read."""
    found = read_figures(output)
    rows = [*_test_rows(found.get("test_split") or {}), *_validation_rows(found)]
    pages = [page for page in PAGES if (output / f"{page}.md").exists()]
    links = "".join(f"- [{page}]({page}.md)\n" for page in pages)
    log = "- [every run of the test split](test_runs.csv)\n"
    return INTRODUCTION + table(("on", "figure", "target", "measured", "met"), rows) + NOT_HERE + links + log


def _row(on: str, figure: str, target: str, measured: str, met: bool | None) -> tuple[str, ...]:
    return (on, figure, target, measured, {True: "yes", False: "no", None: "–"}[met])


def _test_rows(test: dict[str, Any]) -> list[tuple[str, ...]]:
    on = "test split, L2–L4"
    if not test:
        return [_row(on, "all", "–", "not run for the weights that are published now", None)]
    s = test["summary"]
    signed = s["signed_error"]
    moved = ", ".join(f"{r['profile']} {r['changed']} of {r['decided']}" for r in test["reclassified"])
    found = [level["error_mm"] for level in test["levels"]]
    worst_pair = max((abs(value) for value in test["same_day_percent"].values()), default=None)
    return [
        _row(on, "muscle Dice, median / worst", "≥ 0.970 / ≥ 0.94", *_pair(s, "dice", 3, 0.97, 0.94)),
        _row(on, "SMA error, median / worst, %", "≤ 2.5 / ≤ 6", *_pair(s, "error", 1, 2.5, 6.0)),
        _row(
            on,
            "mean signed SMA error (per person), %",
            "within ±1",
            f"{signed['value']:+.1f} ({signed['low']:+.1f} to {signed['high']:+.1f})",
            abs(signed["value"]) <= 1,
        ),
        _row(on, "re-classified under each profile", "reported", moved, None),
        _row(
            "test split, n = 1 person",
            "L3 error per scan, mm",
            "≤ 12",
            ", ".join(number(value, "+.1f") for value in found),
            all(value is not None and abs(value) <= 12 for value in found),
        ),
        _row(
            "same-day pair",
            "SMA difference, worst of L2–L4, %",
            "≤ 4",
            number(worst_pair, ".1f"),
            None if worst_pair is None else worst_pair <= 4,
        ),
    ]


def _pair(summary: dict[str, Any], what: str, digits: int, median: float, worst: float) -> tuple[str, bool]:
    """Median and worst of Dice (high is good) or error (low is good), and whether both targets are met."""
    values = summary[f"median_{what}"], summary[f"worst_{what}"]
    sign = 1 if what == "dice" else -1
    met = all(sign * (value - target) >= 0 for value, target in zip(values, (median, worst), strict=True))
    return f"{values[0]:.{digits}f} / {values[1]:.{digits}f}", met


def _validation_rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    rows = []
    for model, s in found.get("accuracy", {}).items():
        on = f"out-of-fold, L2–L4, {model}"
        rows.append(_row(on, "muscle Dice, median / worst", "≥ 0.960 / ≥ 0.92", *_pair(s, "dice", 3, 0.96, 0.92)))
    for model, u in found.get("uncertainty", {}).items():
        for kind in ("arm", "streak", "truncation"):
            dice, good = u[f"dice_{kind}"], u[f"good_or_flagged_{kind}"]
            measured = f"{dice:.3f}; Dice ≥ 0.94 or flagged: {good:.0%}"
            met = dice >= 0.94 or good == 1
            on = f"stress set, {kind}, {model}"
            rows.append(_row(on, "muscle Dice, median", "≥ 0.94, or flagged", measured, met))
        cov = u["spearman_cov_percent"]
        rows.append(_row(f"stress set, {model}", "rank correlation CoV–error", "≥ 0.75", f"{cov:.2f}", cov >= 0.75))
    return rows + _level_rows(found.get("levels", {}).get("spine_level"))


def _level_rows(levels: dict[str, Any] | None) -> list[tuple[str, ...]]:
    if levels is None:
        return []
    median, worst = levels["median_mm"], levels["worst_mm"]
    missing = levels["missing_folds"]
    on = "spines left out" + (f" (without folds {missing})" if missing else "")
    none_right = levels["said_none"] == levels["without_l3"]
    all_right = levels["right"] == levels["with_l3"]
    met = median is not None and median <= 5 and worst <= 12
    return [
        _row(
            on, "L3 error, median / worst, mm", "≤ 5 / ≤ 12", f"{number(median, '.1f')} / {number(worst, '.1f')}", met
        ),
        _row(on, "right vertebra", "100 %", f"{levels['right']} of {levels['with_l3']}", all_right),
        _row("chest only", 'said "no L3"', "all", f"{levels['said_none']} of {levels['without_l3']}", none_right),
    ]


NOT_HERE: Final = """Latency and throughput on a GPU are **not measured**: none could be had. CPU times of the networks
are printed by `benchmarks/network_times.py`; that the files that a CPU server loads stay under 20 MB together is held
by a test (`tests/contract/test_repository.py`).

"""
INTRODUCTION: Final = """# Evidence

Written by `sarcopenia models evaluate`; every number comes from the code in `inference_server/evaluation`. Out-of-fold
means: by networks that never saw the person; these people are also the validation on which everything was chosen. Few
people: the persons behind each figure are named on its page. Research use only – not a medical device.

## Targets

"""
