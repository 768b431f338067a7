"""docs/evidence/quality.md, classifier.md and ablation.md: what `scan_quality`, the classifier and pre-training do.

The figures come from `quality_report`, `classifier_report` and `ablation`; here they are asked for fold by fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from inference_server.evaluation import classifier_report, quality_report
from inference_server.evaluation.ablation import FOLD, AblationResult
from inference_server.evaluation.calibration import calibrations
from inference_server.evaluation.classifier_report import LIMITATION, ClassifierFigures, ClassifierReport
from inference_server.evaluation.markdown import number, table
from inference_server.evaluation.predictors import out_of_fold_quality, student_file
from inference_server.evaluation.quality_report import QualityFigures
from inference_server.evaluation.stress_measurement import stress_results
from inference_server.evaluation.uncertainty_analysis import QualityLimits, StressResult
from inference_server.training.classifier.train import load_classifier
from inference_server.training.datasets.splits import splits_of
from inference_server.training.quality.examples import load_examples
from inference_server.training.quality.train import is_held_out
from inference_server.training.run_state import RunFiles
from sarcopenia.domain.errors import SettingsError

CLASSIFIER_LABEL: Final = "pattern classifier trained on simulated muscle loss; not independent of the measurement"


@dataclass(frozen=True)
class QualityReport:
    """Figures of `scan_quality` on held-out people, its limits and the stress set that they were chosen from."""

    figures: QualityFigures
    results: tuple[StressResult, ...]
    limits: QualityLimits


def report_quality(data: Path, runs: Path, model: str) -> QualityReport:
    """`scan_quality` of every fold, with the teacher or student of the same fold for the areas.

    Raises
    ------
    SettingsError: a fold was not trained.
    """
    rated: list[quality_report.QualityResult] = []
    for fold in range(len(splits_of(data).compartment_folds)):
        network = out_of_fold_quality(runs, fold)
        examples = (e for e in load_examples(runs / "quality_data") if is_held_out(e.name, data, fold))
        rated += quality_report.rate_examples(examples, network)
    results = stress_results(data, runs, calibrations(data, runs, (model,)))[model]
    return QualityReport(quality_report.quality_figures(rated), results, quality_report.choose_limits(results))


def quality_page(report: QualityReport) -> str:
    """The page."""
    return (
        QUALITY_INTRODUCTION
        + quality_report.figures_markdown(report.figures)
        + QUALITY_LIMITS
        + quality_report.limits_markdown(report.results, report.limits)
    )


def report_classifier(data: Path, runs: Path) -> ClassifierReport:
    """The classifier of every fold on the people that neither it nor its encoder saw.

    Raises
    ------
    SettingsError: a fold was not trained.
    """
    folders = [runs / "classifier" / f"fold{fold}" for fold in range(len(splits_of(data).compartment_folds))]
    if untrained := [folder for folder in folders if not RunFiles(folder).weights.exists()]:
        raise SettingsError(f"{untrained[0]} is not trained.", "Run `sarcopenia models train` for every fold.")
    classifiers = [load_classifier(student_file(runs, fold), folder) for fold, folder in enumerate(folders)]
    return classifier_report.report(data, runs / "classifier_phantoms", classifiers)


def classifier_page(report: ClassifierReport) -> str:
    """The page."""
    groups = (*report.persons, report.pooled, *report.phantoms)
    return CLASSIFIER_INTRODUCTION + table(CLASSIFIER_COLUMNS, (_classifier_row(group) for group in groups))


def _classifier_row(found: ClassifierFigures) -> tuple[str, ...]:
    shares = (found.auroc, found.area_auroc, found.accuracy, found.sensitivity, found.specificity)
    counts = (found.persons, found.bags, found.low)
    return (found.group, *map(str, counts), *(number(share, ".2f") for share in shares))


def ablation_page(results: Sequence[AblationResult]) -> str:
    """The page: mean over seeds, with the smallest and largest."""
    rows = []
    for pretrained, share in sorted({(r.pretrained, r.labelled_share) for r in results}, key=lambda key: key[::-1]):
        chosen = [r for r in results if (r.pretrained, r.labelled_share) == (pretrained, share)]
        cells = [_spread([getattr(r, field) for r in chosen], form) for field, form in ABLATION_FIELDS]
        rows.append((f"{share:.0%}", "yes" if pretrained else "no", str(len(chosen)), *cells))
    return ABLATION_INTRODUCTION + table(ABLATION_COLUMNS, rows)


def _spread(values: Sequence[float], form: str) -> str:
    return f"{np.mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


CLASSIFIER_COLUMNS: Final = (
    "whom",
    "persons",
    "bags",
    "low by the rule",
    "AUROC",
    "AUROC of the true area",
    "accuracy",
    "sensitivity",
    "specificity",
)
ABLATION_FIELDS: Final = (("median_dice", ".3f"), ("worst_dice", ".3f"), ("median_error_percent", ".1f"))
ABLATION_COLUMNS: Final = (
    "labelled slices",
    "pre-trained",
    "seeds",
    "median Dice",
    "worst Dice",
    "median absolute SMA error, %",
)
QUALITY_INTRODUCTION: Final = """# Quality of slices

Written by `sarcopenia models evaluate`. `scan_quality` predicts the structural similarity (SSIM) of a slice to its
clean self and the kind of degradation. The clean self is the scan as it was given: an ordinary noisy scan counts as
clean.

"""
QUALITY_LIMITS: Final = """Limits of the predicted SSIM, chosen from the change of the SMA that the degradation alone
brings (stress set of the same people, without the arm; the area by the networks that never saw them):

"""
CLASSIFIER_INTRODUCTION: Final = f"""# Classifier of low muscle

Written by `sarcopenia models evaluate`. It is a "{CLASSIFIER_LABEL}":
experimental, off by default, research view only.
{LIMITATION}

Agreement with the measured rule at a probability of 0.5, everybody by the networks that never saw them. "AUROC of the
true area" is what a perfect measurement reaches that, like the images, does not know the sex.

"""
ABLATION_INTRODUCTION: Final = f"""# Pre-training: with and without

Written by `sarcopenia models evaluate` from `runs/ablation`. Short trainings of one member on the folds other than
{FOLD}, without phantoms, judged on the hand-drawn L2–L4 slices of fold {FOLD}: mean over the seeds, with the smallest
and the largest. One fold is two people; differences within the spread of the seeds say nothing.

"""
