"""Distillation (Hinton 2015) of the teacher's members into one student with a head for each.

The teacher answers once for a pool of changed slices: annotated ones, phantoms, and slices that nobody drew. The
student then learns from the pool: each head from its own member, and all heads from the drawn labels where there are
some. The student starts from the weights of the teacher, whose members come from one run and share their features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from inference_server.training.compartments.augmentation import Augmenter, Batch, place_on_tiles
from inference_server.training.compartments.pretrain import without_labels
from inference_server.training.compartments.train import compartment_loss, load_member, sample_weights
from inference_server.training.datasets.axial_phantoms import load_slices
from inference_server.training.datasets.compartment_data import LabelledSlice, load_training_slices
from inference_server.training.datasets.splits import splits_of, training_names
from inference_server.training.datasets.unlabelled import scan_slices
from inference_server.training.networks import STUDENT_HEADS, CompartmentNet, StudentNet
from inference_server.training.run_state import RunFiles, TrainingState, on_device

POOL_BATCH: Final = 8
TEACHER_WEIGHT: Final = 1.0
UNDRAWN_SHARE, PHANTOM_SHARE = 0.4, 0.15


@dataclass(frozen=True)
class Distillation:
    """What fixes a run.

    Attributes
    ----------
    teachers: folders of the members of one fold, or of all folds for the published student. pool: number of changed
    slices that the teacher answers for. held_out_fold: the fold that neither teachers nor student may have seen.
    """

    data: Path
    phantoms: Path
    folder: Path
    teachers: tuple[Path, ...]
    held_out_fold: int | None
    pool: int = 1600
    steps: int = 700
    batch_size: int = 8
    learning_rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Pool:
    """Changed slices with what is known of them, all uint8 but the int16 HU: (n, 1, y, x), shares (n, 5, y, x).

    ``answers`` (n, heads, 5, y, x) are the teacher's probabilities, 255 = 1.
    """

    hu: NDArray[np.int16]
    share: NDArray[np.uint8]
    known: NDArray[np.uint8]
    weight: NDArray[np.float32]
    answers: NDArray[np.uint8]


class Teacher:
    """Members by head: head h answers with the mean of the h-th member of every fold and its mirror image."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.heads = [[load_member(RunFiles(folder).member(h)) for folder in folders] for h in range(STUDENT_HEADS)]

    @torch.no_grad()
    def answer(self, hu: Tensor) -> Tensor:
        """Probabilities (n, heads, 5, y, x) for HU (n, 1, y, x)."""
        image = hu.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return torch.stack([self._mean(members, image) for members in self.heads], dim=1)

    @staticmethod
    def _mean(members: list[CompartmentNet], image: Tensor) -> Tensor:
        straight = [member(image).float().softmax(1) for member in members]
        mirrored = [member(image.flip(-1)).float().softmax(1).flip(-1) for member in members]
        return torch.stack(straight + mirrored).mean(0)


def make_pool(options: Distillation) -> Pool:
    """Draw, change and answer the slices of the pool."""
    batches = list(_answered(options))
    return Pool(*(np.concatenate([batch[i] for batch in batches]) for i in range(5)))


