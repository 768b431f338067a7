"""Training of the teacher's members of `body_compartments`: one run a fold, one member at the end of each cycle.

A run starts from pre-trained weights, grows its images from 3 mm to 1.5 mm pixels (progressive resizing) in the first
cycle, and draws its slices anew for every cycle (bagging), so that the members differ in what they have seen most.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference_server.training.compartments.augmentation import Augmenter, Batch, place_on_tiles, resize
from inference_server.training.compartments.pretrain import transfer
from inference_server.training.datasets.axial_phantoms import load_slices
from inference_server.training.datasets.compartment_data import LabelledSlice, load_training_slices
from inference_server.training.datasets.partial_labels import completed_share
from inference_server.training.datasets.splits import splits_of, training_names
from inference_server.training.networks import CompartmentNet
from inference_server.training.run_state import TrainingState, on_device
from sarcopenia.domain.results import Compartment

MUSCLE_HU_EMPHASIS: Final = 1.0
"""Extra weight of pixels in the muscle's HU range: only there does a wrong compartment change the SMA."""
THIN_EMPHASIS: Final = 1.5
"""Extra weight of thin wall and thin bone: flat and small muscles, ribs and processes fill few pixels."""
THIN_WINDOW: Final = 15
"""Pixels; at 1.5 mm what is 22 mm thick or more does not count as thin."""
AREA_WEIGHT: Final = 0.5
PROGRESSIVE: Final = ((0.25, 0.5), (0.5, 0.72), (1.0, 1.0))
"""(until this share of the first cycle, scale of the images)."""


@dataclass(frozen=True)
class CompartmentTraining:
    """What fixes a run: data, axial phantoms, fold held out (``None``: train on all), cycles, batch and so on.

    Attributes
    ----------
    pretrained: weights of `pretrain`, ``None`` starts from random ones. cycle_ends: steps at which members are kept.
    phantom_share: share of phantoms in a batch. labelled_share: share of the labelled slices that is used.
    """

    data: Path
    phantoms: Path
    folder: Path
    held_out_fold: int | None
    pretrained: Path | None = None
    cycle_ends: tuple[int, ...] = (1400, 2000, 2600)
    batch_size: int = 8
    phantom_share: float = 0.15
    labelled_share: float = 1.0
    learning_rate: float = 2e-3
    seed: int = 0


def sample_weights(slices: list[LabelledSlice]) -> NDArray[np.float64]:
    """Chance of drawing each slice: patients count by the root of their labelled slices, so that no long scan rules."""
    trust_of_name: dict[str, float] = {}
    for item in slices:
        trust_of_name[item.name] = trust_of_name.get(item.name, 0.0) + item.weight
    weights = np.array([item.weight / trust_of_name[item.name] ** 0.5 for item in slices])
    return weights / weights.sum()


class SliceDrawer:
    """Draws the slices of a batch: annotated ones by `sample_weights` times a bag of the cycle, and phantoms."""

    def __init__(
        self, slices: list[LabelledSlice], phantoms: list[LabelledSlice], options: CompartmentTraining
    ) -> None:
        self._slices, self._phantoms, self._options = slices, phantoms, options
        self._base = sample_weights(slices)

    def draw(self, cycle: int, random: np.random.Generator) -> list[LabelledSlice]:
        """One batch of a cycle."""
        bag = np.random.default_rng((self._options.seed, cycle)).exponential(size=len(self._slices)) + 0.3
        chance = self._base * bag
        size = self._options.batch_size
        phantoms = random.binomial(size, self._options.phantom_share) if self._phantoms else 0
        real = random.choice(len(self._slices), size - phantoms, p=chance / chance.sum())
        made = random.integers(len(self._phantoms), size=phantoms) if phantoms else []
        return [self._slices[i] for i in real] + [self._phantoms[i] for i in made]


