"""The networks, in torch. They take INT16 HU exactly as Triton receives them: scaling is part of the graph."""

from dataclasses import dataclass
from typing import Final

import torch
from monai.networks.nets import BasicUNet
from monai.networks.nets.basic_unet import UpCat
from torch import Tensor, nn
from torch.nn import functional

from sarcopenia.domain.results import Compartment
from sarcopenia.inference.contract import AIR_HU, COMPARTMENT_COUNT, SPINE_WIDTH

COMPARTMENT_FEATURES = (32, 48, 80, 112, 144, 32)
STUDENT_HEADS: Final = 3
ACTIVATION: Final = ("LeakyReLU", {"inplace": True, "negative_slope": 0.1})
HU_WINDOWS = ((-200.0, 250.0), (-1000.0, 1000.0))
"""Two views of the same HU: one resolves fat, muscle and organs, the other gas, lung and bone."""


def scale_hu(hu: Tensor) -> Tensor:
    """HU of shape (n, c, y, x) in two windows, each -1..1: shape (n, 2 c, y, x)."""
    values = hu.float()
    return torch.cat([(values.clamp(low, high) - low) * (2 / (high - low)) - 1 for low, high in HU_WINDOWS], dim=1)


def block_unet(answers: int) -> BasicUNet:
    """U-Net (Ronneberger 2015; MONAI BasicUNet) on 2×2 pixel blocks that gives ``answers`` values for every pixel."""
    return BasicUNet(
        spatial_dims=2,
        in_channels=4 * len(HU_WINDOWS),
        out_channels=4 * answers,
        features=COMPARTMENT_FEATURES,
        act=ACTIVATION,
        norm="batch",
        upsample="nontrainable",
    )


