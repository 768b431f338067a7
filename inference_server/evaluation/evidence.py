"""One command writes docs/evidence: pages, plots, headline figures, the limits for publishing, and the model cards.

The order of a release: `write_evidence` on the finished folds (it writes the limits), publish with these limits, then
`write_evidence` with ``test`` for the one run of the test split. Every page is measured anew when it is asked for.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.progress import track

from inference_server.evaluation.ablation import read_results
from inference_server.evaluation.accuracy_report import accuracy_page, repeatability_page
from inference_server.evaluation.calibration import calibrations
from inference_server.evaluation.cards import write_cards
from inference_server.evaluation.headlines import figures_of, headline, merge_figures, targets_page
from inference_server.evaluation.level_report import levels_page, summarise_levels
from inference_server.evaluation.levels import held_out_levels, level_files, missing_folds
from inference_server.evaluation.local_models import LocalModelClient
from inference_server.evaluation.model_pages import (
    ablation_page,
    classifier_page,
    quality_page,
    report_classifier,
    report_quality,
)
from inference_server.evaluation.network_files import compartment_files, files_table
from inference_server.evaluation.out_of_fold import evaluate_out_of_fold
from inference_server.evaluation.pages import Page
from inference_server.evaluation.predictors import STUDENT, TEACHER
from inference_server.evaluation.summaries import summarise
from inference_server.evaluation.test_log import append_run, hashes_of, require_untested, split_run
from inference_server.evaluation.test_split import SplitResult, run_test_split
from inference_server.evaluation.uncertainty_report import (
    acceptance_parameters,
    report_uncertainty,
    uncertainty_headline,
    uncertainty_page,
)
from inference_server.training.datasets.splits import splits_of
from sarcopenia.domain.errors import SettingsError
from sarcopenia.inference.contract import (
    BODY_COMPARTMENTS,
    BODY_COMPARTMENTS_TEACHER,
    ModelSet,
)
from sarcopenia.records.codec import decode, encode

TEST_LOG: Final = "test_runs.csv"
TEST_RESULT: Final = "test_split.json"
PLOTS: Final = "plots"
MODELS: Final = (TEACHER, STUDENT)
SERVED_NAMES: Final = {TEACHER: BODY_COMPARTMENTS_TEACHER, STUDENT: BODY_COMPARTMENTS}


@dataclass(frozen=True)
class EvidenceOptions:
    """What is evaluated, and where it is written.

    Attributes
    ----------
    data: folder in the training form. runs: folder of the trained folds. repository: the published models.
    output: docs/evidence. pages: which are measured anew. test: run the test split with the published models.
    again: run it even if these weights were tested before. command: what the log says about who ran it.
    """

    data: Path
    runs: Path
    repository: Path
    output: Path
    pages: tuple[Page, ...] = tuple(Page)
    test: bool = False
    again: bool = False
    command: str = "sarcopenia models evaluate"


@dataclass(frozen=True)
class _Written:
    """One page: its text, the headline figures for cards and targets, and the limits for publishing by file name."""

    text: str
    figures: dict[str, Any]
    limits: dict[str, dict[str, str]]


def write_evidence(options: EvidenceOptions) -> None:
    """Measure the pages that are asked for, write them, and bring targets and cards up to date.

    Raises
    ------
    SettingsError: a fold that a page needs was not trained. TestedBeforeError: see `require_untested`. Pages that were
    finished before are written.
    """
    options.output.mkdir(parents=True, exist_ok=True)
    if options.test:
        _run_test(options)
    split = published_split(options)
    for page in track(options.pages, description="evidence"):
        written = _WRITERS[page](options, split)
        _write(options.output / f"{page}.md", written.text)
        merge_figures(options.output, page, written.figures)
        for model, parameters in written.limits.items():
            lines = [f"{key} = {value}\n" for key, value in parameters.items()]
            (options.output / f"limits_{model}.toml").write_text("".join(lines), encoding="utf-8")
    merge_figures(options.output, "test_split", {} if split is None else headline(split))
    _write(options.output / "repeatability.md", repeatability_page(split))
    _write(options.output / "README.md", targets_page(options.output))
    write_cards(options.repository, options.output)


def _write(path: Path, text: str) -> None:
    path.write_text(text.rstrip() + "\n", encoding="utf-8")


def _run_test(options: EvidenceOptions) -> None:
    """The one look at the test split: refused the second time, logged before anything is written about it."""
    models = published_models(options.repository)
    log = options.output / TEST_LOG
    require_untested(log, models.identities(), again=options.again)
    result = run_test_split(options.data, models)
    append_run(log, split_run(result, models.identities(), options.command, datetime.now(UTC)))
    content = {"onnx_sha256": hashes_of(models.identities()), "result": encode(result)}
    (options.output / TEST_RESULT).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def published_models(repository: Path) -> LocalModelClient:
    """The student and what goes with it, as an installation serves them."""
    return LocalModelClient(repository, ModelSet())


def published_split(options: EvidenceOptions) -> SplitResult | None:
    """The stored result of the test split if it belongs to the weights that are published now."""
    path = options.output / TEST_RESULT
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["onnx_sha256"] != hashes_of(published_models(options.repository).identities()):
        return None
    return decode(SplitResult, content["result"])


def _accuracy(options: EvidenceOptions, split: SplitResult | None) -> _Written:
    measured = {
        model: tuple(evaluate_out_of_fold(options.data, options.runs, model, report.by_fold))
        for model, report in calibrations(options.data, options.runs, MODELS).items()
    }
    text = accuracy_page(measured, split, options.output / PLOTS) + _networks(options)
    figures = {
        SERVED_NAMES[model]: figures_of(summarise([item for item in slices if item.is_measured_level]))
        for model, slices in measured.items()
    }
    return _Written(text, figures, {})


def _networks(options: EvidenceOptions) -> str:
    folds = len(splits_of(options.data).compartment_folds)
    files = [path for model in MODELS for path in compartment_files(options.runs, folds, model)]
    return "\n" + files_table(files, options.runs)


def _levels(options: EvidenceOptions, split: SplitResult | None) -> _Written:
    errors = tuple(held_out_levels(options.data, options.runs))
    if not errors:
        raise SettingsError(f"{options.runs / 'spine'} holds no trained fold.", "Train one that holds people out.")
    missing = missing_folds(options.data, options.runs)
    files = level_files(options.data, options.runs)
    text = levels_page(errors, missing, split) + "\n" + files_table(files, options.runs)
    figures = {**figures_of(summarise_levels(errors)), "missing_folds": list(missing)}
    return _Written(text, {"spine_level": figures}, {})


def _uncertainty(options: EvidenceOptions, _split: SplitResult | None) -> _Written:
    reports = report_uncertainty(options.data, options.runs, MODELS)
    text = uncertainty_page(reports, options.output / PLOTS) + _networks(options)
    figures = {SERVED_NAMES[report.model]: uncertainty_headline(report) for report in reports}
    limits = {SERVED_NAMES[report.model]: acceptance_parameters(report) for report in reports}
    return _Written(text, figures, limits)


def _quality(options: EvidenceOptions, _split: SplitResult | None) -> _Written:
    report = report_quality(options.data, options.runs, STUDENT)
    limits = {key: f"{value:g}" for key, value in figures_of(report.limits).items()}
    found = report.figures
    figures = {
        "slices": found.n,
        "people": found.people,
        "ssim_mae": found.ssim_mae,
        "ssim_spearman": found.ssim_spearman,
        "kind_accuracy": found.kind_accuracy,
        "visible_kind_accuracy": found.visible_kind_accuracy,
    }
    return _Written(quality_page(report), {"scan_quality": figures}, {"scan_quality": limits})


def _classifier(options: EvidenceOptions, _split: SplitResult | None) -> _Written:
    report = report_classifier(options.data, options.runs)
    return _Written(classifier_page(report), {"sarcopenia_classifier": figures_of(report.pooled)}, {})


def _ablation(options: EvidenceOptions, _split: SplitResult | None) -> _Written:
    results = read_results(options.runs / "ablation" / "results.csv")
    if not results:
        raise SettingsError(f"{options.runs / 'ablation'} holds no results.", "Run the ablation first.")
    return _Written(ablation_page(results), {"runs": len(results)}, {})


_WRITERS: Final[dict[Page, Callable[[EvidenceOptions, SplitResult | None], _Written]]] = {
    Page.ACCURACY: _accuracy,
    Page.LEVELS: _levels,
    Page.UNCERTAINTY: _uncertainty,
    Page.QUALITY: _quality,
    Page.CLASSIFIER: _classifier,
    Page.ABLATION: _ablation,
}