def _answered(options: Distillation) -> Iterator[tuple[NDArray[np.generic], ...]]:
    random = np.random.default_rng((options.seed, 7))
    augment, teacher = Augmenter(options.seed * 100_003 + 7), Teacher(options.teachers)
    draw = _drawer(options, random)
    for _ in track(range(options.pool // POOL_BATCH), description=f"teacher of fold {options.held_out_fold}"):
        with torch.no_grad():
            batch = augment(place_on_tiles([draw() for _ in range(POOL_BATCH)]))
        hu = batch.hu.round().clamp(-1024, 3071)
        yield (
            hu.numpy().astype(np.int16),
            _bytes(batch.share),
            _bytes(batch.known),
            batch.weight.numpy(),
            _bytes(teacher.answer(hu)),
        )


def _bytes(share: Tensor) -> NDArray[np.uint8]:
    return (share.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _drawer(options: Distillation, random: np.random.Generator):  # noqa: ANN202 # a local closure, typed by its use
    splits = splits_of(options.data)
    names = training_names(splits.compartment_folds, options.held_out_fold)
    drawn = load_training_slices(options.data, names)
    chance = sample_weights(drawn)
    undrawn = [scan_slices(options.data, name) for name in (*names, *splits.unlabelled_names)]
    phantoms = [item for path in sorted(options.phantoms.glob("*.npz")) for item in load_slices(path)]

    def draw() -> LabelledSlice:
        kind = random.random()
        if kind < UNDRAWN_SHARE:
            scan = undrawn[random.integers(len(undrawn))]
            return without_labels(scan[random.integers(len(scan))])
        if phantoms and kind < UNDRAWN_SHARE + PHANTOM_SHARE:
            return phantoms[random.integers(len(phantoms))]
        return drawn[random.choice(len(drawn), p=chance)]

    return draw


def student_from(teacher: Path) -> StudentNet:
    """A student that starts from the members of one fold: the encoder of the last, the decoder heads of each."""
    student = StudentNet()
    members = [load_member(RunFiles(teacher).member(h)) for h in range(STUDENT_HEADS)]
    shared = members[-1].body.state_dict()
    student.body.load_state_dict({key: shared[key] for key in student.body.state_dict()})
    for head, member in zip(student.heads, members, strict=True):
        head.upcat_2.load_state_dict(member.body.upcat_2.state_dict())
        head.upcat_1.load_state_dict(member.body.upcat_1.state_dict())
        head.answer.load_state_dict(member.body.final_conv.state_dict())
    return student


def distil(options: Distillation) -> Path:
    """Train the student (or go on) and return the file of its averaged weights."""
    torch.manual_seed(options.seed)
    device, student = on_device(student_from(options.teachers[0]))
    state = TrainingState(student, options.learning_rate, (options.steps,), options.folder)
    if state.step >= options.steps:
        return state.files.weights
    pool = make_pool(options)
    random = np.random.default_rng((options.seed, state.step))

    def loss_of_step() -> Tensor:
        batch, answers = _batch(pool, random, options.batch_size)
        batch = batch.to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = student(batch.hu.to(memory_format=torch.channels_last))
        return distillation_loss(logits.float(), batch, answers.to(device))

    return state.run(loss_of_step, f"student of fold {options.held_out_fold}")


def _batch(pool: Pool, random: np.random.Generator, size: int) -> tuple[Batch, Tensor]:
    """Slices of the pool, half of them mirrored, with fresh noise and offset that change no answer."""
    chosen = random.integers(len(pool.hu), size=size)
    share, known, answers = (torch.from_numpy(a[chosen]).float() / 255 for a in (pool.share, pool.known, pool.answers))
    hu = torch.from_numpy(pool.hu[chosen]).float()
    hu = hu + torch.from_numpy(random.normal(0, 1, hu.shape).astype(np.float32)) * random.uniform(0, 12)
    hu = hu + torch.from_numpy(random.uniform(-6, 6, (size, 1, 1, 1)).astype(np.float32))
    if random.random() < 0.5:
        hu, share, known, answers = (part.flip(-1) for part in (hu, share, known, answers))
    return Batch(hu, share, known, torch.from_numpy(pool.weight[chosen])), answers


def distillation_loss(logits: Tensor, batch: Batch, answers: Tensor) -> Tensor:
    """Cross-entropy of each head (n, heads, 5, y, x) to its member, plus the loss of the drawn labels for each."""
    entropy = -(answers * functional.log_softmax(logits, 2)).sum(2)
    muscle_like = ((batch.hu > -60) & (batch.hu < 180)).float()
    weight = 1 + muscle_like
    taught = (entropy * weight).sum() / (weight.sum() * logits.shape[1])
    known = batch.known.amax((1, 2, 3)) > 0
    if not known.any():
        return TEACHER_WEIGHT * taught
    labelled = Batch(batch.hu[known], batch.share[known], batch.known[known], batch.weight[known])
    drawn = torch.stack([compartment_loss(logits[known, h], labelled) for h in range(logits.shape[1])]).mean()
    return TEACHER_WEIGHT * taught + drawn


def load_student(weights: Path) -> StudentNet:
    """A trained student, ready to answer."""
    student = StudentNet()
    student.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return student.eval()
