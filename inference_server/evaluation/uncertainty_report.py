"""docs/evidence/uncertainty.md: does the product know when it is wrong, and the rule that follows from it.

`choose_acceptance` is what publishing asks for: the limits of the CoV and the temperature that travel with the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from inference_server.evaluation import plots
from inference_server.evaluation.calibration import CalibrationReport, calibrate, collect
from inference_server.evaluation.markdown import number, plot, table
from inference_server.evaluation.stress_measurement import stress_results
from inference_server.evaluation.uncertainty_analysis import (
    CAUGHT_SHARE,
    MEASURES,
    REJECT_ERROR_PERCENT,
    REVIEW_BUDGET,
    REVIEW_ERROR_PERCENT,
    CovLimits,
    FlagQuality,
    StressResult,
    absolute_errors,
    choose_limits,
    flag_quality,
    leave_one_person_out,
    rank_correlations,
    risk_coverage,
)

PUBLISHED: Final = {"variance": 0.83, "entropy": 0.76, "cov_percent": 0.73}
"""Rank correlations with the SMA error in SMAART-AI (arXiv 2503.16556), on its own data and models."""
MEASURE_NAMES: Final = {"cov_percent": "CoV of the SMA", "entropy": "entropy", "variance": "variance"}
ARM_AND_STREAKS: Final = ("arm", "streak", "truncation")
"""Kinds for which the product aims at a muscle Dice of 0.94, or a flag."""
AIMED_DICE: Final = 0.94


@dataclass(frozen=True)
class UncertaintyReport:
    """Everything about one model: calibration, the stress set measured at its temperature, and the chosen limits."""

    model: str
    calibration: CalibrationReport
    results: tuple[StressResult, ...]
    limits: CovLimits


def report_uncertainty(data: Path, runs: Path, models: Sequence[str]) -> tuple[UncertaintyReport, ...]:
    """Fit the temperature of each model, measure its stress set, choose its limits; all out-of-fold.

    Raises
    ------
    SettingsError: a fold was not trained. ValueError: nothing in the stress set is wrong enough to choose by.
    """
    calibrations = {model: calibrate(tuple(collect(data, runs, model))) for model in models}
    measured = stress_results(data, runs, {model: found.temperature for model, found in calibrations.items()})
    return tuple(
        UncertaintyReport(model, calibrations[model], tuple(measured[model]), choose_limits(measured[model]))
        for model in models
    )


def acceptance_parameters(report: UncertaintyReport) -> dict[str, str]:
    """The parameters of config.pbtxt that follow from a report."""
    return {
        "cov_review_percent": f"{report.limits.review_percent:g}",
        "cov_reject_percent": f"{report.limits.reject_percent:g}",
        "temperature": f"{report.calibration.temperature:.3f}",
    }


def uncertainty_headline(report: UncertaintyReport) -> dict[str, float]:
    """Figures for targets and cards; errors in %, shares 0..1."""
    correlation = {r.measure: r for r in rank_correlations(report.results)}
    found = {f"spearman_{measure}": r.pooled for measure, r in correlation.items()}
    found |= {f"spearman_within_{measure}": r.within_person for measure, r in correlation.items()}
    review = flag_quality(report.results, report.limits.review_percent, REVIEW_ERROR_PERCENT)
    found |= {"slices": len(report.results), "flagged": review.flagged, "flagged_of_wrong": review.recall}
    for kind in ARM_AND_STREAKS:
        chosen = [r for r in report.results if r.kind == kind]
        found[f"dice_{kind}"] = float(np.median([r.dice for r in chosen]))
        found[f"good_or_flagged_{kind}"] = sum(
            r.dice >= AIMED_DICE or is_flagged(r, report.limits) for r in chosen
        ) / len(chosen)
    return found | {
        "ece_before": report.calibration.before.expected_error,
        "ece_after": report.calibration.after.expected_error,
        **{key: float(value) for key, value in acceptance_parameters(report).items()},
    }


def uncertainty_page(reports: Sequence[UncertaintyReport], folder: Path) -> str:
    """The page; plots go into ``folder``."""
    return INTRODUCTION + "".join(_section(report, folder) for report in reports)


def _section(report: UncertaintyReport, folder: Path) -> str:
    text = f"## {report.model}\n\n"
    text += _correlation(report, folder) + _kinds(report) + _rule(report, folder) + _calibration(report, folder)
    return text


def _correlation(report: UncertaintyReport, folder: Path) -> str:
    rows = [
        (MEASURE_NAMES[r.measure], f"{r.pooled:.2f}", f"{r.within_person:.2f}", f"{PUBLISHED[r.measure]:.2f}")
        for r in rank_correlations(report.results)
    ]
    name, results = f"error_{report.model}.png", report.results
    labels = (f"Stress set, {report.model}", "CoV of the SMA, % (+0.05)", "absolute SMA error, % (+0.05)")
    cov, kinds = np.array([r.cov_percent for r in results]), [r.kind for r in results]
    plots.scatter_plot(folder / name, labels, kinds, cov + 0.05, absolute_errors(results) + 0.05, logarithmic=True)
    columns = ("measure", "Spearman, pooled", "mean within a person", "SMAART-AI, other data")
    return (
        f"{len(results)} slices of {len({r.person for r in results})} persons. Rank correlation with the absolute SMA "
        "error:\n\n" + table(columns, rows) + plot(name, "Absolute SMA error against the CoV of the members")
    )


def _kinds(report: UncertaintyReport) -> str:
    rows = []
    for kind, severity in dict.fromkeys((r.kind, r.severity) for r in report.results):
        chosen = [r for r in report.results if (r.kind, r.severity) == (kind, severity)]
        rows.append((kind, f"{severity:g}", *_kind_cells(chosen, report.limits)))
    columns = ("kind", "severity", "slices", "median Dice", "median error, %", "median CoV, %", "flagged")
    text = "By degradation (flagged: CoV above the review limit below, or muscle cut by the field of view):\n\n"
    return text + table(columns, rows) + _arms_and_streaks(report)


def is_flagged(result: StressResult, limits: CovLimits) -> bool:
    """Whether the product would not accept the slice without a look."""
    return result.cov_percent > limits.review_percent or result.muscle_is_cut


def _kind_cells(results: Sequence[StressResult], limits: CovLimits) -> tuple[str, ...]:
    flagged = sum(is_flagged(r, limits) for r in results)
    return (
        str(len(results)),
        f"{np.median([r.dice for r in results]):.3f}",
        f"{np.median(absolute_errors(results)):.1f}",
        f"{np.median([r.cov_percent for r in results]):.1f}",
        f"{flagged} of {len(results)}",
    )


def _arms_and_streaks(report: UncertaintyReport) -> str:
    text = ""
    for kind in ARM_AND_STREAKS:
        chosen = [r for r in report.results if r.kind == kind]
        good = sum(r.dice >= AIMED_DICE or is_flagged(r, report.limits) for r in chosen)
        dice = np.median([r.dice for r in chosen])
        text += f"- {kind}: median Dice {dice:.3f}; Dice ≥ {AIMED_DICE} or flagged in {good} of {len(chosen)}.\n"
    return text + "\n"


def _rule(report: UncertaintyReport, folder: Path) -> str:
    name = f"risk_coverage_{report.model}.png"
    curves = {MEASURE_NAMES[measure]: risk_coverage(report.results, measure) for measure in MEASURES}
    plots.risk_coverage_plot(folder / name, f"Risk and coverage, {report.model}", curves)
    limits = report.limits
    rows = [
        _rule_row("review", limits.review_percent, REVIEW_ERROR_PERCENT, report.results),
        _rule_row("reject", limits.reject_percent, REJECT_ERROR_PERCENT, report.results),
    ]
    left_out = [
        (
            found.person,
            f"{found.limits.review_percent:.1f} / {found.limits.reject_percent:.1f}",
            *_flag_cells(found.review),
            *_flag_cells(found.reject)[:2],
        )
        for found in leave_one_person_out(report.results)
    ]
    columns = ("rule", "CoV above", "meant for errors above", *FLAG_COLUMNS)
    left_columns = ("person left out", "limits, %", *FLAG_COLUMNS, "rejected", "of errors to reject, rejected")
    return (
        plot(name, "Mean error of the slices that are kept, by the share that is kept")
        + RULE
        + table(columns, rows)
        + "The rule chosen without one person, on that person:\n\n"
        + table(left_columns, left_out)
    )


FLAG_COLUMNS: Final = ("flagged", "of wrong ones, flagged", "of flagged ones, wrong", "worst error kept, %")


def _rule_row(name: str, limit: float, error: float, results: Sequence[StressResult]) -> tuple[str, ...]:
    return (name, f"{limit:.1f} %", f"{error:g} %", *_flag_cells(flag_quality(results, limit, error)))


def _flag_cells(found: FlagQuality) -> tuple[str, ...]:
    shares = (found.flagged, found.recall, found.precision)
    return (*(number(share, ".0%") for share in shares), f"{found.worst_kept:.1f}")


def _calibration(report: UncertaintyReport, folder: Path) -> str:
    found = report.calibration
    name = f"reliability_{report.model}.png"
    plots.reliability_plot(folder / name, f"Muscle wall, {report.model}, out-of-fold", found)
    folds = ", ".join(f"{value:.2f}" for value in found.fold_temperatures)
    return (
        f"Calibration of the wall's probability within 10 mm of its border: ECE {found.before.expected_error:.3f} "
        f"before, {found.after.expected_error:.3f} after temperature scaling across folds (temperatures of the other "
        f"folds: {folds}). Published with a temperature of {found.temperature:.2f}, fitted on all folds.\n\n"
        + plot(name, "Share of muscle wall against its probability, before and after temperature scaling")
    )


RULE = f"""The rule: the highest CoV limit (in steps of 0.1 %) that flags {CAUGHT_SHARE:.0%} of the slices with an SMA
error above {REVIEW_ERROR_PERCENT:g} % (review) and above {REJECT_ERROR_PERCENT:g} % (reject). Where the CoV ranks the
errors too badly for that, a budget of false alarms wins: review flags at most {REVIEW_BUDGET:.0%} of the slices that
nothing was done to, reject none of them. The table says what the limits then catch. They are chosen on these slices and
travel with the weights.

"""
INTRODUCTION = """# Uncertainty

Written by `sarcopenia models evaluate`. The stress set: every hand-drawn slice of the training patients, as it is and
in graded degradations (noise, streaks, motion, rings, cut field of view, an arm beside the body, low dose with blur),
measured out-of-fold by the product's own code. The true error is against the drawing on the clean slice. The figures
say how well disagreement of members ranks *these* degradations; most persons are few slices, and slices of a person are
not independent. SMAART-AI's figures are quoted for orientation:
other data, other degradations.

The published networks learned from all folds, the measured ones from two thirds: that their spread behaves alike is an
assumption.

"""