class CompartmentNet(nn.Module):
    """One member of the teacher: features at 3 mm, answers at 1.5 mm.

    Compartments are smooth, so the first level can be coarse; that makes the network four times cheaper on a CPU.
    Input (n, 1, y, x) HU with y and x multiples of 32; output (n, 5, y, x) logits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.to_blocks = nn.PixelUnshuffle(2)
        self.body = block_unet(COMPARTMENT_COUNT)
        self.to_pixels = nn.PixelShuffle(2)

    def forward(self, ct_hu: Tensor) -> Tensor:
        """Logits (n, 5, y, x) of INT16 or float HU (n, 1, y, x)."""
        return self.to_pixels(self.body(self.to_blocks(scale_hu(ct_hu))))


class DecoderHead(nn.Module):
    """The last two stages of the decoder and the answer: what the members of the student do not share."""

    def __init__(self) -> None:
        super().__init__()
        features = COMPARTMENT_FEATURES
        shared = {"act": ACTIVATION, "norm": "batch", "bias": True, "upsample": "nontrainable"}
        self.upcat_2 = UpCat(2, features[2], features[1], features[1], **shared)
        self.upcat_1 = UpCat(2, features[1], features[0], features[5], halves=False, **shared)
        self.answer = nn.Conv2d(features[5], 4 * COMPARTMENT_COUNT, 1)

    def forward(self, deep: Tensor, middle: Tensor, fine: Tensor) -> Tensor:
        """Logits (n, 20, y / 2, x / 2) of the shared features at 12, 6 and 3 mm."""
        return self.answer(self.upcat_1(self.upcat_2(deep, middle), fine))


class StudentNet(nn.Module):
    """The student: one encoder, several heads, each of which learned from another member of the teacher.

    The heads cost a sixth of a member each, and their spread stands for that of the members.
    Input (n, 1, y, x) HU with y and x multiples of 32; output (n, heads, 5, y, x) logits.
    """

    def __init__(self, heads: int = STUDENT_HEADS) -> None:
        super().__init__()
        self.to_blocks = nn.PixelUnshuffle(2)
        self.body = block_unet(COMPARTMENT_COUNT)
        for unused in ("upcat_2", "upcat_1", "final_conv"):
            delattr(self.body, unused)
        self.heads = nn.ModuleList(DecoderHead() for _ in range(heads))
        self.to_pixels = nn.PixelShuffle(2)

    def forward(self, ct_hu: Tensor) -> Tensor:
        """Logits (n, heads, 5, y, x) of INT16 or float HU (n, 1, y, x)."""
        body = self.body
        fine = body.conv_0(self.to_blocks(scale_hu(ct_hu)))
        middle = body.down_1(fine)
        coarse = body.down_2(middle)
        deeper = body.down_3(coarse)
        deep = body.upcat_3(body.upcat_4(body.down_4(deeper), deeper), coarse)
        return torch.stack([self.to_pixels(head(deep, middle, fine)) for head in self.heads], dim=1)


class TeacherMembers(nn.Module):
    """Several `CompartmentNet` side by side, with the output of `StudentNet`: logits (n, members, 5, y, x)."""

    def __init__(self, members: list[CompartmentNet]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, ct_hu: Tensor) -> Tensor:
        """Logits of every member."""
        return torch.stack([member(ct_hu) for member in self.members], dim=1)


@dataclass(frozen=True)
class Calibration:
    """What is done to all logits before the softmax, fitted on people held out: bias-corrected temperature scaling.

    ``bone_offset`` is added to the logit of bone, then all are divided by ``temperature`` (Alexandari A et al., ICML
    2020; Guo C et al., ICML 2017). Only bone has an offset: on people that the networks have not seen they take marrow
    and the rims of ribs for muscle. The temperature alone moves no border, the offset does.
    """

    temperature: float = 1.0
    bone_offset: float = 0.0


class ServedCompartments(nn.Module):
    """Members (or heads) and their left-right mirror images in one call, calibrated, as it is served.

    Input (n, 1, y, x) INT16; output (n, 2 × members, 5, y, x) UINT8, 255 = 1; the mirror image of a member follows it.
    """

    def __init__(self, network: StudentNet | TeacherMembers, calibration: Calibration) -> None:
        super().__init__()
        self.network = network
        self.temperature = calibration.temperature
        offsets = torch.zeros(COMPARTMENT_COUNT, 1, 1)
        offsets[Compartment.SPINE_BONE] = calibration.bone_offset
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, ct_hu: Tensor) -> Tensor:
        """Probabilities of every member, plain and mirrored."""
        straight = ct_hu.float()
        both = torch.stack([self.network(straight), self.network(straight.flip(-1)).flip(-1)], dim=2)
        probability = ((both + self.offsets) / self.temperature).softmax(3).flatten(1, 2)
        return (probability * 255).round().to(torch.uint8)


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
    """`SpineNet` with the outputs of the contract, in its order; each of shape (n, z).

    The answers to the coronal projection and to its mirror image are averaged. Without a coronal projection (all of it
    air) no rib is seen, whatever the network makes of the sagittal one.
    """

    def __init__(self, network: SpineNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, spine_projections_hu: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Coordinate (refined by its phase), spread, and the probabilities of spine, rib, sacrum."""
        projections = spine_projections_hu.float()
        sagittal, coronal = projections[:, :1], projections[:, 1:]
        mirrored = torch.cat([sagittal, coronal.flip(-1)], dim=1)
        raw = (self.network(projections) + self.network(mirrored)) / 2
        probability = raw[:, 4:].sigmoid()
        spread = raw[:, 1].clamp(-5, 2).exp()
        has_coronal = (coronal.amax((1, 2, 3)) > AIR_HU).float()[:, None]
        return refine_by_phase(raw), spread, probability[:, 0], probability[:, 1] * has_coronal, probability[:, 2]


def refine_by_phase(raw: Tensor) -> Tensor:
    """Coordinate (n, z) whose fraction comes from the phase, as far as the coarse coordinate leaves no doubt.

    The phase says where between two mid-bodies a row lies; the difference to the coarse coordinate is wrapped to
    ±half a vertebra and added in full.
    """
    phase = torch.atan2(raw[:, 3], raw[:, 2]) / (2 * torch.pi)
    difference = phase - raw[:, 0]
    return raw[:, 0] + difference - difference.round()
