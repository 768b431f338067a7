"""The spine's mid-line, and the two projections along it that `spine_level` reads.

A scan is first brought to a coarse canonical block: `SPINE_GRID_MM` voxels; z to the head, y to the back, x left.
The mid-line is found there from bone alone (no network): the spine is the heaviest bone near the middle of the trunk.
The sagittal slab and the coronal projection follow it, so that a scoliosis or an off-centre patient stays in view.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.assessment.model_grid import CanonicalView, resampling_matrix
from sarcopenia.domain.errors import NoBodyError
from sarcopenia.domain.volume import CtVolume
from sarcopenia.inference.contract import AIR_HU, SPINE_GRID_MM, SPINE_LENGTH_MULTIPLE, SPINE_WIDTH

SLAB_HALF_WIDTH_MM = 8.0
"""The sagittal slab is as thick as the pedicles are apart: bodies, discs and spinous processes stay sharp."""
CORONAL_HALF_DEPTH_MM = 30.0
"""The coronal projection holds bodies, transverse processes and the necks of the ribs."""
BONE_FLOOR_HU, BONE_CEILING_HU = 130.0, 500.0
BODY_HU = -300.0
MIDLINE_WINDOWS_MM = (45.0, 32.0, 24.0)
"""Reach of the search for bone around the mid-line, from the first guess to the last."""
MIDLINE_SMOOTHING_MM = 30.0
SPINE_DEPTH_SHARE = 0.68
"""Where the spine lies between belly and back, as a first guess."""


@dataclass(frozen=True)
class CoarseBlock:
    """A scan on a coarse canonical grid.

    Attributes
    ----------
    hu_zyx: float32, `SPINE_GRID_MM` voxels; z to the head, y to the back, x to the left; outside the scan: air.
    z_mm: patient z (LPS) of every row, shape (z,). origin_yx_mm: patient y and x of voxel (·, 0, 0).
    """

    hu_zyx: NDArray[np.float32]
    z_mm: NDArray[np.float64]
    origin_yx_mm: tuple[float, float]


@dataclass(frozen=True)
class SpineProjections:
    """What `spine_level` sees, and where it lies.

    Attributes
    ----------
    hu_czw: int16 (2, z, SPINE_WIDTH): sagittal slab (columns to the back) and coronal projection (columns to the left);
        rows from feet to head, padded with air to a multiple of 16.
    z_mm: patient z of the rows that hold the scan, shape (rows,), rows ≤ z.
    midline_yx_mm: patient y and x of the mid-line on these rows, shape (rows, 2).
    """

    hu_czw: NDArray[np.int16]
    z_mm: NDArray[np.float64]
    midline_yx_mm: NDArray[np.float64]


def coarse_block(volume: CtVolume) -> CoarseBlock:
    """Resample a scan to the coarse canonical grid, slice by slice in the plane, then along z."""
    geometry = volume.geometry
    view = CanonicalView.of(geometry.plane(0))
    offsets = np.array([_canonical_origin_yx(volume, view, i) for i in range(geometry.shape_zyx[0])])
    native_shape = view.apply(volume.hu_zyx[:1]).shape[1:]
    extent = np.array(native_shape) * view.spacing_mm_yx
    start = offsets.min(axis=0)
    size = np.ceil((offsets.max(axis=0) + extent - start) / SPINE_GRID_MM).astype(int)
    slices = np.stack([_coarse_slice(volume, view, i, offsets[i] - start, size) for i in range(geometry.shape_zyx[0])])
    z_mm, along_z = _rows_along_z(volume)
    hu = np.tensordot(along_z, slices - AIR_HU, axes=1) + AIR_HU
    return CoarseBlock(hu.astype(np.float32), z_mm, (float(start[0]), float(start[1])))


def _canonical_origin_yx(volume: CtVolume, view: CanonicalView, index: int) -> NDArray[np.float64]:
    """Patient y and x of the canonical pixel (0, 0) of one slice."""
    rows, columns = volume.geometry.shape_zyx[1:]
    last_row = view.flip_columns if view.transpose else view.flip_rows
    last_column = view.flip_rows if view.transpose else view.flip_columns
    corner = np.array([(rows - 1.0) * last_row, (columns - 1.0) * last_column])
    return volume.geometry.plane(index).to_lps_mm(corner)[[1, 0]]


def _coarse_slice(
    volume: CtVolume, view: CanonicalView, index: int, offset_mm: NDArray[np.float64], size: NDArray[np.int_]
) -> NDArray[np.float32]:
    """One slice on the common coarse grid; ``offset_mm`` is where its first pixel lies on it."""
    block = max(1, int(SPINE_GRID_MM / max(view.spacing_mm_yx)))
    image = _block_mean(view.apply(volume.hu_zyx[index]).astype(np.float32), block)
    matrices = []
    for axis in (0, 1):
        spacing = view.spacing_mm_yx[axis] * block
        first_mm = offset_mm[axis] + (block - 1) / 2 * view.spacing_mm_yx[axis]
        centres = (np.arange(size[axis]) * SPINE_GRID_MM - first_mm) / spacing
        matrices.append(resampling_matrix(image.shape[axis], centres, max(1.0, SPINE_GRID_MM / spacing)))
    resampled = matrices[0] @ (image - AIR_HU) @ matrices[1].T + AIR_HU
    return np.asarray(resampled, dtype=np.float32)


def _block_mean(image: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    rows, columns = (size // block * block for size in image.shape)
    parts = image[:rows, :columns].reshape(rows // block, block, columns // block, block)
    return np.asarray(parts.mean(axis=(1, 3)), dtype=np.float32)


def _rows_along_z(volume: CtVolume) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Regular rows along z and the weights (rows, slices) that make them from slices at any spacing."""
    position = volume.geometry.slice_z_mm
    rows = np.arange(position[0], position[-1] + SPINE_GRID_MM / 2, SPINE_GRID_MM)
    index = np.interp(rows, position, np.arange(len(position)))
    width = max(1.0, SPINE_GRID_MM / volume.geometry.spacing_mm_zyx[0])
    return rows, resampling_matrix(len(position), index, width)