def compartment_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy plus soft Dice over labelled pixels, weighted by HU, thin walls and trust, plus the area error."""
    muscle_like = ((batch.hu > -60) & (batch.hu < 180)).float()
    wall, bone = (batch.share[:, c : c + 1] for c in (Compartment.MUSCLE_WALL, Compartment.SPINE_BONE))
    emphasis = 1 + MUSCLE_HU_EMPHASIS * muscle_like + THIN_EMPHASIS * torch.maximum(thinness(wall), thinness(bone))
    weight = batch.known * emphasis * batch.weight[:, None, None, None]
    probability = logits.softmax(1)
    share = completed_share(batch.share, batch.known, probability)
    entropy = -(share * functional.log_softmax(logits, 1)).sum(1, keepdim=True)
    overlap = 2 * (probability * weight * share).sum((0, 2, 3)) + 1.0
    dice = overlap / (((probability + share) * weight).sum((0, 2, 3)) + 1.0)
    found = probability[:, Compartment.MUSCLE_WALL : Compartment.MUSCLE_WALL + 1]
    area = relative_area_error(found, wall, muscle_like * batch.known)
    return (entropy * weight).sum() / weight.sum() + (1 - dice).mean() + AREA_WEIGHT * (area * batch.weight).mean()


def thinness(share: Tensor) -> Tensor:
    """0..1 (n, 1, y, x): how thin a compartment is on and next to it, from its share in a window around."""
    near = functional.max_pool2d(share, 5, stride=1, padding=2)
    filled = functional.avg_pool2d(share, THIN_WINDOW, stride=1, padding=THIN_WINDOW // 2)
    return near * (1 - filled)


def relative_area_error(found: Tensor, wall: Tensor, counted: Tensor) -> Tensor:
    """Error of the muscle area of each slice (n,) as a share of it, for soft walls (n, 1, y, x)."""
    true = (wall * counted).sum((1, 2, 3))
    return ((found * counted).sum((1, 2, 3)) - true).abs() / (true + 200.0)


def scale_at(step: int, first_cycle_end: int) -> float:
    """Scale of the images at a step."""
    done = (step + 1) / first_cycle_end
    return next((scale for until, scale in PROGRESSIVE if done <= until), 1.0)


def train(options: CompartmentTraining) -> list[Path]:
    """Train the members of one fold (or go on with them) and return the files of their averaged weights."""
    torch.manual_seed(options.seed)
    drawer = SliceDrawer(*_training_slices(options), options)
    network = CompartmentNet()
    if options.pretrained is not None:
        transfer(options.pretrained, network)
    device, network = on_device(network)
    state = TrainingState(network, options.learning_rate, options.cycle_ends, options.folder)
    random = np.random.default_rng((options.seed, state.step))
    augment = Augmenter(options.seed * 100_003 + state.step)

    def loss_of_step() -> Tensor:
        with torch.no_grad():
            batch = augment(place_on_tiles(drawer.draw(state.cycle, random)))
            batch = resize(batch, scale_at(state.step, options.cycle_ends[0])).to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = network(batch.hu.to(memory_format=torch.channels_last))
        return compartment_loss(logits.float(), batch)

    state.run(loss_of_step, f"fold {options.held_out_fold}")
    return [state.files.member(cycle) for cycle in range(len(options.cycle_ends))]


def _training_slices(options: CompartmentTraining) -> tuple[list[LabelledSlice], list[LabelledSlice]]:
    folds = splits_of(options.data).compartment_folds
    slices = load_training_slices(options.data, training_names(folds, options.held_out_fold))
    if options.labelled_share < 1:
        order = np.random.default_rng(options.seed).permutation(len(slices))
        slices = [slices[i] for i in order[: max(1, round(options.labelled_share * len(slices)))]]
    phantoms = [item for path in sorted(options.phantoms.glob("*.npz")) for item in load_slices(path)]
    return slices, phantoms


def load_member(weights: Path) -> CompartmentNet:
    """A trained member, ready to answer."""
    network = CompartmentNet()
    network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return network.eval()
