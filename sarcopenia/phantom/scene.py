"""What the painters of one slice share: the person, the canvas, where the slice lies, its random textures."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.bowel import Loop
from sarcopenia.phantom.canvas import Canvas, Patch
from sarcopenia.phantom.fields import Array, GriddedField, SmoothField
from sarcopenia.phantom.spec import PhantomSpec
from sarcopenia.phantom.spine import Spine
from sarcopenia.phantom.tissues import TissueHu

T = TypeVar("T")

# Mean slope of the fibre field per mm: turns its values into distances to its zero line.
_FIBRE_SLOPE = 0.18


@dataclass(frozen=True)
class Textures(Generic[T]):
    """Independent random fields of the person, named by what they shape."""

    warp_x: T
    warp_y: T
    outline: T
    loops: T
    loops_b: T
    strand: T
    fibre: T
    vessel_a: T
    vessel_b: T
    grain: T


def person_fields(seed: int) -> Textures[SmoothField]:
    """Draw the fields of a person."""
    cells_zyx_mm = {
        "warp_x": (110, 80, 80),
        "warp_y": (110, 80, 80),
        "outline": (40, 32, 32),
        "loops": (20, 17, 17),
        "loops_b": (24, 21, 21),
        "strand": (22, 7, 7),
        "fibre": (34, 9, 5),
        "vessel_a": (12, 10, 10),
        "vessel_b": (12, 10, 10),
        "grain": (4, 3.2, 3.2),
    }
    return Textures(
        **{
            name: SmoothField.random(np.random.default_rng([seed, 100 + i]), cells)
            for i, (name, cells) in enumerate(cells_zyx_mm.items())
        }
    )


class Trait(IntEnum):
    """What a random number of the person varies."""

    DOME = 0
    LIVER = 1
    KIDNEY_L = 2
    KIDNEY_R = 3
    SPLEEN = 4
    STOMACH = 5
    COLON = 6
    PANCREAS = 7
    GALLBLADDER = 8
    SPURS = 9
    NAVEL = 10


@dataclass(frozen=True)
class Person:
    """What stays the same on all slices; ``traits`` are random numbers around 0 that vary the organs."""

    spec: PhantomSpec
    spine: Spine
    hu: TissueHu
    traits: tuple[float, ...]
    loops: tuple[Loop, ...]

    def trait(self, trait: Trait) -> float:
        """Random number around 0 (standard deviation 1)."""
        return self.traits[trait]

    @property
    def scale(self) -> float:
        """Size of the trunk relative to a man of 1.75 m."""
        return self.spec.body_scale * self.spec.skeleton_scale

    def back_y_mm(self, z_mm: float) -> float:
        """Position of the spine for soft tissue: below L5 it follows the sacrum's backward sweep only a little."""
        axis_y, fifth_lumbar_y = self.spine.at(z_mm)[3], self.spine.vertebra_at(17.0).centre_mm[1]
        above = z_mm > self.spine.vertebra_at(17.0).centre_mm[2]
        return float(axis_y if above else fifth_lumbar_y + 0.15 * (axis_y - fifth_lumbar_y))


@dataclass(frozen=True)
class Scene:
    """One slice of one person.

    Attributes
    ----------
    z_mm, coordinate, station: height, vertebral coordinate and station of the slice.
    axis_x_mm, axis_y_mm: centre of the spine on this slice.
    back_y_mm: like ``axis_y_mm``, but following the sacrum only a little: reference of soft tissue.
    texture: random fields on this slice, arrays of the whole slice.
    """

    person: Person
    canvas: Canvas
    z_mm: float
    coordinate: float
    station: float
    axis_x_mm: float
    axis_y_mm: float
    back_y_mm: float
    texture: Textures[Array]

    @property
    def hu(self) -> TissueHu:
        """HU of the tissues."""
        return self.person.hu

    def height_over(self, station: float) -> float:
        """Height of this slice above a station, mm."""
        return self.z_mm - self.person.spine.z_of_station(station)

    def muscle(self, patch: Patch, distance_mm: Array, infiltration_gain: float = 1.0) -> None:
        """Paint skeletal muscle with its streaks of fat and make it part of the muscle wall."""
        grain, fibre, patchy = (patch.cut(t) for t in (self.texture.grain, self.texture.fibre, self.texture.loops))
        patch.paint(distance_mm, self.hu.muscle + 2.5 * grain + 2 * patchy, Compartment.MUSCLE_WALL)
        share = min(0.8, self.person.spec.fat_infiltration * infiltration_gain)
        half_mm = float(ndtri(0.5 + share / 2)) / _FIBRE_SLOPE
        streak = patch.sheet_cover((fibre + 0.2 * grain) / _FIBRE_SLOPE, half_mm)
        inside = np.clip(-distance_mm / patch.pixel_mm, 0, 1)
        patch.blend(0.9 * inside * streak * np.clip(0.8 + 0.5 * patchy, 0, 1), self.hu.fat)


def gridded(
    fields: Textures[SmoothField], row_mm: NDArray[np.float64], column_mm: NDArray[np.float64]
) -> Textures[GriddedField]:
    """Bind all fields to one grid."""
    return Textures(*(getattr(fields, name).on_grid(row_mm, column_mm) for name in Textures.__dataclass_fields__))


def textures_at(fields: Textures[GriddedField], z_mm: float) -> Textures[Array]:
    """Values of all fields on one slice."""
    return Textures(*(getattr(fields, name).slice_at(z_mm) for name in Textures.__dataclass_fields__))
