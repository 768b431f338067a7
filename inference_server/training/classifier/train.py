"""Training of `sarcopenia_classifier`: pooled features of changed bags are kept once, then the head learns in minutes.

The encoder is the segmentation's, of the run that held the fold out; it is not trained here. Bags are drawn so that
people and phantoms, and in each of them low and not low, come equally often.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from inference_server.training.classifier.bags import (
    FIRST_SEED,
    Bag,
    Slab,
    Wasting,
    phantom_slab,
    random_wasting,
    scan_slabs,
    varied_bag,
)
from inference_server.training.classifier.network import AttentionHead, ServedClassifier, SliceEncoder
from inference_server.training.datasets.splits import splits_of, training_names
from inference_server.training.networks import CompartmentNet, StudentNet
from inference_server.training.run_state import RunFiles, TrainingState
from sarcopenia.domain.errors import SettingsError

FEWEST_SLICES: Final = 3
"""A training bag loses some of its slices: slabs that are served are not all as thick as these."""
PHANTOM_GROUP: Final = "phantoms"
ENCODER_FILE: Final = "segmentation.sha256"


@dataclass(frozen=True)
class ClassifierTraining:
    """What fixes a run.

    Attributes
    ----------
    segmentation: weights of a member or the student of `body_compartments` that held the same fold out.
    phantoms: folder for the slabs of phantoms. bags: for each person; the phantoms give one each.
    """

    data: Path
    phantoms: Path
    folder: Path
    segmentation: Path
    held_out_fold: int | None
    bags: int = 100
    phantom_count: int = 160
    steps: int = 800
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class BagFeatures:
    """Bags of one person (or of the phantoms) as the encoder sees them.

    Attributes
    ----------
    features: float32 (bag, slice, feature). sma_cm2, limit_cm2: float64 (bag,).
    """

    features: NDArray[np.float32]
    sma_cm2: NDArray[np.float64]
    limit_cm2: NDArray[np.float64]

    @property
    def is_low(self) -> NDArray[np.bool_]:
        """The measured rule for each bag."""
        return self.sma_cm2 < self.limit_cm2


def load_segmentation(weights: Path) -> CompartmentNet | StudentNet:
    """A member of the teacher or the student, by what the file holds."""
    state = torch.load(weights, weights_only=True, map_location="cpu")
    heads = {key.split(".")[1] for key in state if key.startswith("heads.")}
    network = StudentNet(len(heads)) if heads else CompartmentNet()
    network.load_state_dict(state)
    return network.eval()


def encode(encoder: SliceEncoder, bags: Iterable[Bag]) -> BagFeatures:
    """Features and truth of bags with equal numbers of slices."""
    features, sma, limit = [], [], []
    for bag in bags:
        with torch.inference_mode():
            features.append(encoder(torch.from_numpy(bag.slab_hu)[:, None]).numpy())
        sma.append(bag.sma_cm2)
        limit.append(bag.limit_cm2)
    return BagFeatures(np.stack(features), np.array(sma), np.array(limit))


def training_features(options: ClassifierTraining) -> dict[str, BagFeatures]:
    """Features by person (whose sex is known) and of the phantoms; what has a file in the run's folder is read."""
    encoder = SliceEncoder(load_segmentation(options.segmentation))
    folds = splits_of(options.data).compartment_folds
    groups = {}
    for name in training_names(folds, options.held_out_fold):
        if slabs := scan_slabs(options.data, name):
            groups[name] = _stored(options, name, encoder, _person_bags(slabs, options, name))
    phantoms = _phantom_bags(options)
    return groups | {PHANTOM_GROUP: _stored(options, PHANTOM_GROUP, encoder, phantoms)}


def _stored(options: ClassifierTraining, group: str, encoder: SliceEncoder, bags: Iterable[Bag]) -> BagFeatures:
    path = options.folder / "features" / f"{group}.npz"
    if path.exists():
        with np.load(path) as stored:
            return BagFeatures(stored["features"], stored["sma_cm2"], stored["limit_cm2"])
    found = encode(encoder, track(bags, description=group))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, features=found.features, sma_cm2=found.sma_cm2, limit_cm2=found.limit_cm2)
    temporary.replace(path)
    return found


