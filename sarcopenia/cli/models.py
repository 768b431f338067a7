"""`sarcopenia models …`: check and convert annotated scans, train, distil and publish the models.

Everything goes on where it stopped. The code lies in `inference_server` and needs the extra ``train``; it is imported
by the command that is asked for, so that the rest of the command line does without torch.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sarcopenia.cli.exits import fail
from sarcopenia.domain.errors import InputError, SarcopeniaError, SettingsError

if TYPE_CHECKING:
    from inference_server.training.commands import Workplace
    from inference_server.training.datasets.annotated_folder import ScanReport

PROJECT: Final = Path(__file__).resolve().parents[2]
NEEDED_PACKAGES: Final = ("torch", "monai", "onnx", "onnxruntime")
app = typer.Typer(no_args_is_help=True, help="Train, evaluate and publish the models; see docs/training.md.")


class Model(StrEnum):
    """Models that can be trained."""

    BODY_COMPARTMENTS = "body_compartments"
    SPINE_LEVEL = "spine_level"
    SCAN_QUALITY = "scan_quality"
    SARCOPENIA_CLASSIFIER = "sarcopenia_classifier"


class PublishedModel(StrEnum):
    """Models that can be published; the teacher is the members that `train` left, and needs no training of its own."""

    BODY_COMPARTMENTS = "body_compartments"
    BODY_COMPARTMENTS_TEACHER = "body_compartments_teacher"
    SPINE_LEVEL = "spine_level"
    SCAN_QUALITY = "scan_quality"
    SARCOPENIA_CLASSIFIER = "sarcopenia_classifier"


DataOption = Annotated[Path, typer.Option(help="Folder in the training form, as `models convert` writes it.")]
RunsOption = Annotated[Path, typer.Option(help="Folder of checkpoints, logs and weights.")]
RepositoryOption = Annotated[Path, typer.Option(help="Where Triton looks for models.")]
ConfigOption = Annotated[
    Path | None, typer.Option(help="TOML that overrides inference_server/training/training.toml in part.")
]
SeedOption = Annotated[int | None, typer.Option(help="Seed of every training instead of the configured one.")]
FoldOption = Annotated[int | None, typer.Option(help="Fold that is held out; without it: train on everybody.")]
ModelOption = Annotated[Model, typer.Option(help="The model.")]
DATA: Final = PROJECT.parent / "shared" / "data"
RUNS: Final = PROJECT / "runs"
REPOSITORY: Final = PROJECT / "model_repository"


@contextmanager
def _said_to_people() -> Iterator[None]:
    """The product's errors become one line and the exit code of every other command."""
    try:
        yield
    except SarcopeniaError as error:
        fail(error)


def _workplace(
    data: Path, runs: Path, config: Path | None, seed: int | None, repository: Path = REPOSITORY
) -> "Workplace":
    """Where and how a training works; torch is imported here for the first time.

    Raises
    ------
    SettingsError: the extra ``train`` is missing, the data are not there, or the configuration is wrong.
    """
    if missing := [name for name in NEEDED_PACKAGES if importlib.util.find_spec(name) is None]:
        raise SettingsError(
            f"Training needs {', '.join(missing)}.", "Install the extra: pip install 'sarcopenia-dashboard[train]'."
        )
    if not (data / "index.json").exists():
        raise SettingsError(
            f"{data} is not in the training form: it has no index.json.",
            "Write it with `sarcopenia models convert FOLDER OUT` and give OUT as --data.",
        )
    from inference_server.training.commands import Workplace  # noqa: PLC0415
    from inference_server.training.config import read_config  # noqa: PLC0415

    options = read_config(config)
    return Workplace(data, runs, repository, options if seed is None else options.with_seed(seed))


@app.command()
def check(folder: Annotated[Path, typer.Argument(help="Folder with scans/ and splits.toml.")]) -> None:
    """Read every annotated scan of a folder and say what it holds and what is wrong; exit code 2 if anything is."""
    from inference_server.training.datasets import annotated_folder as annotated  # noqa: PLC0415

    with _said_to_people():
        splits, paths = annotated.folder_splits(folder), annotated.scan_folders(folder)
        reports = [annotated.check_scan(path, splits) for path in track(paths, "scans", console=Console(stderr=True))]
        Console().print(_check_table(reports))
        across = annotated.problems_across(reports, splits)
        for problem in [*(f"{r.name}: {text}" for r in reports for text in r.problems), *across]:
            typer.echo(problem)
        if across or any(report.problems and report.place != "none" for report in reports):
            raise InputError("Not everything can be trained on.", "Mend what is listed, or take it out of splits.toml.")


def _check_table(reports: "list[ScanReport]") -> Table:
    """One row for each scan."""
    table = Table("scan", "split", "annotation", "slices", "drawn", "SMA cm²", "SAT cm²", "VAT cm²")
    for report in reports:
        areas = ("–" if area is None else f"{area:.1f}" for area in (report.sma_cm2, report.sat_cm2, report.vat_cm2))
        counts = (str(report.slice_count), str(report.drawn_count))
        table.add_row(report.name, report.place, report.mask_kind, *counts, *areas)
    return table


