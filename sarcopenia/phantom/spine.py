"""Where the vertebrae are: a chain of bodies and discs from T5 to S5, bent by lordosis and scoliosis.

Sizes are those of an adult man of 1.75 m (vertebral morphometry: Panjabi et al., Spine 1991 and 1992), scaled by the
person. *Station* is an anatomical axis that is 12 at T12 and 18 at S1 whatever the number of lumbar vertebrae; soft
tissue is tabulated along it. *Coordinate* counts vertebrae from T12 downwards, one each (T12 = 12, L1 = 13 …), so S1 is
17, 18 or 19 with 4, 5 or 6 lumbar vertebrae.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from sarcopenia.phantom.spec import PhantomSpec

FIRST_COORDINATE = 5

_STATION = np.array([5, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22], dtype=float)
_BODY_HEIGHT_MM = np.array([18, 20, 22, 23, 25, 27, 28, 28, 28, 27, 29, 25, 21, 18, 15], dtype=float)
_DISC_ABOVE_MM = np.array([3, 3.5, 4, 4.5, 5.5, 7, 8.5, 9.5, 10.5, 11, 10.5, 2, 1, 0.5, 0.5], dtype=float)
_HALF_WIDTH_MM = np.array([14, 15, 16, 17.5, 19.5, 21, 21.8, 22.8, 24, 25.5, 26, 22, 18, 15, 12], dtype=float)
_HALF_DEPTH_MM = np.array([12, 13.5, 14.5, 15, 15.5, 16, 16.3, 16.8, 17, 17, 15.5, 12, 9, 7, 6], dtype=float)
# Forward lean of the upward axis of each body as a share of the lordosis angle (L1 to S1 = 1).
_LEAN_SHARE = np.array([0.22, 0.02, -0.13, -0.18, -0.22, -0.22, -0.16, -0.03, 0.18, 0.5, 0.86, 1.0, 0.98, 0.7, 0.25])


@dataclass(frozen=True)
class Vertebra:
    """One vertebra: centre (x, y, z) in anatomical mm, local axes, size.

    ``axes`` rows are the unit vectors to the left, to the back and upwards of the body.
    """

    coordinate: int
    station: float
    centre_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    half_width_mm: float
    half_depth_mm: float
    height_mm: float
    disc_above_mm: float

    @property
    def is_sacral(self) -> bool:
        """True from S1 downwards."""
        return self.station > 17.5

    def reaches(self, z_mm: float) -> bool:
        """Tell whether some part of the vertebra (thoracic spinous processes hang low) lies at ``z_mm``."""
        lean = abs(float(self.axes[2][1]))
        above = z_mm - float(self.centre_mm[2])
        hang = 36 if self.is_lumbar or self.is_sacral else 52
        return -hang - 60 * lean < above < 30 + 40 * lean

    @property
    def is_lumbar(self) -> bool:
        """True for lumbar-type vertebrae."""
        return 12.5 < self.station < 17.5


@dataclass(frozen=True)
class Spine:
    """The chain of vertebrae from head to feet, and the smooth curves through it (z in anatomical mm)."""

    vertebrae: tuple[Vertebra, ...]
    lumbar_count: int

    @cached_property
    def _curves(self) -> PchipInterpolator:
        rising = self.vertebrae[::-1]
        values = [(v.coordinate, v.station, v.centre_mm[0], v.centre_mm[1]) for v in rising]
        return PchipInterpolator([v.centre_mm[2] for v in rising], values)

    @cached_property
    def _heights(self) -> PchipInterpolator:
        return PchipInterpolator([v.coordinate for v in self.vertebrae], [v.centre_mm[2] for v in self.vertebrae])

    def at(self, z_mm: float) -> tuple[float, float, float, float]:
        """Coordinate, station, x and y of the body axis at height ``z_mm``."""
        coordinate, station, x, y = self._curves(z_mm)
        return float(coordinate), float(station), float(x), float(y)

    def z_of(self, coordinate: float) -> float:
        """Height of a vertebral coordinate in mm."""
        return float(self._heights(coordinate))

    def vertebra_at(self, station: float) -> Vertebra:
        """Find the vertebra nearest to a station."""
        return min(self.vertebrae, key=lambda v: abs(v.station - station))

    def z_of_station(self, station: float) -> float:
        """Height of a station in mm."""
        return self.z_of(coordinate_of_station(station, self.lumbar_count))

    def label(self, vertebra: Vertebra) -> str:
        """Name counted from T12 downwards: T12, L1 … L4/L5/L6, S1."""
        number = vertebra.coordinate
        if number <= 12:
            return f"T{number}"
        lumbar = number - 12
        return f"L{lumbar}" if lumbar <= self.lumbar_count else f"S{lumbar - self.lumbar_count}"


def coordinate_of_station(station: float, lumbar_count: int) -> float:
    """Vertebral coordinate of a station."""
    last = 13.0 + lumbar_count
    return float(np.interp(station, (0, 12, 18, 28), (0, 12, last, last + 10)))


def station_of_coordinate(coordinate: float, lumbar_count: int) -> float:
    """Station of a vertebral coordinate."""
    last = 13.0 + lumbar_count
    return float(np.interp(coordinate, (0, 12, last, last + 10), (0, 12, 18, 28)))


def build_spine(spec: PhantomSpec) -> Spine:
    """Lay out the vertebrae of a person; the third lumbar body is the origin."""
    rng = np.random.default_rng([spec.seed, 1])
    last = FIRST_COORDINATE + 8 + spec.lumbar_count + 4
    coordinates = list(range(FIRST_COORDINATE, last + 1))
    stations = [station_of_coordinate(c, spec.lumbar_count) for c in coordinates]
    bodies = [_size(s, spec.skeleton_scale, rng) for s in stations]
    axes = [_axes(s, spec, rng) for s in stations]
    centres = _chain(bodies, axes)
    centres -= centres[coordinates.index(15)]
    return Spine(
        tuple(
            Vertebra(c, s, centre, a, *body)
            for c, s, centre, a, body in zip(coordinates, stations, centres, axes, bodies, strict=True)
        ),
        spec.lumbar_count,
    )


def _size(station: float, scale: float, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Half width, half depth, height and disc above in mm."""
    tables = (_HALF_WIDTH_MM, _HALF_DEPTH_MM, _BODY_HEIGHT_MM, _DISC_ABOVE_MM)
    width, depth, height, disc = (scale * float(np.interp(station, _STATION, t)) for t in tables)
    jitter = rng.normal(1, 0.02, 3)
    return width * float(jitter[0]), depth * float(jitter[1]), height, disc * max(0.35, float(rng.normal(1, 0.12)))


