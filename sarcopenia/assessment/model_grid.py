"""The way to the models' grid and back: the only place with a canonical orientation.

Axial slices: rows to the patient's back, columns to the patient's left, `AXIAL_GRID_MM` pixels, centred on the body.
A slice gets there by transposing and flipping its native pixels as its direction cosines say, and by separable
area-weighted (down) or linear (up) resampling; probabilities come back by the inverse. Native pixels are measured.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.domain.errors import NoBodyError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.inference.contract import AIR_HU, AXIAL_GRID_MM, AXIAL_SIZE_MULTIPLE

BODY_THRESHOLD_HU = -300
"""Skin and everything inside but gas is above; air, clothes and most table tops are below."""
TABLE_THICKNESS_MM = 12.0
"""An opening of this diameter takes away table tops, sheets and tubes."""
MIN_BODY_AREA_CM2 = 60.0
BODY_MARGIN_MM = 12.0


@dataclass(frozen=True)
class CanonicalView:
    """How the native pixels of a slice have to be turned to point to the patient's back (rows) and left (columns)."""

    transpose: bool
    flip_rows: bool
    flip_columns: bool
    spacing_mm_yx: tuple[float, float]

    @classmethod
    def of(cls, plane: PlaneGeometry) -> "CanonicalView":
        """Nearest turn for a slice that is roughly axial."""
        row, column = np.asarray(plane.row_direction_lps), np.asarray(plane.column_direction_lps)
        transpose = abs(column[0]) > abs(row[0])
        to_left, to_back = (column, row) if transpose else (row, column)
        spacing = plane.spacing_mm_yx[::-1] if transpose else plane.spacing_mm_yx
        return cls(transpose, bool(to_back[1] < 0), bool(to_left[0] < 0), spacing)

    def apply(self, native: NDArray[np.generic]) -> NDArray[np.generic]:
        """Turn an array whose last two axes are native rows and columns."""
        turned = native.swapaxes(-1, -2) if self.transpose else native
        return turned[..., :: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]

    def undo(self, canonical: NDArray[np.generic]) -> NDArray[np.generic]:
        """Inverse of `apply`."""
        turned = canonical[..., :: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]
        return turned.swapaxes(-1, -2) if self.transpose else turned


def resampling_matrix(source_positions: int, target_centres: NDArray[np.float64], width: float) -> NDArray[np.float32]:
    """Weights (target, source) of a triangle filter in source pixels; ``width`` ≥ 1 is its half base.

    Width 1 is linear interpolation; a larger width averages over the area of a coarser target pixel. Target pixels
    outside the source have rows that do not sum to 1: the caller fills them.
    """
    distance = np.abs(target_centres[:, None] - np.arange(source_positions)[None, :])
    weights = np.clip(1 - distance / width, 0, None)
    inside = (target_centres > -0.5) & (target_centres < source_positions - 0.5)
    total = weights.sum(axis=1, keepdims=True)
    return np.where(inside[:, None], weights / np.maximum(total, 1e-6), 0).astype(np.float32)