def find_midline(block: CoarseBlock) -> NDArray[np.float64]:
    """Row and column (y, x; fractional) of the spine's mid-line on every z of a coarse block, shape (z, 2).

    Mean shift of the bone's centre of mass in a shrinking window, smoothed along z by the bone's mass.

    Raises
    ------
    NoBodyError: no body, or no bone at all, in the block.
    """
    centre = _first_guess(block)
    bone = np.clip(block.hu_zyx, BONE_FLOOR_HU, BONE_CEILING_HU) - BONE_FLOOR_HU
    if not bone.any():
        raise NoBodyError("No bone was found in the scan.")
    y, x = (np.arange(size, dtype=np.float64) for size in bone.shape[1:])
    for reach in MIDLINE_WINDOWS_MM:
        near_y = np.exp(-0.5 * ((y[None] - centre[:, :1]) * SPINE_GRID_MM / reach) ** 2)
        near_x = np.exp(-0.5 * ((x[None] - centre[:, 1:]) * SPINE_GRID_MM / reach) ** 2)
        mass_y = np.einsum("zyx,zx->zy", bone, near_x) * near_y
        mass_x = np.einsum("zyx,zy->zx", bone, near_y) * near_x
        mass = mass_y.sum(axis=1)
        moment = np.stack([mass_y @ y, mass_x @ x], axis=1)
        centre = _smooth(moment) / np.maximum(_smooth(mass[:, None]), 1e-3)
    return centre


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    sigma = MIDLINE_SMOOTHING_MM / SPINE_GRID_MM
    return np.asarray(ndimage.gaussian_filter1d(values, sigma, axis=0, mode="nearest"))


def _first_guess(block: CoarseBlock) -> NDArray[np.float64]:
    """Middle of the trunk from left to right, two thirds of the way to the back."""
    body = ndimage.binary_opening(block.hu_zyx > BODY_HU, np.ones((1, 7, 7), dtype=np.bool_))
    columns, rows = body.sum(axis=1, dtype=np.float64), body.sum(axis=2, dtype=np.float64)
    area = columns.sum(axis=1, keepdims=True)
    if not area.any():
        raise NoBodyError("No body was found in the scan.")
    middle = _smooth(columns @ np.arange(columns.shape[1])[:, None]) / np.maximum(_smooth(area), 1e-3)
    share = np.cumsum(rows, axis=1) / np.maximum(area, 1.0)
    depth = np.array([[np.searchsorted(row, SPINE_DEPTH_SHARE)] for row in share], dtype=np.float64)
    return np.concatenate([_smooth(depth * area) / np.maximum(_smooth(area), 1e-3), middle], axis=1)


def project_spine(block: CoarseBlock, midline_yx: NDArray[np.float64]) -> SpineProjections:
    """Sagittal slab and coronal projection along a mid-line given in voxels of the block, shape (z, 2)."""
    count = len(block.z_mm)
    length = -(-count // SPINE_LENGTH_MULTIPLE) * SPINE_LENGTH_MULTIPLE
    hu = np.full((2, length, SPINE_WIDTH), AIR_HU, dtype=np.int16)
    half = (SPINE_WIDTH - 1) / 2
    slab: NDArray[np.float64] = np.arange(-SLAB_HALF_WIDTH_MM, SLAB_HALF_WIDTH_MM + 0.1, SPINE_GRID_MM) / SPINE_GRID_MM
    depth: NDArray[np.float64] = (
        np.arange(-CORONAL_HALF_DEPTH_MM, CORONAL_HALF_DEPTH_MM + 0.1, SPINE_GRID_MM) / SPINE_GRID_MM
    )
    across = np.arange(SPINE_WIDTH, dtype=np.float64) - half
    sagittal = _sample(block, midline_yx, across[:, None], slab[None, :])
    coronal = _sample(block, midline_yx, depth[None, :], across[:, None])
    hu[0, :count] = np.round(sagittal.mean(axis=2))
    hu[1, :count] = np.round(coronal.max(axis=2))
    return SpineProjections(hu, block.z_mm, midline_yx * SPINE_GRID_MM + np.asarray(block.origin_yx_mm))


def _sample(
    block: CoarseBlock, midline_yx: NDArray[np.float64], dy: NDArray[np.float64], dx: NDArray[np.float64]
) -> NDArray[np.float32]:
    """HU at offsets (dy, dx), broadcast to (a, b), from the mid-line: shape (z, a, b), linearly interpolated."""
    y = midline_yx[:, 0, None, None] + dy
    x = midline_yx[:, 1, None, None] + dx
    z = np.broadcast_to(
        np.arange(len(midline_yx), dtype=np.float64)[:, None, None], np.broadcast_shapes(y.shape, x.shape)
    )
    coordinates = np.broadcast_arrays(z, y, x)
    return np.asarray(ndimage.map_coordinates(block.hu_zyx, coordinates, order=1, cval=AIR_HU), dtype=np.float32)
