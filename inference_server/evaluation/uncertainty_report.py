"""docs/evidence/uncertainty.md: does the product know when it is wrong, and the rule that follows from it.

`acceptance_parameters` is what publishing asks for: limits of the CoV and calibration, which travel with the weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference_server.evaluation import plots, quality_report
from inference_server.evaluation.calibration import CalibrationReport, calibrations
from inference_server.evaluation.markdown import number, plot, table
from inference_server.evaluation.predictors import STUDENT
from inference_server.evaluation.stress_measurement import stress_results
from inference_server.evaluation.uncertainty_analysis import (
    CAUGHT_SHARE,
    MEASURES,
    REJECT_ERROR_PERCENT,
    REVIEW_BUDGET,
    REVIEW_ERROR_PERCENT,
    UNSPOILED,
    CovLimits,
    FlagQuality,
    QualityLimits,
    StressResult,
    absolute_errors,
    choose_limits,
    cov_above,
    flag_quality,
    leave_one_person_out,
    product_flags,
    rank_correlations,
    risk_coverage,
)

PUBLISHED: Final = {"variance": 0.83, "entropy": 0.76, "cov_percent": 0.73}
"""Rank correlations with the SMA error in SMAART-AI (arXiv 2503.16556), on its own data and models."""
MEASURE_NAMES: Final = {
    "cov_percent": "CoV of the SMA",
    "entropy": "entropy",
    "variance": "variance",
    "dissimilarity": "1 − predicted SSIM",
}
ARM_AND_STREAKS: Final = ("arm", "streak", "truncation")
"""Kinds for which the product aims at a muscle Dice of 0.94, or a flag."""
AIMED_DICE: Final = 0.94


@dataclass(frozen=True)
class UncertaintyReport:
    """Everything about one model: calibration, the stress set measured with it, and the limits chosen on it.

    ``quality`` are the limits of `scan_quality`, chosen with the student, which is what most people are served.
    """

    model: str
    calibration: CalibrationReport
    results: tuple[StressResult, ...]
    limits: CovLimits
    quality: QualityLimits

    def flags(self, results: Sequence[StressResult]) -> NDArray[np.bool_]:
        """What the product would flag of some results, see `product_flags`."""
        return product_flags(results, self.limits, self.quality)


def report_uncertainty(data: Path, runs: Path, models: Sequence[str]) -> tuple[UncertaintyReport, ...]:
    """Fit the calibration of each model, measure its stress set, choose its limits; all out-of-fold.

    ``models`` must hold the student.

    Raises
    ------
    SettingsError: a fold was not trained. ValueError: nothing in the stress set is wrong enough to choose by.
    """
    fitted = calibrations(data, runs, models)
    measured = stress_results(data, runs, fitted)
    quality = quality_report.choose_limits(measured[STUDENT])
    return tuple(
        UncertaintyReport(model, fitted[model], measured[model], choose_limits(measured[model]), quality)
        for model in models
    )


def acceptance_parameters(report: UncertaintyReport) -> dict[str, str]:
    """The parameters of config.pbtxt that follow from a report."""
    return {
        "cov_review_percent": f"{report.limits.review_percent:g}",
        "cov_reject_percent": f"{report.limits.reject_percent:g}",
        "temperature": f"{report.calibration.published.temperature:.3f}",
        "bone_offset": f"{report.calibration.published.bone_offset:.2f}",
    }


def uncertainty_headline(report: UncertaintyReport) -> dict[str, float]:
    """Figures for targets and cards; errors in %, shares 0..1."""
    correlation = {r.measure: r for r in rank_correlations(report.results)}
    found = {f"spearman_{measure}": r.pooled for measure, r in correlation.items()}
    found |= {f"spearman_within_{measure}": r.within_person for measure, r in correlation.items()}
    review = flag_quality(report.results, report.flags(report.results), REVIEW_ERROR_PERCENT)
    found |= {"slices": len(report.results), "flagged": review.flagged, "flagged_of_wrong": review.recall}
    for kind in ARM_AND_STREAKS:
        chosen = [r for r in report.results if r.kind == kind]
        found[f"dice_{kind}"] = float(np.median([r.dice for r in chosen]))
        found[f"good_or_flagged_{kind}"] = float(_good_or_flagged(report, chosen).mean())
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
        (MEASURE_NAMES[r.measure], f"{r.pooled:.2f}", f"{r.within_person:.2f}", number(PUBLISHED.get(r.measure), ".2f"))
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
        rows.append((kind, f"{severity:g}", *_kind_cells(report, chosen)))
    return KINDS + table(KIND_COLUMNS, rows) + _arms_and_streaks(report)


def _good_or_flagged(report: UncertaintyReport, results: Sequence[StressResult]) -> NDArray[np.bool_]:
    return report.flags(results) | np.array([r.dice >= AIMED_DICE for r in results])


def _kind_cells(report: UncertaintyReport, results: Sequence[StressResult]) -> tuple[str, ...]:
    by_cov = cov_above(results, report.limits.review_percent)
    return (
        str(len(results)),
        f"{np.median([r.dice for r in results]):.3f}",
        f"{np.median(absolute_errors(results)):.1f}",
        f"{np.median([r.cov_percent for r in results]):.1f}",
        f"{np.median([r.predicted_ssim for r in results]):.2f}",
        str(np.count_nonzero(by_cov)),
        str(np.count_nonzero(report.flags(results))),
    )


def _arms_and_streaks(report: UncertaintyReport) -> str:
    text = ""
    for kind in ARM_AND_STREAKS:
        chosen = [r for r in report.results if r.kind == kind]
        good = np.count_nonzero(_good_or_flagged(report, chosen))
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
        _product_row("all flags together", report, report.results),
        _product_row("the same, slices as they are", report, [r for r in report.results if r.kind == UNSPOILED]),
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
    found = flag_quality(results, cov_above(results, limit), error)
    return (name, f"{limit:.1f} %", f"{error:g} %", *_flag_cells(found))


def _product_row(name: str, report: UncertaintyReport, results: Sequence[StressResult]) -> tuple[str, ...]:
    found = flag_quality(results, report.flags(results), REVIEW_ERROR_PERCENT)
    return (name, "–", f"{REVIEW_ERROR_PERCENT:g} %", *_flag_cells(found))


def _flag_cells(found: FlagQuality) -> tuple[str, ...]:
    shares = (found.flagged, found.recall, found.precision)
    return (*(number(share, ".0%") for share in shares), f"{found.worst_kept:.1f}")


def _calibration(report: UncertaintyReport, folder: Path) -> str:
    found = report.calibration
    name = f"reliability_{report.model}.png"
    plots.reliability_plot(folder / name, f"Muscle wall, {report.model}, out-of-fold", found)
    rows = [
        (f"the folds other than {fold}", f"{fitted.temperature:.2f}", f"{fitted.bone_offset:+.2f}")
        for fold, fitted in enumerate(found.by_fold)
    ]
    published = ("all folds (published)", f"{found.published.temperature:.2f}", f"{found.published.bone_offset:+.2f}")
    return (
        f"Calibration of the wall's probability within 10 mm of its border: ECE {found.before.expected_error:.3f} "
        f"before, {found.after.expected_error:.3f} after bias-corrected temperature scaling across folds.\n\n"
        + table(("fitted to", "temperature", "offset of the logit of bone"), [*rows, published])
        + plot(name, "Share of muscle wall against its probability, before and after calibration")
    )


KIND_COLUMNS: Final = (
    "kind",
    "severity",
    "slices",
    "median Dice",
    "median error, %",
    "median CoV, %",
    "median predicted SSIM",
    "flagged by CoV",
    "flagged by anything",
)
KINDS = """By degradation, and how many slices are flagged: by the review limit of the CoV below, and by anything (CoV,
quality of the image by `scan_quality`, muscle that the field of view cuts):

"""
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