def _person_bags(slabs: list[Slab], options: ClassifierTraining, name: str) -> Iterable[Bag]:
    random = np.random.default_rng([options.seed, *name.encode()])
    for _ in range(options.bags):
        slab = slabs[random.integers(len(slabs))]
        yield varied_bag(slab, random_wasting(slab, random), random)


def _phantom_bags(options: ClassifierTraining) -> Iterable[Bag]:
    random = np.random.default_rng([options.seed, FIRST_SEED])
    for seed in range(FIRST_SEED, FIRST_SEED + options.phantom_count):
        yield varied_bag(phantom_slab(options.phantoms, seed), Wasting(), random)


class BagDrawer:
    """Draws batches: half phantoms and half people, everybody equally often, low and not low equally often."""

    def __init__(self, groups: dict[str, BagFeatures]) -> None:
        self._features = np.concatenate([group.features for group in groups.values()])
        self._low = np.concatenate([group.is_low for group in groups.values()])
        people = max(len(groups) - 1, 1)
        shares = [1.0 if name == PHANTOM_GROUP else 1.0 / people for name in groups]
        chance = np.concatenate([s * _balanced(g.is_low) for s, g in zip(shares, groups.values(), strict=True)])
        self._chance = chance / chance.sum()

    def draw(self, size: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Features (bag, slice, feature) of some slices of the bags, and their truth (bag,), 1 = low."""
        chosen = random.choice(len(self._low), size, p=self._chance)
        slices = self._features.shape[1]
        kept = random.permutation(slices)[: random.integers(min(FEWEST_SLICES, slices), slices + 1)]
        return torch.from_numpy(self._features[chosen][:, kept]), torch.from_numpy(self._low[chosen]).float()


def _balanced(is_low: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Chances that sum to 1 and give both classes, as far as there are two, the same."""
    classes = [is_low == value for value in (False, True) if (is_low == value).any()]
    return np.sum([members / members.sum() for members in classes], axis=0) / len(classes)


def train(options: ClassifierTraining) -> Path:
    """Train the head of a fold (or go on) and return the file of its averaged weights.

    Raises
    ------
    SettingsError: the folder holds a run on other weights of the segmentation.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    record = options.folder / ENCODER_FILE
    if not record.exists():
        record.write_text(_digest(options.segmentation))
    _check_encoder(options.segmentation, options.folder)
    torch.manual_seed(options.seed)
    drawer = BagDrawer(training_features(options))
    head = AttentionHead()
    state = TrainingState(head, options.learning_rate, (options.steps,), options.folder)
    random = np.random.default_rng((options.seed, state.step))

    def loss_of_step() -> Tensor:
        features, low = drawer.draw(options.batch_size, random)
        return functional.binary_cross_entropy_with_logits(head(features)[0], low)

    return state.run(loss_of_step, f"classifier fold {options.held_out_fold}")


def load_classifier(segmentation: Path, folder: Path) -> ServedClassifier:
    """The classifier as it is served, from the segmentation's weights and the folder of a run.

    Raises
    ------
    SettingsError: the head was trained on other weights of the segmentation.
    """
    _check_encoder(segmentation, folder)
    head = AttentionHead()
    head.load_state_dict(torch.load(RunFiles(folder).weights, weights_only=True, map_location="cpu"))
    return ServedClassifier(SliceEncoder(load_segmentation(segmentation)), head).eval()


def _check_encoder(segmentation: Path, folder: Path) -> None:
    """A head answers nonsense, and no error, on features of an encoder that it was not trained on."""
    if (folder / ENCODER_FILE).read_text() != _digest(segmentation):
        raise SettingsError(
            f"The classifier in {folder} was trained on other weights than those in {segmentation}.",
            "Delete the folder and train the classifier again.",
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
