"""From a command to a training: which folders and which options of the configuration a run takes.

Folders under ``runs``: ``axial_phantoms``, ``spine_phantoms``, ``classifier_phantoms``, ``quality_data``; and
``pretrain``, ``teacher``, ``student``, ``spine``, ``quality``, ``classifier`` with one folder a fold (``fold0`` …),
``foldall`` for the run on everybody.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from rich.progress import track

from inference_server.training.classifier import train as classifier
from inference_server.training.compartments import distil, pretrain
from inference_server.training.compartments import train as compartments
from inference_server.training.config import TrainingConfig
from inference_server.training.datasets import axial_phantoms
from inference_server.training.datasets.splits import splits_of
from inference_server.training.published_weights import write_member_start, write_spine_start
from inference_server.training.quality import examples as quality_data
from inference_server.training.quality import train as quality
from inference_server.training.spine import train as spine
from inference_server.training.spine.data import phantom_example, save_example
from sarcopenia.domain.errors import SettingsError
from sarcopenia.phantom import make_phantom, random_spec

SPINE_VARIANTS: Final = 3
PUBLISHED: Final = "published"


@dataclass(frozen=True)
class Workplace:
    """Where a command works: training form of the data, folder of runs, model repository, and the configuration."""

    data: Path
    runs: Path
    repository: Path
    config: TrainingConfig

    @property
    def axial_phantoms(self) -> Path:
        """Axial slices of random people."""
        return self.runs / "axial_phantoms"

    @property
    def spine_phantoms(self) -> Path:
        """Spines of random people."""
        return self.runs / "spine_phantoms"

    def run_folder(self, training: str, fold: int | None) -> Path:
        """Folder of one run; ``None`` is the run on everybody."""
        return self.runs / training / f"fold{'all' if fold is None else fold}"

    def use_threads(self) -> None:
        """Give torch its cores."""
        torch.set_num_threads(self.config.threads)


def make_phantoms(place: Workplace) -> None:
    """Random people for every training; those that exist are kept."""
    place.spine_phantoms.mkdir(parents=True, exist_ok=True)
    for seed in track(range(place.config.phantoms.spines), description="spines"):
        name = f"phantom{seed}"
        if not (place.spine_phantoms / f"{name}.npz").exists():
            random = np.random.default_rng(seed)
            example = phantom_example(make_phantom(random_spec(seed)), name, SPINE_VARIANTS, random)
            save_example(example, place.spine_phantoms)
    first = axial_phantoms.FIRST_SEED
    for seed in track(range(first, first + place.config.phantoms.people), description="people"):
        axial_phantoms.generate(place.axial_phantoms, seed)


def run_pretraining(place: Workplace, fold: int | None) -> Path:
    """Masked auto-encoding without the patients of a fold."""
    check_fold(place, "body_compartments", fold)
    place.use_threads()
    folder = place.run_folder("pretrain", fold)
    options = asdict(place.config.pretrain)
    return pretrain.pretrain(pretrain.Pretraining(place.data, place.axial_phantoms, folder, fold, **options))


def run_training(place: Workplace, model: str, fold: int | None, start: str | None) -> list[Path]:
    """Train a model, or go on with it; ``start`` is "published", a file of weights, or ``None``.

    Raises
    ------
    SettingsError: a fold or a model that does not exist, or a start that does not fit.
    """
    check_fold(place, model, fold)
    place.use_threads()
    return _TRAININGS[model](place, fold, start)


def _train_compartments(place: Workplace, fold: int | None, start: str | None) -> list[Path]:
    folder = place.run_folder("teacher", fold)
    pretrained = place.run_folder("pretrain", fold) / "weights.pt"
    if start is not None:
        pretrained = write_member_start(_start_file(place, "body_compartments", start), folder / "start.pt")
    elif not pretrained.exists():
        raise SettingsError(
            f"{pretrained} does not exist.", "Run `sarcopenia models pretrain` first, or give --from published."
        )
    options = asdict(place.config.body_compartments)
    return compartments.train(
        compartments.CompartmentTraining(place.data, place.axial_phantoms, folder, fold, pretrained, **options)
    )


def _train_spine(place: Workplace, fold: int | None, start: str | None) -> list[Path]:
    folder = place.run_folder("spine", fold)
    pretrained = None
    if start is not None:
        pretrained = write_spine_start(_start_file(place, "spine_level", start), folder / "start.pt")
    options = asdict(place.config.spine_level)
    return [spine.train(spine.SpineTraining(place.data, place.spine_phantoms, folder, fold, pretrained, **options))]


def _train_quality(place: Workplace, fold: int | None, start: str | None) -> list[Path]:
    if start is not None:
        raise SettingsError("scan_quality is small and always starts from nothing.", "Leave --from out.")
    examples = place.runs / "quality_data"
    quality_data.generate(place.data, place.axial_phantoms, examples)
    options = asdict(place.config.scan_quality)
    folder = place.run_folder("quality", fold)
    return [quality.train(quality.QualityTraining(place.data, examples, folder, fold, **options))]


def _train_classifier(place: Workplace, fold: int | None, start: str | None) -> list[Path]:
    if start is not None:
        raise SettingsError("The classifier's encoder is that of the student.", "Leave --from out.")
    segmentation = place.run_folder("student", fold) / "weights.pt"
    if not segmentation.exists():
        raise SettingsError(f"{segmentation} does not exist.", "Run `sarcopenia models distil` for this fold first.")
    folder, phantoms = place.run_folder("classifier", fold), place.runs / "classifier_phantoms"
    options = asdict(place.config.sarcopenia_classifier)
    return [
        classifier.train(classifier.ClassifierTraining(place.data, phantoms, folder, segmentation, fold, **options))
    ]


_TRAININGS: Final[dict[str, Callable[[Workplace, int | None, str | None], list[Path]]]] = {
    "body_compartments": _train_compartments,
    "spine_level": _train_spine,
    "scan_quality": _train_quality,
    "sarcopenia_classifier": _train_classifier,
}


def run_distillation(place: Workplace, fold: int | None) -> Path:
    """The student of one fold's teacher; for ``None`` the student of all teachers, the one to be published.

    Raises
    ------
    SettingsError: a fold that does not exist, or a teacher that is not trained.
    """
    check_fold(place, "body_compartments", fold)
    place.use_threads()
    folds = range(len(splits_of(place.data).compartment_folds)) if fold is None else [fold]
    teachers = tuple(place.run_folder("teacher", taught) for taught in folds)
    last = len(place.config.body_compartments.cycle_ends) - 1
    if untrained := [teacher for teacher in teachers if not (teacher / f"cycle{last}.pt").exists()]:
        raise SettingsError(
            f"{untrained[0]} is not trained to its end.", "Run `sarcopenia models train` for every fold."
        )
    options = asdict(place.config.distil)
    folder = place.run_folder("student", fold)
    return distil.distil(distil.Distillation(place.data, place.axial_phantoms, folder, teachers, fold, **options))


def check_fold(place: Workplace, model: str, fold: int | None) -> None:
    """Refuse a fold that the splits of the data do not have.

    Raises
    ------
    SettingsError: there is no such fold, or no fold at all.
    """
    splits = splits_of(place.data)
    count = len(splits.spine_folds if model == "spine_level" else splits.compartment_folds)
    if count == 0 or (fold is not None and not 0 <= fold < count):
        raise SettingsError(f"{model} has folds 0 to {count - 1} in splits.toml; there is no fold {fold}.")


def _start_file(place: Workplace, model: str, start: str) -> Path:
    if start != PUBLISHED:
        return Path(start)
    versions = sorted((place.repository / model).glob("*/model.onnx"), key=lambda path: int(path.parent.name))
    if not versions:
        raise SettingsError(f"{place.repository / model} holds no published version.")
    return versions[-1]