@dataclass(frozen=True)
class AxialGrid:
    """Canonical model grid of one slice: centre in canonical native pixels, and size in model pixels."""

    view: CanonicalView
    native_shape_yx: tuple[int, int]
    centre_yx: tuple[float, float]
    shape_yx: tuple[int, int]

    @cached_property
    def _to_model(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        rows, columns = (self._matrix(axis) for axis in (0, 1))
        return rows, columns

    def _canonical_shape(self) -> tuple[int, int]:
        return self.native_shape_yx[::-1] if self.view.transpose else self.native_shape_yx

    def _matrix(self, axis: int) -> NDArray[np.float32]:
        scale = AXIAL_GRID_MM / self.view.spacing_mm_yx[axis]
        size = self.shape_yx[axis]
        centres = self.centre_yx[axis] + (np.arange(size, dtype=np.float64) - (size - 1) / 2) * scale
        return resampling_matrix(self._canonical_shape()[axis], centres, max(scale, 1.0))

    def to_model(self, native_yx: NDArray[np.generic], outside: float = AIR_HU) -> NDArray[np.float32]:
        """Native slice (y, x) on the model grid; what lies outside the image is ``outside``."""
        rows, columns = self._to_model
        image = self.view.apply(native_yx).astype(np.float32) - outside
        return rows @ image @ columns.T + outside

    def to_native(self, model_cyx: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps (..., y, x) of the model grid on the native pixels, linearly interpolated; outside: edge values."""
        rows, columns = (self._inverse_matrix(axis) for axis in (0, 1))
        return np.ascontiguousarray(self.view.undo(rows @ model_cyx @ columns.T))

    def _inverse_matrix(self, axis: int) -> NDArray[np.float32]:
        scale = self.view.spacing_mm_yx[axis] / AXIAL_GRID_MM
        size = self.shape_yx[axis]
        native = np.arange(self._canonical_shape()[axis], dtype=np.float64)
        centres = (native - self.centre_yx[axis]) * scale + (size - 1) / 2
        return resampling_matrix(size, np.clip(centres, 0, size - 1), 1.0)


@dataclass(frozen=True)
class BodyOutline:
    """The body on one slice, on canonical native pixels: mask (y, x) and bounding box (top, left, bottom, right)."""

    mask_yx: NDArray[np.bool_]
    box_yx: tuple[int, int, int, int]

    @property
    def centre_yx(self) -> tuple[float, float]:
        """Centre of the bounding box in canonical native pixels."""
        top, left, bottom, right = self.box_yx
        return ((top + bottom - 1) / 2, (left + right - 1) / 2)


def find_body(hu_yx: NDArray[np.int16], spacing_mm_yx: tuple[float, float]) -> BodyOutline:
    """Largest solid region of a canonical slice after table tops and sheets are taken away.

    Raises
    ------
    NoBodyError: nothing on the slice is as large as a body.
    """
    step = max(1, round(3.0 / max(spacing_mm_yx)))
    coarse = hu_yx[::step, ::step] > BODY_THRESHOLD_HU
    coarse_mm = (spacing_mm_yx[0] * step, spacing_mm_yx[1] * step)
    opened = ndimage.binary_opening(np.pad(coarse, 4, mode="edge"), _disc(TABLE_THICKNESS_MM / 2, coarse_mm))[
        4:-4, 4:-4
    ]
    labels, count = ndimage.label(opened)
    if count == 0:
        raise NoBodyError("No body was found on the slice.")
    sizes = ndimage.sum_labels(opened, labels, np.arange(1, count + 1))
    if sizes.max() * coarse_mm[0] * coarse_mm[1] / 100 < MIN_BODY_AREA_CM2:
        raise NoBodyError("No body was found on the slice.")
    body = ndimage.binary_fill_holes(labels == 1 + int(np.argmax(sizes)))
    mask = np.repeat(np.repeat(body, step, axis=0), step, axis=1)[: hu_yx.shape[0], : hu_yx.shape[1]]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return BodyOutline(mask, (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1))


def _disc(radius_mm: float, spacing_mm_yx: tuple[float, float]) -> NDArray[np.bool_]:
    reach = [int(np.ceil(radius_mm / s)) for s in spacing_mm_yx]
    y, x = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    return np.asarray((y * spacing_mm_yx[0]) ** 2 + (x * spacing_mm_yx[1]) ** 2 <= radius_mm**2)


def axial_grid(native_hu_yx: NDArray[np.int16], plane: PlaneGeometry) -> AxialGrid:
    """Model grid that holds the whole body of one native slice, centred on it.

    Raises
    ------
    NoBodyError: nothing on the slice is as large as a body.
    """
    view = CanonicalView.of(plane)
    outline = find_body(view.apply(native_hu_yx).astype(np.int16), view.spacing_mm_yx)
    return AxialGrid(view, plane.shape_yx, outline.centre_yx, _model_shape(outline, view))


def _model_shape(outline: BodyOutline, view: CanonicalView) -> tuple[int, int]:
    top, left, bottom, right = outline.box_yx
    height_mm = (bottom - top) * view.spacing_mm_yx[0] + 2 * BODY_MARGIN_MM
    width_mm = (right - left) * view.spacing_mm_yx[1] + 2 * BODY_MARGIN_MM
    return _round_up(height_mm / AXIAL_GRID_MM), _round_up(width_mm / AXIAL_GRID_MM)


def _round_up(pixels: float) -> int:
    return int(np.ceil(pixels / AXIAL_SIZE_MULTIPLE)) * AXIAL_SIZE_MULTIPLE
