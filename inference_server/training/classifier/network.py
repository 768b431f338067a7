"""`sarcopenia_classifier`: the encoder of the segmentation, frozen, and a head that reads a slab as a bag of slices."""

from typing import Final

import torch
from monai.networks.nets import BasicUNet
from torch import Tensor, nn
from torch.nn import functional

from inference_server.training.networks import COMPARTMENT_FEATURES, CompartmentNet, StudentNet, scale_hu
from sarcopenia.inference.contract import AXIAL_GRID_MM

BODY_HU: Final = -300.0
"""Skin and what it encloses, but gas, is above (as in `sarcopenia.assessment.model_grid`)."""
COARSE_STRIDE, DEEP_STRIDE = 16, 32
"""Pixels per feature at the two deepest levels of the encoder."""
REFERENCE_BODY_CM2: Final = 600.0
"""Sums over the body are given per this area, so that they are of the size of a mean over a usual trunk at L3."""
SLICE_FEATURES: Final = 2 * (COMPARTMENT_FEATURES[3] + COMPARTMENT_FEATURES[4]) + 1


class SliceEncoder(nn.Module):
    """What the segmentation's encoder sees on a slice, pooled over the body; frozen.

    Muscle is an amount, so features are summed over the body (a mean would forget its size) and joined by their
    maxima and by the area of the body. Input (n, 1, y, x) HU, y and x multiples of 32; output (n, `SLICE_FEATURES`).
    """

    def __init__(self, segmentation: CompartmentNet | StudentNet) -> None:
        super().__init__()
        self.to_blocks = nn.PixelUnshuffle(2)
        body: BasicUNet = segmentation.body
        self.stages = nn.Sequential(body.conv_0, body.down_1, body.down_2, body.down_3)
        self.deepest = body.down_4
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> "SliceEncoder":
        """Stay as the segmentation left it: its normalisation keeps the statistics it learned."""
        return super().train(False)

    def forward(self, ct_hu: Tensor) -> Tensor:
        """Pooled features of INT16 or float HU."""
        inside = (ct_hu.float() > BODY_HU).float()
        coarse = self.stages(self.to_blocks(scale_hu(ct_hu)))
        levels = ((coarse, COARSE_STRIDE), (self.deepest(coarse), DEEP_STRIDE))
        pooled = [part for features, stride in levels for part in _over_body(features, inside, stride)]
        return torch.cat([*pooled, _in_reference_bodies(inside, 1)], dim=1)


def _over_body(features: Tensor, inside: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Sum and maximum (n, c) of features (n, c, y / stride, x / stride) over the body (n, 1, y, x)."""
    body = functional.avg_pool2d(inside, stride)
    return _in_reference_bodies(features * body, stride), (features * body).amax((2, 3))


def _in_reference_bodies(maps: Tensor, stride: int) -> Tensor:
    """Integral (n, c) of maps over the slice, in units of the area of a usual trunk."""
    return maps.sum((2, 3)) * ((stride * AXIAL_GRID_MM) ** 2 / (100 * REFERENCE_BODY_CM2))


class AttentionHead(nn.Module):
    """Gated attention over the slices of a bag (Ilse 2018) on pooled features, and the logit of low muscle."""

    def __init__(self, hidden: int = 32, attention: int = 16, dropout: float = 0.3) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm1d(SLICE_FEATURES, affine=False)
        self.embed = nn.Sequential(nn.Linear(SLICE_FEATURES, hidden), nn.LeakyReLU(0.1), nn.Dropout(dropout))
        self.content, self.gate = nn.Linear(hidden, attention), nn.Linear(hidden, attention)
        self.weigh = nn.Linear(attention, 1)
        self.answer = nn.Linear(hidden, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n,) and attention (n, slice), which sums to 1, of features (n, slice, `SLICE_FEATURES`)."""
        normal = self.normalise(features.transpose(1, 2)).transpose(1, 2)
        embedded = self.embed(normal)
        scores = self.weigh(self.content(embedded).tanh() * self.gate(embedded).sigmoid())
        attention = scores.softmax(1)
        return self.answer((attention * embedded).sum(1)).squeeze(1), attention.squeeze(2)


class ServedClassifier(nn.Module):
    """Encoder and head in one call, as it is served.

    Input INT16 (n, slice, y, x); outputs the probability of low muscle (n, 1) and the attention (n, slice).
    """

    def __init__(self, encoder: SliceEncoder, head: AttentionHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, slab_hu: Tensor) -> tuple[Tensor, Tensor]:
        """Probability and attention of each bag."""
        n, slices, height, width = slab_hu.shape
        features = self.encoder(slab_hu.float().reshape(n * slices, 1, height, width))
        logit, attention = self.head(features.reshape(n, slices, SLICE_FEATURES))
        return logit.sigmoid()[:, None], attention
