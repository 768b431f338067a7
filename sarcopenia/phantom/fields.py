"""Smooth random fields in patient millimetres: what makes every phantom look different.

A field is a periodic cubic B-spline over random control values, so it has no borders, the same seed gives the same
anatomy on every grid, and one slice costs two small matrix products. Axis order (z, y, x); lengths in mm.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_PERIOD = 48
# Cubic B-spline weights shrink the standard deviation of white control values by about 0.69 per axis.
_UNIT_SD_GAIN = np.float32(1.0 / 0.69**3)


def _spline_weights(position: NDArray[np.float64]) -> Array:
    """Periodic cubic B-spline weights, shape (points, _PERIOD), at positions given in cells."""
    cell = np.floor(position).astype(int)
    t = position - cell
    weights = np.zeros((len(position), _PERIOD), dtype=np.float32)
    basis = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    rows = np.arange(len(position))
    for offset, value in enumerate(basis):
        weights[rows, (cell + offset - 1) % _PERIOD] = value / 6
    return weights


@dataclass(frozen=True)
class SmoothField:
    """Random field of mean 0 and standard deviation 1 that varies over about ``cell_mm_zyx``."""

    control_zyx: Array
    cell_mm_zyx: tuple[float, float, float]

    @classmethod
    def random(cls, rng: np.random.Generator, cell_mm_zyx: tuple[float, float, float]) -> "SmoothField":
        """Draw a field with cells of the given size."""
        control = rng.standard_normal((_PERIOD, _PERIOD, _PERIOD), dtype=np.float32) * _UNIT_SD_GAIN
        return cls(control, cell_mm_zyx)

    def on_grid(self, y_mm: NDArray[np.float64], x_mm: NDArray[np.float64]) -> "GriddedField":
        """Bind the field to the rows and columns of one grid."""
        rows = _spline_weights(y_mm / self.cell_mm_zyx[1])
        columns = _spline_weights(x_mm / self.cell_mm_zyx[2])
        return GriddedField(self, rows, np.ascontiguousarray(columns.T))


@dataclass(frozen=True)
class GriddedField:
    """A `SmoothField` on the rows and columns of one grid."""

    field: SmoothField
    row_weights: Array
    column_weights: Array

    def slice_at(self, z_mm: float) -> Array:
        """Values on the plane ``z_mm``, shape (rows, columns)."""
        weights = _spline_weights(np.array([z_mm / self.field.cell_mm_zyx[0]]))[0]
        used = np.flatnonzero(weights)
        plane = np.tensordot(weights[used], self.field.control_zyx[used], axes=1)
        return np.asarray(self.row_weights @ plane @ self.column_weights, dtype=np.float32)
