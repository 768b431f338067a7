"""`python -m inference_server …`: training phantoms, training, evaluation, publishing. All resumes where it stopped.

python -m inference_server phantoms --count 260
python -m inference_server train-compartments --fold 0      # and 1, 2: the members of the ensemble
python -m inference_server train-spine                      # --fold N holds a fold out
python -m inference_server count-lumbar                     # four, five, six lumbar vertebrae of unseen phantoms
python -m inference_server publish                          # ONNX into model_repository, then the model cards
"""

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
import typer
from rich.progress import track

from inference_server.evaluation.cards import write_cards
from inference_server.evaluation.local_models import LocalModelClient
from inference_server.evaluation.lumbar_count import count_on_phantoms
from inference_server.publish import publish_compartments, publish_spine
from inference_server.training import train_compartments as compartments
from inference_server.training import train_spine as spine
from inference_server.training.spine_data import phantom_example, save_example
from inference_server.training.splits import COMPARTMENT_FOLDS
from sarcopenia.phantom import make_phantom, random_spec

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
PROJECT: Final = Path(__file__).resolve().parents[1]
DataOption = Annotated[Path, typer.Option(help="Folder of the annotated CT (its README describes it).")]
RunsOption = Annotated[Path, typer.Option(help="Folder of checkpoints and logs.")]
DATA: Final = PROJECT.parent / "shared" / "data"
RUNS: Final = PROJECT / "runs"
PHANTOM_VARIANTS: Final = 3


def compartment_folder(runs: Path, fold: int) -> Path:
    """Folder of one member's run."""
    return runs / "compartments" / f"fold{fold}"


def spine_folder(runs: Path, fold: int | None) -> Path:
    """Folder of one spine run; ``None`` is the run on all patients."""
    return runs / "spine" / f"fold{'all' if fold is None else fold}"


@app.command()
def phantoms(count: int = 260, runs: RunsOption = RUNS) -> None:
    """Generate spine phantoms for training (about three seconds each); those that exist are kept."""
    folder = runs / "spine_phantoms"
    folder.mkdir(parents=True, exist_ok=True)
    for seed in track(range(count), description="phantoms"):
        name = f"phantom{seed}"
        if not (folder / f"{name}.npz").exists():
            random = np.random.default_rng(seed)
            save_example(phantom_example(make_phantom(random_spec(seed)), name, PHANTOM_VARIANTS, random), folder)


@app.command("train-compartments")
def train_compartments(
    fold: Annotated[int, typer.Option(help="Fold that is held out, 0 to 2.")],
    steps: int = 3000,
    threads: int = 2,
    data: DataOption = DATA,
    runs: RunsOption = RUNS,
) -> None:
    """Train one member of body_compartments."""
    torch.set_num_threads(threads)
    options = compartments.CompartmentTraining(data, compartment_folder(runs, fold), fold, steps=steps)
    typer.echo(compartments.train(options))


@app.command("train-spine")
def train_spine(
    fold: Annotated[int | None, typer.Option(help="Fold that is held out; none: train on all.")] = None,
    steps: int = 2500,
    threads: int = 2,
    data: DataOption = DATA,
    runs: RunsOption = RUNS,
) -> None:
    """Train spine_level on annotated spines and phantoms."""
    torch.set_num_threads(threads)
    options = spine.SpineTraining(data, runs / "spine_phantoms", spine_folder(runs, fold), fold, steps=steps)
    typer.echo(spine.train(options))


@app.command()
def publish(
    repository: Annotated[Path, typer.Option(help="Where Triton looks for models.")] = PROJECT / "model_repository",
    data: DataOption = DATA,
    runs: RunsOption = RUNS,
) -> None:
    """Export the trained networks, check them, write hashes; evaluate once and write the model cards."""
    folds = range(len(COMPARTMENT_FOLDS))
    members = [compartments.load_member(compartment_folder(runs, fold) / "weights.pt") for fold in folds]
    typer.echo(publish_compartments(members, repository))
    typer.echo(publish_spine(spine.load_spine_network(spine_folder(runs, None) / "weights.pt"), repository))
    write_cards(data, runs, repository)


@app.command("count-lumbar")
def count_lumbar(
    phantoms: int = 22,
    repository: Annotated[Path, typer.Option(help="Where Triton looks for models.")] = PROJECT / "model_repository",
) -> None:
    """Count the lumbar vertebrae of unseen phantoms with the published model, one line each."""
    for result in count_on_phantoms(LocalModelClient(repository), phantoms):
        typer.echo(f"{result.seed}: {result.true} true, {result.found} found, L3 {result.l3_error_mm:+.1f} mm")


if __name__ == "__main__":
    app()
