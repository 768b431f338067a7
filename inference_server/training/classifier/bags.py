"""Bags for `sarcopenia_classifier`: slabs of labelled slices with simulated wasting, and the measured rule as truth.

A bag is low when the SMA of its middle slice is below the limit of the person's sex (Matsubara 2015). Each person gets
as much muscle as a drawn share of that limit asks for, so that everybody is seen on both sides of it: no class can be
told from who it is. Slabs of phantoms have their muscle from the specification instead.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from inference_server.evaluation.out_of_fold import MEASURED_LEVELS, annotated_level, sex_of
from inference_server.training.compartments.augmentation import Augmenter, Batch, place_on_tiles
from inference_server.training.compartments.wasting import change_muscle_bulk, infiltrate_muscle
from inference_server.training.datasets.axial_phantoms import SHAPE_YX, load_slices, save_slices
from inference_server.training.datasets.compartment_data import (
    LabelledSlice,
    NativeSlice,
    native_slices,
    read_index,
    to_model_grid,
)
from sarcopenia.clinical.profiles import all_profiles
from sarcopenia.domain.results import Compartment
from sarcopenia.domain.volume import Sex
from sarcopenia.inference.contract import AIR_HU, AXIAL_GRID_MM
from sarcopenia.phantom import PhantomSpec, make_phantom, random_spec

RULE: Final = "matsubara_2015"
"""The profile whose SMA limits are the truth: it needs sex but no height, and no scan at hand has a height."""
OFFSETS_MM: Final = (-10.0, -5.0, 0.0, 5.0, 10.0)
"""Slices of a slab from its middle; where one is missing the nearest stands in, so single slices are repeated."""
MIDDLE: Final = OFFSETS_MM.index(0.0)
MUSCLE_HU: Final = (-29.0, 150.0)
MUSCLE_RATIO: Final = (0.6, 1.5)
"""SMA of a changed person as a share of the limit."""
MOST_MM: Final = 16.0
"""Beyond this, walls of labelled people look unlike anybody's."""
PROBE_MM: Final = 4.0
STREAKED, SHIFT_HU = (0.0, 0.25), (-20.0, 8.0)
ANGLE, ZOOM, SHIFT, JITTER = 0.12, 0.06, 0.05, 0.004
"""Pose: radians, log size, shares of half the tile, and what slices of one slab differ by."""
FIRST_SEED: Final = 60_000
"""Phantoms of this task; those that the segmentation trains on have seeds around 50 000."""
PHANTOM_RANGE: Final = (15.5, 14.5)
PHANTOM_SPACING_MM: Final = 5.0
PHANTOM_MUSCLE: Final = (0.45, 1.05)


@dataclass(frozen=True)
class Slab:
    """Slices of one person around the middle one, feet to head, at `OFFSETS_MM`."""

    name: str
    sex: Sex
    slices: tuple[LabelledSlice, ...]

    @property
    def limit_cm2(self) -> float:
        """SMA limit of the person's sex."""
        return sma_limit_cm2(self.sex)


@dataclass(frozen=True)
class Wasting:
    """One change of a whole slab, in the units of `wasting`; ``seed`` lays the groups of muscles and the streaks."""

    amount_mm: float = 0.0
    streaked: float = 0.0
    shift_hu: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Bag:
    """Input and truth: int16 HU (slice, y, x); SMA of the middle slice by its labels; limit of the person's sex."""

    name: str
    slab_hu: NDArray[np.int16]
    sma_cm2: float
    limit_cm2: float

    @property
    def is_low(self) -> bool:
        """The measured rule."""
        return self.sma_cm2 < self.limit_cm2


def sma_limit_cm2(sex: Sex) -> float:
    """Limit of the rule for a sex.

    Raises
    ------
    ValueError: the rule has none, because the sex is not known.
    """
    profile = next(profile for profile in all_profiles() if profile.id == RULE)
    for limit in profile.limits:
        if limit.measure == "sma_cm2" and limit.sex is sex:
            return limit.value
    raise ValueError(f"{RULE} has no limit of SMA for {sex!r}")


def scan_slabs(data: Path, name: str) -> list[Slab]:
    """A slab around each hand-drawn slice from L2 to L4; none for a person whose sex the source does not state."""
    sex = sex_of(data, name)
    if sex is Sex.UNKNOWN:
        return []
    slices = {native.slice_index: to_model_grid(native) for native in native_slices(data, name, include_weak=True)}
    spacing_mm = float(read_index(data)[name]["spacing_mm_zyx"][0])
    middles = [k for k in read_index(data)[name]["key_slices"] if annotated_level(data, name, k) in MEASURED_LEVELS]
    return [Slab(name, sex, _around(slices, middle, spacing_mm)) for middle in middles]


def _around(slices: dict[int, LabelledSlice], middle: int, spacing_mm: float) -> tuple[LabelledSlice, ...]:
    wanted = [middle + offset / spacing_mm for offset in OFFSETS_MM]
    return tuple(slices[min(slices, key=lambda k: abs(k - z))] for z in wanted)


def phantom_spec(seed: int) -> PhantomSpec:
    """A random person with a short block around L3, from wasted to strong."""
    bottom, top = PHANTOM_RANGE
    return replace(
        random_spec(seed, grid_mm=AXIAL_GRID_MM, shape_yx=SHAPE_YX),
        bottom_coordinate=bottom,
        top_coordinate=top,
        slice_spacing_mm=PHANTOM_SPACING_MM,
        slice_thickness_mm=PHANTOM_SPACING_MM,
        muscle_scale=float(np.random.default_rng([seed, 20]).uniform(*PHANTOM_MUSCLE)),
    )


