"""Parsing of the command line."""

import json
import logging
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from sarcopenia.cli import assess as assess_command
from sarcopenia.cli import doctor as doctor_command
from sarcopenia.cli import models as models_command
from sarcopenia.cli import run as run_command
from sarcopenia.cli.exits import ExitCode, fail
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.domain.volume import Sex
from sarcopenia.settings import Settings

LOG: Final = logging.getLogger(__name__)
app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Skeletal muscle area at L3 on CT. Research use only."
)
app.add_typer(models_command.app, name="models")


@app.command()
def assess(
    path: Annotated[Path, typer.Argument(help="DICOM folder, file, .zip, or .nii/.nii.gz.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON object.")] = False,
    chosen_slice: Annotated[
        str | None, typer.Option("--slice", help="Measure this slice: SOP Instance UID, or index from the feet.")
    ] = None,
    masks: Annotated[Path | None, typer.Option(help="Write compartments and muscle to OUT.nii.gz.")] = None,
    height_cm: Annotated[float | None, typer.Option(min=1, help="Height in cm, for the SMI.")] = None,
    weight_kg: Annotated[float | None, typer.Option(min=1, help="Weight in kg.")] = None,
    sex: Annotated[Sex | None, typer.Option(help="M, F or O.")] = None,
) -> None:
    """Measure one scan; starts an embedded Triton if none is reachable."""
    height_m = None if height_cm is None else height_cm / 100
    request = assess_command.AssessRequest(
        path, assess_command.slice_choice(chosen_slice), masks, height_m, weight_kg, sex
    )
    try:
        result = _assess(request, quiet=as_json)
    except SarcopeniaError as error:
        fail(error, as_json=as_json)
    except Exception as error:
        LOG.exception("assess failed")
        fail(SarcopeniaError(f"An unexpected error: {type(error).__name__}."), as_json=as_json)
    else:
        _print_result(result, as_json=as_json)


def _assess(request: assess_command.AssessRequest, *, quiet: bool) -> dict[str, Any]:
    from inference_server.serve import running_or_embedded_triton  # noqa: PLC0415 # only commands that infer need it
    from sarcopenia.inference.triton import TritonModelClient  # noqa: PLC0415

    selection = assess_command.read_scan(request)
    settings = Settings.from_environment()
    with running_or_embedded_triton(settings) as url, TritonModelClient(url, settings.models) as models:
        console = Console(stderr=True, quiet=quiet)
        assessment = assess_command.run_with_progress(selection.chosen, models, request, console)
    if request.masks is not None:
        assess_command.write_masks(assessment, selection.chosen, request.masks)
    return assess_command.result_object(assessment, selection, request)


def _print_result(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, allow_nan=False))
    else:
        Console().print(assess_command.result_table(result))


@app.command()
def run(
    *,
    demo: Annotated[bool, typer.Option(help="Load the demo patients (phantoms).")] = True,
) -> None:
    """Start Triton, the worker and the dashboard; Ctrl-C stops all three."""
    try:
        run_command.run_all(Settings.from_environment(), demo=demo)
    except SarcopeniaError as error:
        fail(error)


@app.command()
def serve() -> None:
    """Start the embedded Triton alone and keep it running."""
    try:
        run_command.serve(Settings.from_environment())
    except SarcopeniaError as error:
        fail(error)


@app.command()
def worker() -> None:
    """Take assessment jobs from the records until stopped."""
    try:
        run_command.work(Settings.from_environment())
    except SarcopeniaError as error:
        fail(error)


@app.command()
def demo() -> None:
    """Put the demo patients (phantoms) into the records, once."""
    try:
        run_command.load_demo(Settings.from_environment())
    except SarcopeniaError as error:
        fail(error)


@app.command()
def doctor() -> None:
    """Check Python, Triton, models, records and ports, one line each."""
    findings = doctor_command.examine(Settings.from_environment())
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.healthy else 'FAIL'} {finding.subject}: {finding.text}")
    raise typer.Exit(ExitCode.DONE if all(f.healthy for f in findings) else ExitCode.OTHER)


def main() -> None:
    """Entry point of the `sarcopenia` command."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app()
