"""Random changes to axial training slices: habitus, scanner, contrast, wasting, arms, cut field of view.

Works on batches of torch tensors: ``hu`` (n, 1, y, x), ``share`` (n, 5, y, x), ``known`` (n, 1, y, x).
Every function takes the generator, so that a seed fixes a run.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference_server.training.compartments.wasting import change_muscle_bulk, infiltrate_muscle
from inference_server.training.datasets.compartment_data import LabelledSlice
from sarcopenia.domain.results import Compartment
from sarcopenia.inference.contract import AIR_HU, AXIAL_GRID_MM

BULK_MM = (-9.0, 6.0)
"""Thickness that a thick wall loses or gains."""
TILE_YX = (224, 288)
"""Rows and columns of a training tile: 336 × 432 mm holds most trunks; larger ones are seen in part."""


@dataclass(frozen=True)
class Batch:
    """Tensors of one training step; ``weight`` (n,) is the trust in each label."""

    hu: Tensor
    share: Tensor
    known: Tensor
    weight: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The batch on a device."""
        return Batch(*(part.to(device) for part in (self.hu, self.share, self.known, self.weight)))


def place_on_tiles(slices: list[LabelledSlice]) -> Batch:
    """Slices of different size, centred on tiles of one size; what lies outside is air with a known label."""
    height, width = TILE_YX
    hu = torch.full((len(slices), 1, height, width), float(AIR_HU))
    share = torch.zeros(len(slices), 5, height, width)
    share[:, Compartment.OUTSIDE] = 1.0
    known = torch.ones(len(slices), 1, height, width)
    for i, item in enumerate(slices):
        (ty, sy), (tx, sx) = (_centred(t, s) for t, s in zip(TILE_YX, item.hu_yx.shape, strict=True))
        hu[i, 0, ty, tx] = torch.from_numpy(item.hu_yx[sy, sx].astype(np.float32))
        share[i, :, ty, tx] = torch.from_numpy(item.share_cyx[:, sy, sx].astype(np.float32) / 255)
        known[i, 0, ty, tx] = torch.from_numpy(item.known_yx[sy, sx].astype(np.float32) / 255)
    return Batch(hu, share, known, torch.tensor([item.weight for item in slices]))


