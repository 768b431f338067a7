"""Self-supervised pre-training: a masked auto-encoder (He 2022) whose masking is guided by anatomy.

Square patches are hidden and the network fills them in. Patches of the muscle wall, the spine and other soft tissue are
hidden more often than fat, and fat more often than air: nothing is learned from guessing air. No label is used, and the
scans of the fold that is held out are not seen.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from inference_server.training.compartments.augmentation import Augmenter, place_on_tiles
from inference_server.training.datasets.axial_phantoms import load_slices
from inference_server.training.datasets.compartment_data import LabelledSlice
from inference_server.training.datasets.splits import splits_of, training_names
from inference_server.training.datasets.unlabelled import scan_slices
from inference_server.training.networks import HU_WINDOWS, CompartmentNet, block_unet, scale_hu
from inference_server.training.run_state import TrainingState, on_device
from sarcopenia.inference.contract import COMPARTMENT_COUNT

PATCH: Final = 16
"""Side of a hidden patch in pixels: 24 mm, the thickness of the muscle wall and half a vertebra."""
HIDE_AIR, HIDE_FAT, HIDE_SOFT = 0.05, 0.4, 0.7
"""Chance of hiding a patch by what fills it."""
SPINE_BONUS: Final = 0.15
SOFT_HU: Final = (-29.0, 150.0)
BODY_HU: Final = -250.0
BONE_HU: Final = 180.0
LAST_LAYER: Final = ("body.final_conv.weight", "body.final_conv.bias")
"""The one layer whose shape depends on what is answered: pixels or compartments."""


@dataclass(frozen=True)
class Pretraining:
    """What fixes a run: data, folder of axial phantoms, fold held out (``None``: none), steps and so on."""

    data: Path
    phantoms: Path
    folder: Path
    held_out_fold: int | None
    steps: int = 500
    batch_size: int = 8
    learning_rate: float = 1.5e-3
    seed: int = 0


class MaskedAutoencoder(nn.Module):
    """The network of a member with another last layer: it gives the scaled HU of both windows for every pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.to_blocks = nn.PixelUnshuffle(2)
        self.body = block_unet(len(HU_WINDOWS))
        self.to_pixels = nn.PixelShuffle(2)

    def forward(self, scaled: Tensor, hidden: Tensor) -> Tensor:
        """Fill in scaled HU (n, 2, y, x) where ``hidden`` (n, 1, y, x) is 1."""
        return self.to_pixels(self.body(self.to_blocks(scaled * (1 - hidden))))


def hide_patches(hu: Tensor, generator: torch.Generator) -> Tensor:
    """Random mask (n, 1, y, x) of hidden patches, 1 = hidden, guided by what the patches hold."""

    def share(of: Tensor) -> Tensor:
        return functional.avg_pool2d(of.float(), PATCH)

    body = share(hu > BODY_HU)
    soft = share((hu > SOFT_HU[0]) & (hu < SOFT_HU[1]))
    chance = HIDE_AIR + (HIDE_FAT - HIDE_AIR) * body + (HIDE_SOFT - HIDE_FAT) * soft
    chance = chance + SPINE_BONUS * (share(hu > BONE_HU) > 0.15)
    hidden = (torch.rand(chance.shape, generator=generator) < chance).float()
    return functional.interpolate(hidden, scale_factor=PATCH, mode="nearest")


def unlabelled_slices(options: Pretraining) -> list[list[NDArray[np.int16]]]:
    """Slices by scan or phantom, without the patients of the fold that is held out."""
    splits = splits_of(options.data)
    names = (*training_names(splits.compartment_folds, options.held_out_fold), *splits.unlabelled_names)
    scans = [scan_slices(options.data, name) for name in names]
    phantoms = [[item.hu_yx for item in load_slices(path)] for path in sorted(options.phantoms.glob("*.npz"))]
    return [*scans, *([[image for images in phantoms for image in images]] if phantoms else [])]


def without_labels(hu_yx: NDArray[np.int16]) -> LabelledSlice:
    """A slice that carries no label, for the changes of habitus and scanner."""
    share = np.zeros((COMPARTMENT_COUNT, *hu_yx.shape), np.uint8)
    return LabelledSlice("", 0, hu_yx, share, np.zeros(hu_yx.shape, np.uint8), 1.0)


def pretrain(options: Pretraining) -> Path:
    """Train (or go on) and return the file of the averaged weights."""
    torch.manual_seed(options.seed)
    scans = unlabelled_slices(options)
    device, network = on_device(MaskedAutoencoder())
    state = TrainingState(network, options.learning_rate, (options.steps,), options.folder)
    random = np.random.default_rng((options.seed, state.step))
    augment = Augmenter(options.seed * 100_003 + state.step)

    def loss_of_step() -> Tensor:
        chosen = [scans[i] for i in random.integers(len(scans), size=options.batch_size)]
        images = [without_labels(scan[random.integers(len(scan))]) for scan in chosen]
        with torch.no_grad():
            hu = augment.warp(place_on_tiles(images)).hu
            hidden = hide_patches(hu, augment.random)
        return masked_error(network, hu.to(device), hidden.to(device))

    return state.run(loss_of_step, f"pretrain fold {options.held_out_fold}")


def masked_error(network: MaskedAutoencoder, hu: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error of the scaled HU over the hidden pixels, for HU and mask (n, 1, y, x)."""
    scaled = scale_hu(hu)
    with torch.autocast(hu.device.type, dtype=torch.bfloat16):
        filled = network(scaled.to(memory_format=torch.channels_last), hidden)
    return (((filled.float() - scaled) ** 2) * hidden).sum() / (hidden.sum() * len(HU_WINDOWS))


def transfer(pretrained: Path, network: CompartmentNet) -> None:
    """Start a member from the weights of `pretrain`, without their last layer, or from those of another member.

    Raises
    ------
    KeyError: the file holds another network.
    """
    weights = torch.load(pretrained, weights_only=True, map_location="cpu")
    own = network.state_dict()
    kept = {key: weights[key] for key in own if weights[key].shape == own[key].shape or key not in LAST_LAYER}
    network.load_state_dict(own | kept)
