"""`scan_quality`: a small network that reads how much of a slice is spoiled, and by what."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference_server.training.networks import HU_WINDOWS, scale_hu
from sarcopenia.domain.results import Degradation

BODY_HU: Final = -500.0
SLOPE: Final = 0.1
CHANNELS: Final = (24, 32, 56, 80)
FINE_HU: Final = 40.0
"""Scale of the fine detail: noise of this size in muscle makes holes in it."""


class PlainBlock(nn.Sequential):
    """Convolution and LeakyReLU without a norm: what a norm evens out, the size of noise, is what is to be read."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)) -> None:
        convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)
        nn.init.kaiming_normal_(convolution.weight, a=SLOPE)
        super().__init__(convolution, nn.LeakyReLU(SLOPE))


class QualityNet(nn.Module):
    """Convolutions on 2×2 pixel blocks, pooled over the body to its mean, spread and maximum.

    The fine detail (a pixel against the mean around it) is given apart and enlarged: in the HU windows, made for
    anatomy, noise and fine streaks are too small to learn from.
    The mean is what a similarity averaged over the body is; a ring or a metal streak is few pixels and needs the
    spread and the maximum. Input (n, 1, y, x) HU, y and x multiples of 32; output SSIM logits (n, 1) and logits of the
    kinds (n, 6) in the order of `Degradation`.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third, last = CHANNELS
        self.to_blocks = nn.PixelUnshuffle(2)
        self.layers = nn.Sequential(
            PlainBlock(4 * (len(HU_WINDOWS) + 1), first),
            PlainBlock(first, first, (2, 2)),
            PlainBlock(first, second),
            PlainBlock(second, third, (2, 2)),
            PlainBlock(third, third),
            PlainBlock(third, last, (2, 2)),
            PlainBlock(last, last),
        )
        self.head = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(3 * last, 64), nn.LeakyReLU(SLOPE), nn.Linear(64, 1 + len(Degradation))
        )

    def forward(self, ct_hu: Tensor) -> tuple[Tensor, Tensor]:
        """SSIM logits (n, 1) and kind logits (n, 6) of INT16 or float HU (n, 1, y, x)."""
        values = ct_hu.float()
        features = self.layers(self.to_blocks(torch.cat([scale_hu(values), fine_detail(values)], dim=1)))
        body = functional.avg_pool2d((values > BODY_HU).float(), 16)
        answers = self.head(pooled_over_body(features, body))
        return answers[:, :1], answers[:, 1:]


def fine_detail(hu: Tensor) -> Tensor:
    """HU (n, 1, y, x) against the mean of the 3×3 pixels around, in units of `FINE_HU`, −3..3."""
    around = functional.avg_pool2d(hu, 3, stride=1, padding=1, count_include_pad=False)
    return ((hu - around) / FINE_HU).clamp(-3, 3)


def pooled_over_body(features: Tensor, body: Tensor) -> Tensor:
    """Mean, standard deviation and maximum of features (n, c, y, x) where ``body`` (n, 1, y, x) is: (n, 3 c)."""
    total = body.sum((2, 3)) + 1e-3
    mean = (features * body).sum((2, 3)) / total
    deviation = features - mean[:, :, None, None]
    spread = ((deviation.square() * body).sum((2, 3)) / total + 1e-6).sqrt()
    return torch.cat([mean, spread, (features * (body > 0.5)).amax((2, 3))], dim=1)


class ServedQualityNet(nn.Module):
    """`QualityNet` with the outputs of the contract: predicted_ssim (n, 1), degradation_probability (n, 6)."""

    def __init__(self, network: QualityNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, ct_hu: Tensor) -> tuple[Tensor, Tensor]:
        """SSIM 0..1 and probabilities of the kinds."""
        ssim, kind = self.network(ct_hu)
        return ssim.sigmoid(), kind.softmax(1)
