"""Training of `scan_quality` on degraded slices (`examples`): similarity by regression, kind by classification."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference_server.training.datasets.splits import splits_of
from inference_server.training.quality.examples import QualityExample, load_examples
from inference_server.training.quality.network import BODY_HU, QualityNet, ServedQualityNet
from inference_server.training.run_state import TrainingState, on_device
from sarcopenia.domain.results import Degradation
from sarcopenia.inference.contract import AIR_HU, AXIAL_SIZE_MULTIPLE

KINDS: Final = tuple(Degradation)
SSIM_WEIGHT, KIND_WEIGHT = 3.0, 1.0
HU_SHIFT: Final = 15.0
HELD_OUT_PHANTOM: Final = 5
"""When a fold is held out, every phantom whose seed this divides is held out too."""


@dataclass(frozen=True)
class QualityTraining:
    """What fixes a run: data (for its splits), folder of the examples, fold held out (``None``: train on all)."""

    data: Path
    examples: Path
    folder: Path
    held_out_fold: int | None
    steps: int = 3000
    batch_size: int = 16
    learning_rate: float = 2e-3
    seed: int = 0


def is_held_out(name: str, data: Path, fold: int | None) -> bool:
    """Whether a patient or phantom is kept for validation when ``fold`` is held out."""
    if fold is None:
        return False
    if name.startswith("phantom"):
        return int(name.removeprefix("phantom")) % HELD_OUT_PHANTOM == 0
    return name in splits_of(data).compartment_folds[fold]


def train(options: QualityTraining) -> Path:
    """Train (or go on) and return the file of the averaged weights."""
    torch.manual_seed(options.seed)
    found = load_examples(options.examples)
    examples = [e for e in found if not is_held_out(e.name, options.data, options.held_out_fold)]
    chance = sample_weights(examples)
    device, network = on_device(QualityNet())
    state = TrainingState(network, options.learning_rate, (options.steps,), options.folder)
    random = np.random.default_rng((options.seed, state.step))

    def loss_of_step() -> Tensor:
        drawn = [examples[i] for i in random.choice(len(examples), options.batch_size, p=chance)]
        hu = torch.from_numpy(varied(stacked([e.hu_yx for e in drawn]), random))[:, None].to(device)
        ssim = torch.tensor([[e.ssim] for e in drawn], device=device)
        kind = torch.tensor([KINDS.index(e.kind) for e in drawn], device=device)
        return quality_loss(*network(hu), ssim, kind)

    return state.run(loss_of_step, f"scan_quality, fold {options.held_out_fold}")


def sample_weights(examples: list[QualityExample]) -> NDArray[np.float64]:
    """Chance of drawing each example: patients by the root of their slices, clean slices as often as a kind."""
    names, kinds = [e.name for e in examples], [e.kind for e in examples]
    weights = np.array([names.count(e.name) ** -0.5 / kinds.count(e.kind) for e in examples])
    return weights / weights.sum()


def stacked(slices: list[NDArray[np.int16]]) -> NDArray[np.float32]:
    """Slices (y, x) of different size in the middle of one array (n, y, x) of air."""
    shape = [max(s.shape[axis] for s in slices) for axis in (0, 1)]
    stack = np.full((len(slices), *shape), AIR_HU, dtype=np.float32)
    for place, hu in zip(stack, slices, strict=True):
        top, left = ((n - m) // 2 for n, m in zip(shape, hu.shape, strict=True))
        place[top : top + hu.shape[0], left : left + hu.shape[1]] = hu
    return stack


def varied(stack: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Changes that leave the quality as it is: mirror images, a shift by some pixels, an offset of the body in HU."""
    reach = AXIAL_SIZE_MULTIPLE // 4
    changed = []
    for hu_yx in stack:
        turned = hu_yx[:: random.choice([-1, 1]), :: random.choice([-1, 1])]
        shifted = np.roll(turned, random.integers(-reach, reach, 2), (0, 1))
        changed.append(shifted + np.float32(random.uniform(-HU_SHIFT, HU_SHIFT)) * (shifted > BODY_HU))
    return np.stack(changed)


def quality_loss(ssim_logit: Tensor, kind_logits: Tensor, ssim: Tensor, kind: Tensor) -> Tensor:
    """Absolute error of the similarity (n, 1) and cross-entropy of the kind (n,)."""
    error = (ssim_logit.sigmoid() - ssim).abs().mean()
    return SSIM_WEIGHT * error + KIND_WEIGHT * functional.cross_entropy(kind_logits, kind)


def load_quality_network(weights: Path) -> ServedQualityNet:
    """The trained network as it is served."""
    network = QualityNet()
    network.load_state_dict(torch.load(weights, weights_only=True, map_location="cpu"))
    return ServedQualityNet(network).eval()


def rate(network: ServedQualityNet, hu_yx: NDArray[np.int16]) -> tuple[float, NDArray[np.float32]]:
    """Predicted SSIM and probabilities (6,) of one slice (y, x) on the model grid."""
    with torch.no_grad():
        ssim, kind = network(torch.from_numpy(hu_yx)[None, None])
    return float(ssim), kind[0].numpy()
