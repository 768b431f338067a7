"""The networks, in torch. They take INT16 HU exactly as Triton receives them: scaling is part of the graph."""

import torch
from monai.networks.nets import BasicUNet
from torch import Tensor, nn
from torch.nn import functional

from sarcopenia.inference.contract import COMPARTMENT_COUNT, SPINE_WIDTH

COMPARTMENT_FEATURES = (32, 48, 80, 112, 144, 32)
HU_WINDOWS = ((-200.0, 250.0), (-1000.0, 1000.0))
"""Two views of the same HU: one resolves fat, muscle and organs, the other gas, lung and bone."""


def scale_hu(hu: Tensor) -> Tensor:
    """HU of shape (n, c, y, x) in two windows, each -1..1: shape (n, 2 c, y, x)."""
    values = hu.float()
    return torch.cat([(values.clamp(low, high) - low) * (2 / (high - low)) - 1 for low, high in HU_WINDOWS], dim=1)


class CompartmentNet(nn.Module):
    """U-Net (Ronneberger 2015; MONAI BasicUNet) on 2×2 pixel blocks: features at 3 mm, answers at 1.5 mm.

    Compartments are smooth, so the first level can be coarse; that makes the network four times cheaper on a CPU.
    Input (n, 1, y, x) HU with y and x multiples of 32; output (n, 5, y, x) logits.
    """

    def __init__(self, features: tuple[int, int, int, int, int, int] = COMPARTMENT_FEATURES) -> None:
        super().__init__()
        self.to_blocks = nn.PixelUnshuffle(2)
        self.body = BasicUNet(
            spatial_dims=2,
            in_channels=4 * len(HU_WINDOWS),
            out_channels=4 * COMPARTMENT_COUNT,
            features=features,
            act=("LeakyReLU", {"inplace": True, "negative_slope": 0.1}),
            norm="batch",
            upsample="nontrainable",
        )
        self.to_pixels = nn.PixelShuffle(2)

    def forward(self, ct_hu: Tensor) -> Tensor:
        """Logits (n, 5, y, x) of INT16 or float HU (n, 1, y, x)."""
        return self.to_pixels(self.body(self.to_blocks(scale_hu(ct_hu))))


class CompartmentEnsemble(nn.Module):
    """Members and their left-right mirror images in one call, as it is served.

    Input (n, 1, y, x) INT16; output (n, 2 × members, 5, y, x) UINT8 probabilities, 255 = 1.
    """

    def __init__(self, members: list[CompartmentNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, ct_hu: Tensor) -> Tensor:
        """Probabilities of every member, plain and mirrored."""
        straight = ct_hu.float()
        mirrored = straight.flip(-1)
        answers = []
        for member in self.members:
            answers.append(member(straight).softmax(1))
            answers.append(member(mirrored).softmax(1).flip(-1))
        return (torch.stack(answers, dim=1) * 255).round().to(torch.uint8)


class ConvBlock(nn.Sequential):
    """Convolution, batch norm, LeakyReLU."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1, inplace=True),
        )


class ProjectionEncoder(nn.Module):
    """One spine projection (n, 2, z, 96) to features (n, c, z / 4): the width is folded into the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvBlock(2, 24),
            ConvBlock(24, 32, (1, 2)),
            ConvBlock(32, 32),
            ConvBlock(32, 48, (2, 2)),
            ConvBlock(48, 48),
            ConvBlock(48, 64, (2, 2)),
            ConvBlock(64, 64),
            ConvBlock(64, 64, (1, 2)),
        )
        self.fold = nn.Conv1d(64 * SPINE_WIDTH // 16, channels, 1)

    def forward(self, projection: Tensor) -> Tensor:
        """Features (n, c, z / 4)."""
        return self.fold(self.layers(projection).transpose(2, 3).flatten(1, 2))


class DilatedBlock(nn.Module):
    """Residual 1-D convolution along z with a dilation: how the network sees from the sacrum to the last rib."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm1d(channels),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv1d(channels, channels, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Same shape (n, c, z)."""
        return features + self.layers(features)


class SpineNet(nn.Module):
    """Vertebral coordinate for every row of the spine projections.

    Two encoders (sagittal slab, coronal projection) are folded over the width, joined, and read along z by dilated
    convolutions with a field of more than a whole lumbar spine. Besides the coordinate itself the network learns its
    phase (where between two mid-bodies a row lies), which is local and sharp; the two are combined in `decode`.
    Input (n, 2, z, 96) HU, z a multiple of 16; output (n, 7, z): coordinate, log spread, phase cos and sin, and the
    logits of spine, rib and sacrum.
    """

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        self.sagittal, self.coronal = ProjectionEncoder(channels), ProjectionEncoder(channels)
        self.join = nn.Conv1d(2 * channels, channels, 1)
        self.along = nn.Sequential(*(DilatedBlock(channels, d) for d in (1, 2, 4, 8, 16, 1, 2, 4, 8, 16)))
        self.dropout = nn.Dropout1d(0.1)
        self.head = nn.Conv1d(channels, 7, 1)

    def forward(self, projections_hu: Tensor) -> Tensor:
        """Raw outputs (n, 7, z)."""
        sagittal = self.sagittal(scale_hu(projections_hu[:, :1]))
        coronal = self.coronal(scale_hu(projections_hu[:, 1:]))
        features = self.along(self.join(torch.cat([sagittal, coronal], dim=1)))
        coarse = self.head(self.dropout(features))
        raw = functional.interpolate(coarse, scale_factor=4, mode="linear", align_corners=False)
        return torch.cat([raw[:, :1] * 4 + 14, raw[:, 1:]], dim=1)


class ServedSpineNet(nn.Module):
    """`SpineNet` with the outputs of the contract, in its order; each of shape (n, z)."""

    def __init__(self, network: SpineNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, spine_projections_hu: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Coordinate (refined by its phase), spread, and the probabilities of spine, rib, sacrum."""
        raw = self.network(spine_projections_hu.float())
        probability = raw[:, 4:].sigmoid()
        spread = raw[:, 1].clamp(-5, 2).exp()
        return refine_by_phase(raw), spread, probability[:, 0], probability[:, 1], probability[:, 2]


def refine_by_phase(raw: Tensor) -> Tensor:
    """Coordinate (n, z) whose fraction comes from the phase, as far as the coarse coordinate leaves no doubt.

    The phase says where between two mid-bodies a row lies; the difference to the coarse coordinate is wrapped to
    ±half a vertebra and added in full.
    """
    phase = torch.atan2(raw[:, 3], raw[:, 2]) / (2 * torch.pi)
    difference = phase - raw[:, 0]
    return raw[:, 0] + difference - difference.round()
