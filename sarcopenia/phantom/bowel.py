"""Bowel: small-bowel loops laid out once per person, the frame of the colon, and what is in them.

A loop is a chain of spheres found by a random walk that keeps inside the peritoneal space and away from other loops.
Coordinates are anatomical mm (x, y, z).
"""

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.shapes import Points

_STEP_MM = 7.0


class Content(Enum):
    """What fills a piece of bowel."""

    COLLAPSED = auto()
    FLUID = auto()
    GAS = auto()
    FAECES = auto()


@dataclass(frozen=True)
class Loop:
    """A piece of bowel: points (n, 3), radius in mm, content."""

    points_mm: Points
    radius_mm: float
    content: Content

    def near(self, z_mm: float) -> Points:
        """Points that reach a slice."""
        return self.points_mm[np.abs(self.points_mm[:, 2] - z_mm) < self.radius_mm]

    def distance(self, x_mm_yx: Array, y_mm_yx: Array, z_mm: float) -> Array:
        """Signed distance on a slice, shape of the coordinates."""
        nearest = np.full(x_mm_yx.shape, 1e6, dtype=np.float32)
        for x, y, z in self.near(z_mm).astype(np.float32):
            np.minimum(nearest, (x_mm_yx - x) ** 2 + (y_mm_yx - y) ** 2 + np.float32(z - z_mm) ** 2, out=nearest)
        return np.asarray(np.sqrt(nearest) - self.radius_mm)


@dataclass(frozen=True)
class PeritonealSpace:
    """Room for the loops at each height: half width, front and back border (mm) over rising ``z_mm``."""

    z_mm: NDArray[np.float64]
    half_width_mm: NDArray[np.float64]
    front_y_mm: NDArray[np.float64]
    back_y_mm: NDArray[np.float64]

    def draw(self, rng: np.random.Generator, count: int) -> Points:
        """Random points inside, shape (count, 3)."""
        z = rng.uniform(self.z_mm[0], self.z_mm[-1], count)
        half, front, back = self._at(z)
        angle, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(0, 1, count))
        x = half * radius * np.cos(angle)
        y = (front + back) / 2 + (back - front) / 2 * radius * np.sin(angle)
        return np.stack([x, y, z], axis=1)

    def pull_inside(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move a point to the nearest place inside (along the radius)."""
        z = float(np.clip(point[2], self.z_mm[0], self.z_mm[-1]))
        half, front, back = (float(v[0]) for v in self._at(np.array([z])))
        middle = np.array([0.0, (front + back) / 2])
        size = np.array([half, (back - front) / 2])
        offset = (point[:2] - middle) / size
        offset /= max(1.0, float(np.linalg.norm(offset)))
        return np.array([*(middle + offset * size), z])

    def _at(self, z: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        return tuple(np.interp(z, self.z_mm, v) for v in (self.half_width_mm, self.front_y_mm, self.back_y_mm))


def lay_loops(space: PeritonealSpace, rng: np.random.Generator, scale: float) -> tuple[Loop, ...]:
    """Lay about 40 loops of small bowel into the space."""
    taken = np.zeros((0, 3))
    loops = []
    for _ in range(40):
        radius = float(rng.uniform(9.0, 14.0)) * scale
        path = _walk(space, rng, taken, radius)
        taken = np.concatenate([taken, path])
        content = (Content.COLLAPSED, Content.FLUID, Content.GAS)[rng.choice(3, p=[0.6, 0.32, 0.08])]
        loops.append(Loop(path, radius, content))
    return tuple(loops)


def _walk(space: PeritonealSpace, rng: np.random.Generator, taken: Points, radius: float) -> Points:
    """Walk a winding path that starts where there is most room and is pushed away from other loops."""
    starts = space.draw(rng, 12)
    room = [_nearest(taken, start) for start in starts]
    point = starts[int(np.argmax(room))]
    heading = rng.normal(size=3)
    path = [point]
    for _ in range(int(rng.integers(9, 20))):
        heading = 0.75 * heading / np.linalg.norm(heading) + 0.45 * rng.normal(size=3) * (1, 1, 0.7)
        heading += _push(taken, point, radius)
        point = space.pull_inside(point + _STEP_MM * heading / np.linalg.norm(heading))
        path.append(point)
    return np.array(path)


def _nearest(taken: Points, point: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(taken - point, axis=1).min()) if len(taken) else np.inf


def _push(taken: Points, point: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Direction away from loops closer than two radii."""
    if not len(taken):
        return np.zeros(3)
    away = point - taken
    distance = np.linalg.norm(away, axis=1) + 1e-6
    weight = np.clip(1 - distance / (2.1 * radius), 0, 1) / distance
    return np.asarray((away * weight[:, None]).sum(axis=0) * 1.5)


def smooth_path(corners_mm: Points) -> Points:
    """Points every few mm along a rounded path through corner points (n, 3)."""
    position = np.arange(len(corners_mm))
    fine = np.linspace(0, len(corners_mm) - 1, 12 * len(corners_mm))
    path = np.stack([np.interp(fine, position, column) for column in corners_mm.T], axis=1)
    kernel = np.ones(9) / 9
    padded = np.pad(path, ((4, 4), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, kernel, mode="valid") for column in padded.T], axis=1)
