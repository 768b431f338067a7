"""Where voxels lie in the patient: geometry as a type of its own, apart from voxels.

Patient space is DICOM LPS in mm (x to the patient's left, y to the back, z to the head; PS3.3 C.7.6.2.1.1).
Indices are (z, y, x) = (slice, row, column). Slices are sorted along the normal from the feet to the head, and each
keeps its own origin, so that gaps, varying spacing and gantry tilt need no resampling of what is measured.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class PlaneGeometry:
    """One slice in patient space.

    Attributes
    ----------
    origin_lps_mm: centre of pixel (row 0, column 0), DICOM Image Position (Patient).
    row_direction_lps: unit vector of increasing column index (first triplet of Image Orientation (Patient)).
    column_direction_lps: unit vector of increasing row index (second triplet).
    spacing_mm_yx: distance between rows and between columns, DICOM Pixel Spacing.
    shape_yx: number of rows and columns.
    """

    origin_lps_mm: Vector
    row_direction_lps: Vector
    column_direction_lps: Vector
    spacing_mm_yx: tuple[float, float]
    shape_yx: tuple[int, int]

    @property
    def pixel_area_mm2(self) -> float:
        """Area of one pixel in mm²."""
        return self.spacing_mm_yx[0] * self.spacing_mm_yx[1]

    @property
    def normal_lps(self) -> NDArray[np.float64]:
        """Unit normal, row direction × column direction."""
        return np.asarray(np.cross(self.row_direction_lps, self.column_direction_lps))

    def to_lps_mm(self, index_yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Patient coordinates, shape (..., 3), of fractional (row, column) indices of shape (..., 2)."""
        row_step = np.asarray(self.column_direction_lps) * self.spacing_mm_yx[0]
        column_step = np.asarray(self.row_direction_lps) * self.spacing_mm_yx[1]
        return np.asarray(
            np.asarray(self.origin_lps_mm) + index_yx[..., :1] * row_step + index_yx[..., 1:] * column_step
        )

    def to_index_yx(self, points_lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional (row, column) indices, shape (..., 2), of the projection of points (..., 3) onto the plane."""
        offset = points_lps_mm - np.asarray(self.origin_lps_mm)
        row = offset @ np.asarray(self.column_direction_lps) / self.spacing_mm_yx[0]
        column = offset @ np.asarray(self.row_direction_lps) / self.spacing_mm_yx[1]
        return np.stack([row, column], axis=-1)


@dataclass(frozen=True)
class VolumeGeometry:
    """A stack of parallel slices in patient space, feet to head.

    Attributes
    ----------
    slice_origins_lps_mm: centre of pixel (0, 0) of every slice, sorted along ``normal_lps``.
    row_direction_lps, column_direction_lps: unit vectors as in `PlaneGeometry`.
    spacing_mm_zyx: median distance between slices along the normal (slice thickness for a single slice), and
        between rows and columns.
    shape_zyx: slices, rows, columns.
    """

    slice_origins_lps_mm: tuple[Vector, ...]
    row_direction_lps: Vector
    column_direction_lps: Vector
    spacing_mm_zyx: Vector
    shape_zyx: tuple[int, int, int]

    def __post_init__(self) -> None:
        if len(self.slice_origins_lps_mm) != self.shape_zyx[0]:
            raise ValueError("slice_origins_lps_mm must hold one origin for every slice")

    def plane(self, slice_index: int) -> PlaneGeometry:
        """Geometry of one slice."""
        return PlaneGeometry(
            self.slice_origins_lps_mm[slice_index],
            self.row_direction_lps,
            self.column_direction_lps,
            self.spacing_mm_zyx[1:],
            self.shape_zyx[1:],
        )

    @cached_property
    def normal_lps(self) -> Vector:
        """Unit normal of the slices, pointing to the head."""
        normal = np.cross(self.row_direction_lps, self.column_direction_lps)
        normal = normal if normal[2] >= 0 else -normal
        return (float(normal[0]), float(normal[1]), float(normal[2]))

    @cached_property
    def slice_positions_mm(self) -> NDArray[np.float64]:
        """Position of every slice along the normal in mm, shape (z,), increasing from feet to head."""
        origins = np.asarray(self.slice_origins_lps_mm, dtype=np.float64)
        return np.asarray(origins @ np.asarray(self.normal_lps))

    @cached_property
    def slice_z_mm(self) -> NDArray[np.float64]:
        """Patient z coordinate (LPS) of every slice's centre pixel in mm, shape (z,)."""
        _, rows, columns = self.shape_zyx
        centre = np.array([[(rows - 1) / 2, (columns - 1) / 2]])
        return np.array([self.plane(i).to_lps_mm(centre)[0, 2] for i in range(self.shape_zyx[0])])

    def nearest_slice(self, z_mm: float) -> int:
        """Index of the slice whose centre is nearest to the patient coordinate ``z_mm``."""
        return int(np.abs(self.slice_z_mm - z_mm).argmin())

    def crop_slices(self, start: int, stop: int) -> "VolumeGeometry":
        """Geometry of the slices start (included) to stop (excluded)."""
        origins = self.slice_origins_lps_mm[start:stop]
        return replace(self, slice_origins_lps_mm=origins, shape_zyx=(len(origins), *self.shape_zyx[1:]))


def regular_geometry(
    shape_zyx: tuple[int, int, int], spacing_mm_zyx: Vector, origin_lps_mm: Vector = (0.0, 0.0, 0.0)
) -> VolumeGeometry:
    """Supine, untilted stack: columns to the patient's left, rows to the back, slices to the head."""
    x, y, z = origin_lps_mm
    origins = tuple((x, y, z + i * spacing_mm_zyx[0]) for i in range(shape_zyx[0]))
    return VolumeGeometry(origins, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), spacing_mm_zyx, shape_zyx)