def _centred(target: int, source: int) -> tuple[slice, slice]:
    size = min(target, source)
    return (
        slice((target - size) // 2, (target - size) // 2 + size),
        slice((source - size) // 2, (source - size) // 2 + size),
    )


class Augmenter:
    """All random changes, in the order in which the body, the scanner and the reconstruction would make them."""

    def __init__(self, seed: int) -> None:
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, batch: Batch) -> Batch:
        """A changed copy of the batch."""
        batch = self.waste_muscle(batch)
        batch = self.fill_cavity(batch)
        batch = self.enhance_organs(batch)
        batch = self.warp(batch)
        batch = self.add_arms(batch)
        batch = self.change_scanner(batch)
        batch = self.add_streaks(batch)
        batch = self.starve_photons(batch)
        return self.cut_field_of_view(batch)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform random numbers."""
        return torch.rand(*shape, generator=self.random) * (high - low) + low

    def chance(self, probability: float, count: int) -> Tensor:
        """Which items of a batch are changed, float 0/1 of shape (count, 1, 1, 1)."""
        return (torch.rand(count, 1, 1, 1, generator=self.random) < probability).float()

    def smooth_field(self, count: int, channels: int, cells: int) -> Tensor:
        """Smooth random fields of unit variance at the nodes, shape (count, channels, *TILE_YX)."""
        grid = torch.randn(count, channels, cells, cells + 1, generator=self.random)
        return functional.interpolate(grid, size=TILE_YX, mode="bicubic", align_corners=True)

    def waste_muscle(self, batch: Batch) -> Batch:
        """Virtual atrophy and hypertrophy, fat infiltration and density loss; the label goes along."""
        n = len(batch.hu)
        streaked = self.uniform(0, 0.4, n) * self.chance(0.35, n).flatten()
        shift = self.uniform(-30, 15, n) * self.chance(0.5, n).flatten()
        hu = infiltrate_muscle(batch.hu, batch.share, streaked, shift, self.random)
        share, known = batch.share.clone(), batch.known.clone()
        chosen = self.chance(0.4, n).flatten() > 0
        if chosen.any():
            amount = self.uniform(*BULK_MM, int(chosen.sum()))
            moved = change_muscle_bulk(hu[chosen], share[chosen], known[chosen], amount, self.random)
            hu[chosen], share[chosen], known[chosen] = moved
        return replace(batch, hu=hu, share=share, known=known)

    def enhance_organs(self, batch: Batch) -> Batch:
        """Contrast in organs, vessels and bowel of the visceral cavity, lumpy as they are."""
        n = len(batch.hu)
        cavity = batch.share[:, Compartment.VISCERAL_CAVITY : Compartment.VISCERAL_CAVITY + 1]
        soft = ((batch.hu > -20) & (batch.hu < 300)).float() * cavity
        lumps = (self.smooth_field(n, 1, 9) * 3).sigmoid()
        change = lumps * self.uniform(-50, 160, n, 1, 1, 1) + self.uniform(-15, 25, n, 1, 1, 1)
        bowel = ((self.smooth_field(n, 1, 14) - 1.2) * 8).sigmoid() * self.chance(0.1, n) * 400
        return replace(batch, hu=batch.hu + soft * (change * self.chance(0.5, n) + bowel))

    def fill_cavity(self, batch: Batch) -> Batch:
        """Organs where there was visceral fat: in thin people nothing but a hair of fat parts them from the wall."""
        n = len(batch.hu)
        cavity = batch.share[:, Compartment.VISCERAL_CAVITY : Compartment.VISCERAL_CAVITY + 1]
        fat = ((batch.hu < -20) & (batch.hu > -200)).float() * cavity
        organs = ((self.smooth_field(n, 1, 7) + self.uniform(-0.5, 2.0, n, 1, 1, 1)) * 4).sigmoid()
        texture = self.uniform(15, 70, n, 1, 1, 1) + 12 * self.smooth_field(n, 1, 40)
        return replace(batch, hu=batch.hu + fat * organs * (texture - batch.hu) * self.chance(0.3, n))

    def starve_photons(self, batch: Batch) -> Batch:
        """Horizontal streaks where the body is widest and densest, as between hips, arms or in the obese."""
        n = len(batch.hu)
        height = TILE_YX[0]
        path = ((batch.hu + 1000).clamp(min=0) / 1000).sum(3, keepdim=True) * (AXIAL_GRID_MM / 400)
        rough = torch.randn(n, 1, height, TILE_YX[1] // 16, generator=self.random)
        streaks = functional.interpolate(rough, size=TILE_YX, mode="bilinear", align_corners=True)
        amplitude = self.uniform(8, 45, n, 1, 1, 1) * self.chance(0.12, n)
        return replace(batch, hu=batch.hu + streaks * path.clamp(max=1.5) ** 2 * amplitude * (batch.hu > -300))

    def warp(self, batch: Batch) -> Batch:
        """Rotation, habitus stretch, shift, mirror and smooth elastic deformation."""
        n = len(batch.hu)
        grid = self._affine_grid(n) + self._elastic_offsets(n)
        stacked = torch.cat([batch.hu - AIR_HU, batch.share - _outside_only(batch.share), batch.known - 1], dim=1)
        warped = functional.grid_sample(stacked, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        share = warped[:, 1:6] + _outside_only(warped[:, 1:6])
        return replace(batch, hu=warped[:, :1] + AIR_HU, share=share, known=warped[:, 6:] + 1)

    def _affine_grid(self, n: int) -> Tensor:
        height, width = TILE_YX
        angle = self.uniform(-0.22, 0.22, n) * (self.uniform(0, 1, n) < 0.8)
        zoom = self.uniform(-0.22, 0.25, n).exp()
        stretch = self.uniform(-0.15, 0.15, n).exp()
        mirror = torch.where(self.uniform(0, 1, n) < 0.5, 1.0, -1.0)
        cos, sin = angle.cos(), angle.sin()
        theta = torch.zeros(n, 2, 3)
        theta[:, 0, 0], theta[:, 0, 1] = cos * zoom * stretch * mirror, -sin * zoom * stretch * height / width
        theta[:, 1, 0], theta[:, 1, 1] = sin * zoom / stretch * width / height * mirror, cos * zoom / stretch
        theta[:, 0, 2], theta[:, 1, 2] = self.uniform(-0.15, 0.15, n), self.uniform(-0.15, 0.15, n)
        return functional.affine_grid(theta, [n, 1, height, width], align_corners=False)

    def _elastic_offsets(self, n: int) -> Tensor:
        height, width = TILE_YX
        coarse = self.smooth_field(n, 2, 5) * self.uniform(0, 7, n, 1, 1, 1)
        fine = self.smooth_field(n, 2, 14) * self.uniform(0, 1.6, n, 1, 1, 1)
        pixels = (coarse + fine).permute(0, 2, 3, 1)
        return pixels * torch.tensor([2 / width, 2 / height])

    def add_arms(self, batch: Batch) -> Batch:
        """An arm (skin, fat, muscle, bone, marrow) beside or on the trunk; it belongs to the outside."""
        hu, share = batch.hu.clone(), batch.share.clone()
        for i in torch.nonzero(self.uniform(0, 1, len(hu)) < 0.25).flatten().tolist():
            columns = (share[i, Compartment.OUTSIDE] < 0.5).any(0).nonzero().flatten()
            if len(columns) == 0:
                continue
            for edge, side in ((int(columns[0]), -1), (int(columns[-1]), 1)):
                if float(self.uniform(0, 1, 1)) < 0.7:
                    self._paint_arm(hu[i, 0], share[i], edge, side)
        return replace(batch, hu=hu, share=share)

    def _paint_arm(self, hu: Tensor, share: Tensor, edge: int, side: int) -> None:
        radius = float(self.uniform(32, 55, 1)) / AXIAL_GRID_MM
        flatten = float(self.uniform(0.8, 1.3, 1))
        centre_x = edge + side * (radius + float(self.uniform(-4, 8, 1)))
        centre_y = TILE_YX[0] * float(self.uniform(0.3, 0.75, 1))
        y, x = torch.meshgrid(torch.arange(TILE_YX[0]), torch.arange(TILE_YX[1]), indexing="ij")
        distance = (((x - centre_x) / flatten) ** 2 + (y - centre_y) ** 2).sqrt() / radius
        wobble = self.smooth_field(1, 1, 12)[0, 0] * 0.06
        rings = torch.bucketize(
            distance + wobble, torch.tensor([0.12, 0.26, float(self.uniform(0.55, 0.9, 1)), 0.97, 1.0])
        )
        values = torch.tensor([20.0, 900.0, float(self.uniform(35, 70, 1)), -100.0, 20.0])
        free = (share[Compartment.OUTSIDE] > 0.5) & (rings < 5)
        hu[free] = values[rings[free]]

    def change_scanner(self, batch: Batch) -> Batch:
        """Kernel (blur or sharpen), tube voltage (contrast of dense tissue), offset, white and correlated noise."""
        n = len(batch.hu)
        blurred = functional.avg_pool2d(batch.hu, 3, stride=1, padding=1, count_include_pad=False)
        hu = batch.hu + (blurred - batch.hu) * self.uniform(-0.5, 1.0, n, 1, 1, 1) * self.chance(0.5, n)
        dense = (hu - 60).clamp(min=0)
        hu = hu + dense * self.uniform(-0.25, 0.35, n, 1, 1, 1) * self.chance(0.4, n)
        hu = hu + self.uniform(-12, 12, n, 1, 1, 1) * self.chance(0.6, n)
        white = torch.randn(hu.shape, generator=self.random)
        grain = functional.avg_pool2d(white, 3, stride=1, padding=1) * 3
        mix = self.uniform(0, 1, n, 1, 1, 1)
        sd = self.uniform(0, 1, n, 1, 1, 1) ** 2 * 45
        return replace(batch, hu=hu + (white * mix + grain * (1 - mix)) * sd)

    def add_streaks(self, batch: Batch) -> Batch:
        """Metal in the trunk with its streaks, or the streaks alone (metal above or below): rays through a point."""
        n = len(batch.hu)
        height, width = TILE_YX
        y, x = torch.meshgrid(
            torch.linspace(-1, 1, height), torch.linspace(-1, 1, width) * width / height, indexing="ij"
        )
        offset = self.uniform(-0.4, 0.4, n, 2, 1, 1)
        down, right = y - offset[:, :1], x - offset[:, 1:]
        angle = torch.atan2(down, right)
        waves = torch.stack([torch.sin(k * angle + self.uniform(0, 6.3, n, 1, 1, 1)) for k in (2, 5, 9, 17, 31)]).sum(0)
        changed = self.chance(0.12, n)
        body = (batch.hu > -300).float()
        hu = batch.hu + waves * self.uniform(5, 30, n, 1, 1, 1) * changed * body
        radius = self.uniform(0.01, 0.035, n, 1, 1, 1)
        metal = (down**2 + right**2 < radius**2).float() * changed * self.chance(0.5, n) * body
        return replace(batch, hu=hu * (1 - metal) + 2500 * metal)

    def cut_field_of_view(self, batch: Batch) -> Batch:
        """A circular field of view smaller than the body: air outside, and nothing to find there."""
        n = len(batch.hu)
        height, width = TILE_YX
        y, x = torch.meshgrid(torch.arange(height) - height / 2, torch.arange(width) - width / 2, indexing="ij")
        radius = self.uniform(110, 180, n, 1, 1, 1) / AXIAL_GRID_MM
        centre = self.uniform(-15, 15, n, 2, 1, 1) / AXIAL_GRID_MM
        beyond = ((y - centre[:, :1]) ** 2 + (x - centre[:, 1:]) ** 2 > radius**2).float() * self.chance(0.12, n)
        share = batch.share * (1 - beyond) + _outside_only(torch.zeros_like(batch.share)) * beyond
        return replace(batch, hu=batch.hu * (1 - beyond) + AIR_HU * beyond, share=share)


def resize(batch: Batch, scale: float) -> Batch:
    """The batch on fewer, larger pixels, for progressive resizing; rows and columns become multiples of 16."""
    if scale == 1.0:
        return batch
    size = [round(side * scale / 16) * 16 for side in batch.hu.shape[2:]]
    hu, share, known = (
        functional.interpolate(part, size=size, mode="area") for part in (batch.hu, batch.share, batch.known)
    )
    return replace(batch, hu=hu, share=share, known=known)


def _outside_only(like: Tensor) -> Tensor:
    share = torch.zeros_like(like)
    share[:, Compartment.OUTSIDE] = 1.0
    return share