@app.command()
def convert(
    folder: Annotated[Path, typer.Argument(help="Folder with scans/ and splits.toml.")],
    out: Annotated[Path, typer.Argument(help="Folder for the training form.")],
) -> None:
    """Write the training form of a folder of annotated scans."""
    from inference_server.training.datasets.annotated_folder import convert_folder  # noqa: PLC0415

    with _said_to_people():
        for name in convert_folder(folder, out):
            typer.echo(name)


@app.command()
def phantoms(
    data: DataOption = DATA, runs: RunsOption = RUNS, config: ConfigOption = None, seed: SeedOption = None
) -> None:
    """Make the random people that every training mixes in; those that exist are kept."""
    with _said_to_people():
        place = _workplace(data, runs, config, seed)
        from inference_server.training.commands import make_phantoms  # noqa: PLC0415

        make_phantoms(place)


@app.command()
def pretrain(
    fold: FoldOption = None,
    data: DataOption = DATA,
    runs: RunsOption = RUNS,
    config: ConfigOption = None,
    seed: SeedOption = None,
) -> None:
    """Pre-train body_compartments without labels, on all slices of the folder but those of the fold."""
    with _said_to_people():
        place = _workplace(data, runs, config, seed)
        from inference_server.training.commands import run_pretraining  # noqa: PLC0415

        typer.echo(run_pretraining(place, fold))


@app.command()
def train(
    *,
    model: ModelOption,
    fold: FoldOption = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Start from weights: `published`, or a .pt or .onnx file.")
    ] = None,
    data: DataOption = DATA,
    runs: RunsOption = RUNS,
    config: ConfigOption = None,
    seed: SeedOption = None,
) -> None:
    """Train a model, or go on where it stopped; of body_compartments the teacher's members."""
    with _said_to_people():
        place = _workplace(data, runs, config, seed)
        from inference_server.training.commands import run_training  # noqa: PLC0415

        for path in run_training(place, model.value, fold, start):
            typer.echo(path)


@app.command()
def distil(
    fold: FoldOption = None,
    data: DataOption = DATA,
    runs: RunsOption = RUNS,
    config: ConfigOption = None,
    seed: SeedOption = None,
) -> None:
    """Train the student of a fold's teacher; without --fold the student of all teachers, which is published."""
    with _said_to_people():
        place = _workplace(data, runs, config, seed)
        from inference_server.training.commands import run_distillation  # noqa: PLC0415

        typer.echo(run_distillation(place, fold))


@app.command()
def ablate(data: DataOption = DATA, runs: RunsOption = RUNS, config: ConfigOption = None) -> None:
    """Train short runs with and without pre-training on parts of the labels; what is done is kept."""
    with _said_to_people():
        place = _workplace(data, runs, config, None)
        from inference_server.evaluation.ablation import run_ablation  # noqa: PLC0415

        place.use_threads()
        for result in run_ablation(data, runs):
            typer.echo(result)


@app.command()
def evaluate(
    *,
    page: Annotated[
        list[str] | None,
        typer.Option(help="Measure this page only (accuracy, levels, uncertainty …); may be repeated."),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Run the test split with the published models: once per published weights.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Run the test split although it was run; it is logged.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder of the evidence.")] = PROJECT / "docs" / "evidence",
    repository: RepositoryOption = REPOSITORY,
    data: DataOption = DATA,
    runs: RunsOption = RUNS,
) -> None:
    """Measure the finished folds and write the evidence, the limits for publishing, and the model cards."""
    with _said_to_people():
        place = _workplace(data, runs, None, None, repository)
        from inference_server.evaluation.evidence import EvidenceOptions, write_evidence  # noqa: PLC0415
        from inference_server.evaluation.pages import pages_of  # noqa: PLC0415

        place.use_threads()
        pages = pages_of(page)
        write_evidence(EvidenceOptions(data, runs, repository, output, pages, test=test, again=again))


@app.command()
def publish(
    *,
    model: Annotated[PublishedModel, typer.Option(help="The model.")],
    limits: Annotated[
        Path | None, typer.Option(help="TOML with the parameters of config.pbtxt that were chosen on validation.")
    ] = None,
    repository: RepositoryOption = REPOSITORY,
    data: DataOption = DATA,
    runs: RunsOption = RUNS,
    config: ConfigOption = None,
) -> None:
    """Export the run on everybody into the model repository, checked against torch and the contract."""
    with _said_to_people():
        place = _workplace(data, runs, config, None, repository)
        from inference_server.training.publishing import run_publishing  # noqa: PLC0415

        typer.echo(run_publishing(place, model.value, limits))


@app.command("count-lumbar")
def count_lumbar(
    count: Annotated[int, typer.Option("--phantoms", help="Number of random people.")] = 22,
    repository: RepositoryOption = REPOSITORY,
) -> None:
    """Count the lumbar vertebrae of unseen phantoms with the published spine_level, one line each."""
    from inference_server.evaluation.local_models import LocalModelClient  # noqa: PLC0415
    from inference_server.evaluation.lumbar_count import count_on_phantoms  # noqa: PLC0415

    with _said_to_people():
        for result in count_on_phantoms(LocalModelClient(repository), count):
            typer.echo(f"{result.seed}: {result.true} true, {result.found} found, L3 {result.l3_error_mm:+.1f} mm")
