"""Simulated loss and gain of muscle, and fat in muscle, on labelled slices: the anatomy that few labelled scans show.

Works on batches of torch tensors on the model grid: ``hu`` (n, 1, y, x), ``share`` (n, 5, y, x), ``known``
(n, 1, y, x). The wall's borders move along the gradient of its blurred share, and what lies next to it moves along:
subcutaneous fat, fascia and bowel follow a wall that shrinks and make way for one that grows. Bone does not move.
"""

import math
from typing import Final

import torch
from monai.networks.layers import GaussianFilter
from torch import Tensor
from torch.nn import functional

from sarcopenia.domain.results import Compartment
from sarcopenia.inference.contract import AXIAL_GRID_MM

REACH_MM: Final = 5.0
"""How far beside a border its surroundings move along (standard deviation of the blur)."""
STEPS: Final = 4
"""The borders move in as many steps, each along the borders as they then lie, so that thick changes do not fold."""
GROUP_CELLS: Final = (5, 6)
"""Nodes (rows, columns) of the field that lets muscle groups change by different amounts: 70 to 80 mm apart."""
GROUP_SPREAD: Final = 0.35
STREAK_CELLS: Final = (40, 50)
"""Nodes of the field that lays streaks of fat into muscle: 8 to 9 mm apart."""
FAT_HU: Final = -95.0
MUSCLE_LIKE_HU: Final = (-40.0, 160.0)


def change_muscle_bulk(
    hu: Tensor, share: Tensor, known: Tensor, amount: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """HU, shares and known pixels of the same people with less or more muscle.

    ``amount`` (n,) is the thickness in mm that a thick wall loses (−) or gains (+), half of it at either border; at the
    bone nothing moves, and thin walls change by less. Muscle groups differ by a smooth random factor.
    """
    factor = (1 + GROUP_SPREAD * smooth_noise(hu, GROUP_CELLS, generator)).clamp(0.2, 1.8)
    pixels = factor * amount[:, None, None, None] / (2 * AXIAL_GRID_MM * STEPS)
    blur = GaussianFilter(spatial_dims=2, sigma=REACH_MM / AXIAL_GRID_MM)
    leading = share[:, [Compartment.MUSCLE_WALL, Compartment.SPINE_BONE]]
    offset = torch.zeros_like(hu).expand(-1, 2, -1, -1)
    for _ in range(STEPS):
        step = pixels * _towards_wall(_moved(leading, offset), blur)
        offset = step + _moved(offset, step)
    return _moved(hu, offset), _moved(share, offset), _moved(known, offset)


def infiltrate_muscle(hu: Tensor, share: Tensor, streaked: Tensor, shift: Tensor, generator: torch.Generator) -> Tensor:
    """HU with fat in the muscle (myosteatosis); labels stay.

    ``streaked`` (n,) is the share of the muscle, 0..0.5, that streaks of fat take; ``shift`` (n,) HU is added to all
    muscle, negative for the fat inside the fibres that no pixel resolves.
    """
    low, high = MUSCLE_LIKE_HU
    muscle = ((hu > low) & (hu < high)).float() * share[:, Compartment.MUSCLE_WALL : Compartment.MUSCLE_WALL + 1]
    threshold = torch.special.ndtri(1 - streaked.clamp(1e-3, 0.5))[:, None, None, None]
    field = smooth_noise(hu, STREAK_CELLS, generator)
    fat = ((field / field.std((2, 3), keepdim=True) - threshold) * 4).sigmoid()
    fat = fat * (streaked > 0).float()[:, None, None, None]
    return hu + muscle * (fat * (FAT_HU - hu) + (1 - fat) * shift[:, None, None, None])


def smooth_noise(like: Tensor, cells: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Smooth random fields (n, 1, y, x), of unit variance at ``cells`` nodes (rows, columns)."""
    nodes = torch.randn(len(like), 1, *cells, generator=generator)
    return functional.interpolate(nodes, size=like.shape[2:], mode="bicubic", align_corners=True)


def _towards_wall(wall_and_bone: Tensor, blur: GaussianFilter) -> Tensor:
    """Vectors (n, 2, y, x), x then y, into the muscle wall: length 1 at its border, less with distance, 0 at bone."""
    wall, bone = blur(wall_and_bone).split(1, dim=1)
    down, right = torch.gradient(wall, dim=(2, 3))
    # The blurred step of a plane border is steepest at the border, with slope 1 / (sigma √2π).
    steepest = math.sqrt(2 * math.pi) * REACH_MM / AXIAL_GRID_MM
    return torch.cat([right, down], dim=1) * steepest * (1 - 2 * bone).clamp(min=0)


def _moved(maps: Tensor, offset: Tensor) -> Tensor:
    """Maps (n, c, y, x) read at every pixel plus an offset (n, 2, y, x) in pixels, x then y."""
    n, _, height, width = maps.shape
    still = functional.affine_grid(torch.eye(2, 3).expand(n, 2, 3), [n, 1, height, width], align_corners=False)
    scaled = offset.permute(0, 2, 3, 1) * torch.tensor([2 / width, 2 / height])
    return functional.grid_sample(maps, still + scaled, mode="bilinear", padding_mode="border", align_corners=False)