def phantom_slab(folder: Path, seed: int) -> Slab:
    """The slab of a phantom, made at the first call and then read from its file in the folder."""
    path = folder / f"phantom{seed}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        save_slices(_phantom_slices(seed), path)
    return Slab(f"phantom{seed}", phantom_spec(seed).sex, tuple(load_slices(path)))


def _phantom_slices(seed: int) -> list[LabelledSlice]:
    phantom = make_phantom(phantom_spec(seed))
    slices = {
        k: to_model_grid(
            NativeSlice(
                f"phantom{seed}",
                k,
                phantom.volume.hu_zyx[k],
                phantom.compartments_zyx[k],
                phantom.volume.geometry.plane(k),
                is_key=True,
            )
        )
        for k in range(len(phantom.compartments_zyx))
    }
    middle = int(np.abs(phantom.vertebral_coordinate_z - 15).argmin())
    return list(_around(slices, middle, PHANTOM_SPACING_MM))


def sma_cm2(batch: Batch) -> Tensor:
    """Skeletal muscle area (n,) of slices by their labels: wall ∩ −29..150 HU."""
    low, high = MUSCLE_HU
    counted = batch.share[:, Compartment.MUSCLE_WALL] * ((batch.hu[:, 0] >= low) & (batch.hu[:, 0] <= high))
    return counted.sum((1, 2)) * (AXIAL_GRID_MM**2 / 100)


def waste(slices: tuple[LabelledSlice, ...], wasting: Wasting) -> Batch:
    """Slices on tiles with one change for all of them."""
    parts = [_waste_one(place_on_tiles([item]), wasting) for item in slices]
    return Batch(*(torch.cat(tensors) for tensors in zip(*(_tensors(part) for part in parts), strict=True)))


def _waste_one(batch: Batch, wasting: Wasting) -> Batch:
    # The generator starts anew for every slice, so that groups and streaks run through the slab.
    random = torch.Generator().manual_seed(wasting.seed)
    amount, streaked, shift = (torch.tensor([v]) for v in (wasting.amount_mm, wasting.streaked, wasting.shift_hu))
    hu, share, known = change_muscle_bulk(batch.hu, batch.share, batch.known, amount, random)
    return Batch(infiltrate_muscle(hu, share, streaked, shift, random), share, known, batch.weight)


def _tensors(batch: Batch) -> tuple[Tensor, ...]:
    return batch.hu, batch.share, batch.known, batch.weight


def random_wasting(slab: Slab, random: np.random.Generator) -> Wasting:
    """A change that brings the slab to a drawn share of its limit, with fat in the muscle in half of the cases."""
    seed = int(random.integers(1 << 31))
    streaked = random.uniform(*STREAKED) * (random.random() < 0.5)
    shift = random.uniform(*SHIFT_HU) * (random.random() < 0.5)
    wasting = Wasting(0.0, float(streaked), float(shift), seed)
    return replace(wasting, amount_mm=_amount_for(slab, random.uniform(*MUSCLE_RATIO) * slab.limit_cm2, wasting))


def _amount_for(slab: Slab, target_cm2: float, wasting: Wasting) -> float:
    """Thickness in mm that brings the middle slice near an SMA, by the slope of a probe."""
    middle = (slab.slices[MIDDLE],)
    now, probe = (float(sma_cm2(waste(middle, replace(wasting, amount_mm=mm)))) for mm in (0.0, -PROBE_MM))
    return float(np.clip((target_cm2 - now) * PROBE_MM / max(now - probe, 1e-3), -MOST_MM, MOST_MM))


def plain_bag(slab: Slab, wasting: Wasting) -> Bag:
    """A bag as the scan shows it but for the wasting."""
    return _bag(slab, waste(slab.slices, wasting), None)


def varied_bag(slab: Slab, wasting: Wasting, random: np.random.Generator) -> Bag:
    """A bag in another pose and from another scanner; the truth is measured before the scanner's changes."""
    return _bag(slab, _posed(waste(slab.slices, wasting), random), int(random.integers(1 << 31)))


def _bag(slab: Slab, batch: Batch, scanner_seed: int | None) -> Bag:
    seen = batch.hu if scanner_seed is None else torch.cat([_scanned(hu, scanner_seed) for hu in batch.hu])
    slab_hu = seen[:, 0].round().clamp(AIR_HU, 3071).numpy().astype(np.int16)
    return Bag(slab.name, slab_hu, float(sma_cm2(batch)[MIDDLE]), slab.limit_cm2)


def _scanned(hu: Tensor, seed: int) -> Tensor:
    """One slice (1, y, x) as (1, 1, y, x) from a scanner that the seed names, the same for a whole slab."""
    image = hu[None]
    return Augmenter(seed).change_scanner(Batch(image, image, image, image)).hu


def _posed(batch: Batch, random: np.random.Generator) -> Batch:
    """Turned, scaled, moved and mirrored as a whole, and by a hair from slice to slice."""
    n, _, height, width = batch.hu.shape
    jitter = random.normal(0, JITTER, (n, 4))
    angle, zoom, right, down = (random.uniform(-1, 1, 4) * (ANGLE, ZOOM, SHIFT, SHIFT) + jitter).T
    mirror = random.choice([-1.0, 1.0])
    cos, sin = np.exp(zoom) * np.cos(angle), np.exp(zoom) * np.sin(angle)
    rows = [
        [cos * mirror, -sin * height / width, right],
        [sin * mirror * width / height, cos, down],
    ]
    theta = torch.from_numpy(np.array(rows).transpose(2, 0, 1)).float()
    grid = functional.affine_grid(theta, [n, 1, height, width], align_corners=False)
    hu, share, known = (
        functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)
        for maps in (batch.hu, batch.share, batch.known)
    )
    return Batch(hu, share, known, batch.weight)
