"""Random changes to spine projections: crop, size, posture, slice thickness, scanner, a missing projection."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference_server.training.spine.data import SpineExample
from sarcopenia.inference.contract import AIR_HU, SPINE_GRID_MM, SPINE_WIDTH

TILE_ROWS = 208
"""Rows of a training tile: 520 mm, the length of an abdomen-pelvis scan with some chest."""
SHORTEST_CROP_MM = 110.0
LABELS = ("coordinate_z", "at_most_z", "spine_z", "rib_z", "sacrum_z")


@dataclass(frozen=True)
class SpineTile:
    """One training example: float32 projections (2, z, 96) and labels (5, z) as in `LABELS`, NaN = unknown."""

    projections_czw: NDArray[np.float32]
    labels: NDArray[np.float32]


def whole_tile(example: SpineExample) -> SpineTile:
    """An example as it is, for validation: its first variant, all rows."""
    labels = np.stack([getattr(example, name) for name in LABELS])
    return SpineTile(example.variants[0].astype(np.float32), labels)


def random_tile(example: SpineExample, random: np.random.Generator) -> SpineTile:
    """A changed crop of an example on a tile of `TILE_ROWS` rows; what lies outside the crop is air without a spine.

    Without a coronal projection nobody can see a rib: it is not taught there.
    """
    source = example.variants[random.integers(len(example.variants))].astype(np.float32)
    rows, inside = _row_map(source.shape[1], random)
    projections = np.stack([_resample(source[c], rows, c == 1, random) for c in (0, 1)])
    projections = _degrade(projections, random)
    projections[:, ~inside] = AIR_HU
    labels = _labels(example, rows, inside)
    # A projection that is missing is air to the last pixel, as it is served.
    if not (source[1] > AIR_HU).any() or random.random() < 0.2:
        projections[1] = AIR_HU
        labels[LABELS.index("rib_z")] = np.nan
    elif random.random() < 0.05:
        projections[0] = AIR_HU
    return SpineTile(projections, labels)


def _row_map(count: int, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Source row of every row of the tile, and which of them lie in the random crop."""
    zoom = np.exp(random.uniform(-0.2, 0.2))
    wobble = ndimage.gaussian_filter1d(random.normal(0, 1, TILE_ROWS), 12, mode="nearest") * random.uniform(0, 14)
    start, stop = _crop(count, random)
    length = (stop - start) / zoom
    first = random.uniform(0, max(TILE_ROWS - length, 0)) if random.random() < 0.3 else 0.0
    shift = max(length - TILE_ROWS, 0) * zoom * random.random()
    rows = start + shift + (np.arange(TILE_ROWS) - first) * zoom + wobble
    return rows, (rows >= max(start, 0)) & (rows <= min(stop, count - 1))


def _crop(count: int, random: np.random.Generator) -> tuple[float, float]:
    if random.random() < 0.35:
        return 0.0, float(count - 1)
    shortest = min(SHORTEST_CROP_MM / SPINE_GRID_MM, count - 1)
    length = random.uniform(shortest, count - 1)
    start = random.uniform(0, count - 1 - length)
    return start, start + length


def _resample(
    image: NDArray[np.float32], rows: NDArray[np.float64], may_mirror: bool, random: np.random.Generator
) -> NDArray[np.float32]:
    """One projection with other rows, a tilt, a wavering mid-line and another width."""
    tilt = random.normal(0, 0.06) * (np.arange(TILE_ROWS) - TILE_ROWS / 2)
    waver = ndimage.gaussian_filter1d(random.normal(0, 1, TILE_ROWS), 14, mode="nearest") * random.uniform(0, 12)
    across = (np.arange(SPINE_WIDTH) - (SPINE_WIDTH - 1) / 2) * np.exp(random.uniform(-0.15, 0.15))
    if may_mirror and random.random() < 0.5:
        across = -across
    columns = across[None] + (tilt + waver + random.normal(0, 3))[:, None] + (SPINE_WIDTH - 1) / 2
    grid = np.broadcast_arrays(rows[:, None], columns)
    return np.asarray(ndimage.map_coordinates(image, grid, order=1, cval=AIR_HU), dtype=np.float32)


def _degrade(projections: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Thick slices, kernel, tube voltage, offset, noise, bright blobs of contrast or metal."""
    if random.random() < 0.4:
        projections = ndimage.gaussian_filter1d(projections, random.uniform(0.3, 1.3), axis=1)
    if random.random() < 0.3:
        projections = ndimage.gaussian_filter1d(projections, random.uniform(0.3, 0.9), axis=2)
    dense = np.clip(projections - 60, 0, None)
    projections = projections + dense * random.uniform(-0.35, 0.5) + random.uniform(-20, 20)
    if random.random() < 0.25:
        blobs = ndimage.gaussian_filter(random.normal(0, 1, projections.shape), (0, 5, 5)) * 5 * np.sqrt(np.pi)
        projections = projections + np.clip(blobs - 1.6, 0, 1) * random.uniform(100, 900)
    noise = random.normal(0, 1, projections.shape) * random.uniform(0, 1) ** 2 * 70
    return np.asarray(projections + noise, dtype=np.float32)


def _labels(example: SpineExample, rows: NDArray[np.float64], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    at = np.arange(example.variants.shape[2])
    labels = np.stack([np.interp(rows, at, getattr(example, name)) for name in LABELS])
    outside_values = np.array([np.nan, np.inf, 0.0, np.nan, np.nan])
    return np.where(inside, labels, outside_values[:, None]).astype(np.float32)
