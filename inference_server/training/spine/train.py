"""Training of `spine_level` on annotated spines and phantoms."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference_server.training.datasets.splits import splits_of, training_names
from inference_server.training.networks import ServedSpineNet, SpineNet
from inference_server.training.run_state import TrainingState
from inference_server.training.spine.augmentation import SpineTile, random_tile, whole_tile
from inference_server.training.spine.data import SpineExample, load_example, load_real_spines
from sarcopenia.inference.contract import AIR_HU, SPINE_LENGTH_MULTIPLE
from sarcopenia.inference.port import SpineProfile

REAL_VARIANTS = 12


@dataclass(frozen=True)
class SpineTraining:
    """What fixes a run: data folder, folder of phantom examples, fold held out (``None``: train on all), and so on.

    ``pretrained`` are the weights of another `SpineNet` to start from; ``None`` starts from random ones.
    """

    data: Path
    phantoms: Path
    folder: Path
    held_out_fold: int | None
    pretrained: Path | None = None
    steps: int = 2500
    batch_size: int = 12
    phantom_share: float = 0.5
    learning_rate: float = 2e-3
    seed: int = 0


def spine_loss(raw: Tensor, labels: Tensor) -> Tensor:
    """Laplace likelihood of the coordinate, its phase, an upper bound where only that is known, three presences."""
    coordinate, bound, presences = labels[:, 0], labels[:, 1], labels[:, 2:]
    known = torch.isfinite(coordinate)
    truth = torch.where(known, coordinate, torch.zeros_like(coordinate))
    log_spread = raw[:, 1].clamp(-5, 2)
    error = (raw[:, 0] - truth).abs()
    likelihood = (error * (-log_spread).exp() + log_spread + error)[known].mean()
    angle = 2 * torch.pi * truth
    phase = ((raw[:, 2] - angle.cos()) ** 2 + (raw[:, 3] - angle.sin()) ** 2)[known].mean()
    bounded = torch.isfinite(bound)
    above = functional.relu(raw[:, 0] - bound)[bounded].mean() if bounded.any() else raw.new_zeros(())
    seen = torch.isfinite(presences)
    presence = functional.binary_cross_entropy_with_logits(raw[:, 4:][seen], presences[seen])
    return likelihood + phase + above + presence


def _stack(tiles: list[SpineTile]) -> tuple[Tensor, Tensor]:
    projections = torch.from_numpy(np.stack([tile.projections_czw for tile in tiles]))
    return projections, torch.from_numpy(np.stack([tile.labels for tile in tiles]))


def train(options: SpineTraining) -> Path:
    """Train (or go on) and return the file of the averaged weights."""
    torch.manual_seed(options.seed)
    names = training_names(splits_of(options.data).spine_folds, options.held_out_fold)
    real = load_real_spines(options.data, names, REAL_VARIANTS, options.seed)
    phantoms = [load_example(path) for path in sorted(options.phantoms.glob("*.npz"))]
    by_name = [[example for example in real if example.name == name] for name in names]
    network = SpineNet()
    if options.pretrained is not None:
        network.load_state_dict(torch.load(options.pretrained, weights_only=True, map_location="cpu"))
    state = TrainingState(network, options.learning_rate, (options.steps,), options.folder)
    random = np.random.default_rng((options.seed, state.step))

    def loss_of_step() -> Tensor:
        tiles = [random_tile(_draw(by_name, phantoms, options, random), random) for _ in range(options.batch_size)]
        projections, labels = _stack(tiles)
        return spine_loss(network(projections), labels)

    return state.run(loss_of_step, f"spine fold {options.held_out_fold}")


def _draw(
    by_name: list[list[SpineExample]],
    phantoms: list[SpineExample],
    options: SpineTraining,
    random: np.random.Generator,
) -> SpineExample:
    if phantoms and random.random() < options.phantom_share:
        return phantoms[random.integers(len(phantoms))]
    patient = by_name[random.integers(len(by_name))]
    return patient[random.integers(len(patient))]


def load_spine_network(weights: Path) -> SpineNet:
    """A trained network, ready to answer."""
    network = SpineNet()
    network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return network.eval()


def predict_profile(network: SpineNet, projections_czw: NDArray[np.float32]) -> SpineProfile:
    """The served outputs for projections (2, z, 96) of any length."""
    count = projections_czw.shape[1]
    padding = -count % SPINE_LENGTH_MULTIPLE
    padded = np.pad(projections_czw, ((0, 0), (0, padding), (0, 0)), constant_values=AIR_HU)
    with torch.no_grad():
        outputs = ServedSpineNet(network)(torch.from_numpy(padded)[None])
    return SpineProfile(*(output[0, :count].numpy() for output in outputs))


def held_out_profiles(data: Path, fold: int, weights: Path) -> list[tuple[SpineExample, SpineProfile]]:
    """Profiles of the spines that the fold did not see."""
    network = load_spine_network(weights)
    examples = load_real_spines(data, splits_of(data).spine_folds[fold], 1, seed=0)
    return [(example, predict_profile(network, whole_tile(example).projections_czw)) for example in examples]
