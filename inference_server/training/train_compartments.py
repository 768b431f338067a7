"""Training of one member of `body_compartments` on the labelled slices of all folds but one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from inference_server.evaluation.agreement import MuscleAgreement, compartments_of, muscle_agreement
from inference_server.training.augmentation import Augmenter, Batch, place_on_tiles
from inference_server.training.compartment_data import LabelledSlice, load_training_slices, native_slices
from inference_server.training.networks import CompartmentNet
from inference_server.training.run_state import TrainingState
from inference_server.training.splits import COMPARTMENT_FOLDS, training_names

MUSCLE_HU_EMPHASIS = 1.0
"""Extra weight of pixels in the muscle's HU range: only there does a wrong compartment change the SMA."""


@dataclass(frozen=True)
class CompartmentTraining:
    """What fixes a run: data folder, fold held out (``None``: train on all), steps, batch size, learning rate, seed."""

    data: Path
    folder: Path
    held_out_fold: int | None
    steps: int = 3500
    batch_size: int = 8
    learning_rate: float = 2e-3
    seed: int = 0


def sample_weights(slices: list[LabelledSlice]) -> NDArray[np.float64]:
    """Chance of drawing each slice: patients count by the root of their labelled slices, so that no long scan rules."""
    trust_of_name: dict[str, float] = {}
    for item in slices:
        trust_of_name[item.name] = trust_of_name.get(item.name, 0.0) + item.weight
    weights = np.array([item.weight / trust_of_name[item.name] ** 0.5 for item in slices])
    return weights / weights.sum()


def compartment_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Soft cross-entropy plus soft Dice of the compartments, over labelled pixels, weighted by HU and trust."""
    muscle_like = ((batch.hu > -60) & (batch.hu < 180)).float()
    weight = batch.known * (1 + MUSCLE_HU_EMPHASIS * muscle_like) * batch.weight[:, None, None, None]
    entropy = -(batch.share * functional.log_softmax(logits, 1)).sum(1, keepdim=True)
    probability = logits.softmax(1) * weight
    target = batch.share * weight
    overlap = 2 * (probability * batch.share).sum((0, 2, 3)) + 1.0
    dice = overlap / ((probability + target).sum((0, 2, 3)) + 1.0)
    return (entropy * weight).sum() / weight.sum() + (1 - dice).mean()


def train(options: CompartmentTraining) -> Path:
    """Train one member (or go on with it) and return the file of its averaged weights."""
    torch.manual_seed(options.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    slices = load_training_slices(options.data, training_names(COMPARTMENT_FOLDS, options.held_out_fold))
    network = CompartmentNet().to(device, memory_format=torch.channels_last)
    state = TrainingState(network, options.learning_rate, options.steps, options.folder)
    random = np.random.default_rng((options.seed, state.step))
    augment = Augmenter(options.seed * 100_003 + state.step)
    chance = sample_weights(slices)
    network.train()
    for step in track(range(state.step, options.steps), description=f"fold {options.held_out_fold}"):
        drawn = random.choice(len(slices), options.batch_size, p=chance)
        with torch.no_grad():
            batch = augment(place_on_tiles([slices[i] for i in drawn]))
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = network(batch.hu.to(device, memory_format=torch.channels_last))
        loss = compartment_loss(logits.float().cpu(), batch)
        state.advance(loss)
        if step % 50 == 0:
            state.files.append_log(
                {"step": step, "loss": float(loss.detach()), "rate": state.schedule.get_last_lr()[0]}
            )
    state.save()
    return state.files.weights


def load_member(weights: Path) -> CompartmentNet:
    """A trained member, ready to answer."""
    network = CompartmentNet()
    network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return network.eval()


def predict(network: CompartmentNet, hu_yx: NDArray[np.int16]) -> NDArray[np.float32]:
    """Mean probabilities (5, y, x) of a slice (y, x) and its mirror image."""
    image = torch.from_numpy(hu_yx.astype(np.float32))[None, None]
    with torch.no_grad():
        straight, mirrored = network(image).softmax(1), network(image.flip(-1)).softmax(1).flip(-1)
    return ((straight + mirrored) / 2)[0].numpy()


def out_of_fold_agreement(data: Path, fold: int, weights: Path) -> list[MuscleAgreement]:
    """Agreement on the hand-drawn slices of the patients that the fold did not see."""
    network = load_member(weights)
    return [
        muscle_agreement(native, compartments_of(native, lambda hu: predict(network, hu)))
        for name in COMPARTMENT_FOLDS[fold]
        for native in native_slices(data, name, include_weak=False)
    ]