def _axes(station: float, spec: PhantomSpec, rng: np.random.Generator) -> NDArray[np.float64]:
    """Local axes (left, back, up) of a body leaning forwards by lordosis and sideways by scoliosis."""
    lean = np.radians(float(np.interp(station, _STATION, _LEAN_SHARE)) * spec.lordosis_deg + rng.normal(0, 1.0))
    curve = 0.5 * spec.scoliosis_deg * np.sin(np.pi * (station - 15) / 3.5) * (11 < station < 19)
    side = np.radians(curve + rng.normal(0, 0.5))
    up = np.array([np.sin(side) * np.cos(lean), -np.sin(lean), np.cos(side) * np.cos(lean)])
    left = np.array([np.cos(side), 0.0, -np.sin(side)])
    back = np.cross(up, left)
    return np.stack([left, back, up])


def _chain(bodies: list[tuple[float, float, float, float]], axes: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Centres of the bodies, shape (n, 3), from the top one downwards."""
    centres = [np.zeros(3)]
    for i in range(1, len(bodies)):
        above, here = axes[i - 1][2], axes[i][2]
        middle = (above + here) / np.linalg.norm(above + here)
        step = above * bodies[i - 1][2] / 2 + middle * bodies[i][3] + here * bodies[i][2] / 2
        centres.append(centres[-1] - step)
    return np.array(centres)
