"""Signed distances of simple shapes: negative inside, in mm, first-order exact near the border.

All functions take coordinate arrays of any common shape and return float32 of that shape. First-order distances
(value divided by gradient) are enough: they are used within about one pixel of the border.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sarcopenia.phantom.fields import Array

Points = NDArray[np.float64]
"""Points of shape (n, dimensions) in mm."""

_TINY = np.float32(1e-6)


def length(u: Array, v: Array | float) -> Array:
    """Length of two-dimensional vectors; several times faster than `numpy.hypot`."""
    return np.asarray(np.sqrt(u * u + v * v))


def ellipse(x_mm: Array, y_mm: Array, half_x_mm: float, half_y_mm: float) -> Array:
    """Distance to an ellipse centred at the origin."""
    u, v = x_mm / half_x_mm, y_mm / half_y_mm
    radius = length(u, v)
    gradient = length(u / half_x_mm, v / half_y_mm) / (radius + _TINY)
    return np.asarray((radius - 1) / (gradient + np.float32(1e-4)))


def superellipse(x_mm: Array, y_mm: Array, half_x_mm: float, half_y_mm: float, power: float) -> Array:
    """Distance to the superellipse |x/a|^n + |y/b|^n = 1; ``power`` 2 is an ellipse, larger is boxier."""
    u, v = np.abs(x_mm) / half_x_mm + _TINY, np.abs(y_mm) / half_y_mm + _TINY
    # exp(log) instead of a power: numpy vectorises both.
    u_slope, v_slope = np.exp((power - 1) * np.log(u)), np.exp((power - 1) * np.log(v))
    total = u_slope * u + v_slope * v
    radius = np.exp(np.log(total) / power)
    gradient = radius / total * length(u_slope / half_x_mm, v_slope / half_y_mm)
    return np.asarray((radius - 1) / (gradient + np.float32(1e-4)))


def ellipsoid(offset_mm: tuple[Array, Array, float], half_mm: tuple[float, float, float]) -> Array:
    """Distance to an ellipsoid centred at the origin; offsets and half axes in (x, y, z) order."""
    u, v, w = offset_mm[0] / half_mm[0], offset_mm[1] / half_mm[1], offset_mm[2] / half_mm[2]
    radius = np.sqrt(u * u + v * v + w * w)
    slope = np.sqrt((u / half_mm[0]) ** 2 + (v / half_mm[1]) ** 2 + (w / half_mm[2]) ** 2)
    return np.asarray((radius - 1) * radius / (slope + np.float32(1e-4)))


def box(x_mm: Array, y_mm: Array, half_x_mm: float, half_y_mm: float) -> Array:
    """Distance to an axis-aligned rectangle centred at the origin."""
    return np.maximum(np.abs(x_mm) - half_x_mm, np.abs(y_mm) - half_y_mm)


def capsule(x_mm: Array, y_mm: Array, start_mm: tuple[float, float], end_mm: tuple[float, float]) -> Array:
    """Distance to the segment from ``start_mm`` to ``end_mm``; subtract a radius to get a rod."""
    dx, dy = end_mm[0] - start_mm[0], end_mm[1] - start_mm[1]
    length2 = dx * dx + dy * dy + 1e-6
    t = np.clip(((x_mm - start_mm[0]) * dx + (y_mm - start_mm[1]) * dy) / length2, 0, 1)
    return length(x_mm - start_mm[0] - t * dx, y_mm - start_mm[1] - t * dy)


def polyline(x_mm: Array, y_mm: Array, points_mm: NDArray[np.float64]) -> Array:
    """Distance to a chain of segments through ``points_mm`` of shape (n, 2)."""
    pairs = pairwise((float(x), float(y)) for x, y in points_mm)
    return np.asarray(np.minimum.reduce([capsule(x_mm, y_mm, start, end) for start, end in pairs]))


def tapered_chain(x_mm: Array, y_mm: Array, points_mm: Points, radii_mm: NDArray[np.float64]) -> Array:
    """Signed distance to a chain of rods through points (n, 2) whose radius changes from point to point (n,)."""
    rods = []
    for ((x0, y0), r0), ((x1, y1), r1) in pairwise(zip(points_mm.tolist(), radii_mm.tolist(), strict=True)):
        length2 = (x1 - x0) ** 2 + (y1 - y0) ** 2 + 1e-6
        along = np.clip(((x_mm - x0) * (x1 - x0) + (y_mm - y0) * (y1 - y0)) / length2, 0, 1)
        rods.append(capsule(x_mm, y_mm, (x0, y0), (x1, y1)) - (r0 + (r1 - r0) * along))
    return np.asarray(np.minimum.reduce(rods))


def rotate(x_mm: Array, y_mm: Array, degrees: float) -> tuple[Array, Array]:
    """Coordinates in a frame turned by ``degrees`` (x towards y)."""
    c, s = np.float32(np.cos(np.radians(degrees))), np.float32(np.sin(np.radians(degrees)))
    return c * x_mm + s * y_mm, c * y_mm - s * x_mm


def smooth_min(a: Array, b: Array, width_mm: float) -> Array:
    """Union of two shapes with a rounded joint of about ``width_mm`` (polynomial smooth minimum)."""
    h = np.clip(0.5 + 0.5 * (b - a) / width_mm, 0, 1)
    return b + h * (a - b) - width_mm * h * (1 - h)


def smooth_max(a: Array, b: Array, width_mm: float) -> Array:
    """Intersection of two shapes with a rounded edge of about ``width_mm``."""
    return -smooth_min(-a, -b, width_mm)
