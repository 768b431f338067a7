"""A block of a scan around the spine on a regular grid of patient space: what registration compares.

A block lies along the axes of patient space (x to the left, y to the back, z to the head), whatever the scan's rows,
columns, spacing and tilt. Only bone counts: HU are clipped, so that fat and soft tissue do not matter.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.assessment.spine_projection import coarse_block, find_midline
from sarcopenia.domain.geometry import Vector
from sarcopenia.domain.volume import CtVolume
from sarcopenia.inference.contract import SPINE_GRID_MM

BLOCK_GRID_MM: Final = 1.5
BONE_WINDOW_HU: Final = (100.0, 1200.0)
SPINE_VIEW_MM: Final = 60.0
"""The mid-line is looked for within this distance of a slice."""
SD_OF_WIDTH: Final = 1 / np.sqrt(12.0)
"""Standard deviation of a slice profile that is a box of width 1."""


@dataclass(frozen=True)
class SpineBlock:
    """Bone around a point of the spine.

    Attributes
    ----------
    bone_zyx: float32 HU, clipped to `BONE_WINDOW_HU`; `BLOCK_GRID_MM` voxels along the axes of patient space.
    inside_zyx: whether a voxel lies in the scan.
    origin_lps_mm: centre of voxel (0, 0, 0).
    """

    bone_zyx: NDArray[np.float32]
    inside_zyx: NDArray[np.bool_]
    origin_lps_mm: Vector


def spine_points(volume: CtVolume, slice_index: int) -> NDArray[np.float64]:
    """Points of the spine's mid-line around a slice in patient space, LPS in mm, shape (n, 3), from feet to head.

    Raises
    ------
    NoBodyError: no body, or no bone at all, around the slice.
    """
    position = volume.geometry.slice_positions_mm
    near = np.flatnonzero(np.abs(position - position[slice_index]) <= SPINE_VIEW_MM)
    block = coarse_block(crop_slices(volume, int(near[0]), int(near[-1]) + 1))
    yx_mm = find_midline(block) * SPINE_GRID_MM + np.asarray(block.origin_yx_mm)
    return np.stack([yx_mm[:, 1], yx_mm[:, 0], block.z_mm], axis=1)


def crop_slices(volume: CtVolume, start: int, stop: int) -> CtVolume:
    """The slices start (included) to stop (excluded)."""
    return replace(
        volume,
        hu_zyx=volume.hu_zyx[start:stop],
        geometry=volume.geometry.crop_slices(start, stop),
        sop_instance_uids=volume.sop_instance_uids[start:stop],
    )


def spine_point_at(points_lps_mm: NDArray[np.float64], z_mm: float) -> NDArray[np.float64]:
    """Point of a mid-line (n, 3) at patient z, shape (3,)."""
    x, y, z = points_lps_mm.T
    return np.array([np.interp(z_mm, z, x), np.interp(z_mm, z, y), z_mm])


def sample_block(
    volume: CtVolume, centre_lps_mm: NDArray[np.float64], half_size_mm: Vector, blur_z_mm: float
) -> SpineBlock:
    """Resample a scan around a point; ``half_size_mm`` along x, y, z.

    ``blur_z_mm`` is the standard deviation of an extra blur along z, which makes a thin scan as coarse as a thick one.
    """
    counts = [2 * round(half / BLOCK_GRID_MM) + 1 for half in half_size_mm]
    origin = centre_lps_mm - (np.array(counts) - 1) / 2 * BLOCK_GRID_MM
    x, y, z = (origin[i] + BLOCK_GRID_MM * np.arange(counts[i]) for i in range(3))
    points = np.stack(np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]), axis=-1)
    index, inside = _native_index(volume, points)
    smooth, start = _antialiased(volume, index)
    hu = ndimage.map_coordinates(smooth, np.moveaxis(index - start, -1, 0), order=1, mode="nearest")
    hu = ndimage.gaussian_filter1d(hu, blur_z_mm / BLOCK_GRID_MM, axis=0) if blur_z_mm > 0 else hu
    return SpineBlock(
        np.clip(hu, *BONE_WINDOW_HU).astype(np.float32),
        inside,
        (float(origin[0]), float(origin[1]), float(origin[2])),
    )


def _native_index(
    volume: CtVolume, points_lps_mm: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fractional native (slice, row, column), shape (..., 3), of points (..., 3); and whether they lie in the scan."""
    geometry = volume.geometry
    position, origins = geometry.slice_positions_mm, np.asarray(geometry.slice_origins_lps_mm)
    along = points_lps_mm @ np.asarray(geometry.normal_lps)
    k = np.interp(along, position, np.arange(len(position)))
    origin = np.stack([np.interp(k, np.arange(len(position)), origins[:, i]) for i in range(3)], axis=-1)
    row = ((points_lps_mm - origin) @ np.asarray(geometry.column_direction_lps)) / geometry.spacing_mm_zyx[1]
    column = ((points_lps_mm - origin) @ np.asarray(geometry.row_direction_lps)) / geometry.spacing_mm_zyx[2]
    margin = geometry.spacing_mm_zyx[0] / 2
    _, rows, columns = geometry.shape_zyx
    inside = (along >= position[0] - margin) & (along <= position[-1] + margin)
    inside &= (row >= -0.5) & (row <= rows - 0.5) & (column >= -0.5) & (column <= columns - 0.5)
    return np.stack([k, row, column], axis=-1), inside


def _antialiased(volume: CtVolume, index: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The part of a scan that holds some native indices, blurred in the plane to the block's grid; and its first index.

    Bone is clipped before the blur too, so that metal does not shine into its surroundings.
    """
    low = np.clip(np.floor(index.reshape(-1, 3).min(axis=0)).astype(int), 0, np.array(volume.hu_zyx.shape) - 1)
    high = np.clip(np.ceil(index.reshape(-1, 3).max(axis=0)).astype(int) + 1, low + 1, volume.hu_zyx.shape)
    part = volume.hu_zyx[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float32)
    blur = [BLOCK_GRID_MM * SD_OF_WIDTH / spacing for spacing in volume.geometry.spacing_mm_zyx[1:]]
    clipped = np.clip(part, -BONE_WINDOW_HU[1], BONE_WINDOW_HU[1])
    return ndimage.gaussian_filter(clipped, (0, *blur)), low.astype(np.float64)
