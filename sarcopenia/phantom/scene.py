"""What the painters of one slice share: the person, the canvas, where the slice lies, its random textures."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.canvas import Canvas, Patch
from sarcopenia.phantom.fields import Array, GriddedField, SmoothField
from sarcopenia.phantom.spec import PhantomSpec
from sarcopenia.phantom.spine import Spine
from sarcopenia.phantom.tissues import TissueHu

T = TypeVar("T")


@dataclass(frozen=True)
class Textures(Generic[T]):
    """Independent random fields of the person, named by what they shape (size of the cells in mm in `person_fields`)."""

    warp_x: T
    warp_y: T
    outline: T
    loops: T
    loops_b: T
    strand: T
    vessel_a: T
    vessel_b: T
    grain: T


def person_fields(seed: int) -> Textures[SmoothField]:
    """Draw the fields of a person."""
    cells = (
        (80.0, 110.0),
        (80.0, 110.0),
        (32.0, 40.0),
        (17.0, 20.0),
        (21.0, 24.0),
        (7.0, 22.0),
        (10.0, 12.0),
        (10.0, 12.0),
        (3.2, 4.0),
    )
    return Textures(*(SmoothField.random(np.random.default_rng([seed, 100 + i]), *c) for i, c in enumerate(cells)))


@dataclass(frozen=True)
class Person:
    """What stays the same on all slices. ``traits`` are random numbers around 0 that vary organs."""

    spec: PhantomSpec
    spine: Spine
    hu: TissueHu
    traits: NDArray[np.float64]

    @property
    def scale(self) -> float:
        """Size of the trunk relative to a man of 1.75 m."""
        return self.spec.body_scale * self.spec.skeleton_scale


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

    def muscle(self, patch: Patch, distance_mm: Array, infiltration_gain: float = 1.0) -> None:
        """Paint skeletal muscle with its fatty streaks and make it part of the muscle wall."""
        share = min(0.85, self.person.spec.fat_infiltration * infiltration_gain)
        patch.paint(distance_mm, self.hu.muscle + 2 * patch.cut(self.texture.grain), Compartment.MUSCLE_WALL)
        streak = patch.cut(self.texture.strand) + 0.35 * patch.cut(self.texture.grain)
        threshold = float(ndtri(1 - share)) * 1.06
        inside = np.clip(-distance_mm / patch.pixel_mm, 0, 1)
        patch.blend(inside * np.clip(1.8 * (streak - threshold) + 0.5, 0, 0.9), self.hu.fat)


def gridded(
    fields: Textures[SmoothField], row_mm: NDArray[np.float64], column_mm: NDArray[np.float64]
) -> Textures[GriddedField]:
    """Bind all fields to one grid."""
    return Textures(*(getattr(fields, name).on_grid(row_mm, column_mm) for name in Textures.__dataclass_fields__))


def textures_at(fields: Textures[GriddedField], z_mm: float) -> Textures[Array]:
    """Values of all fields on one slice."""
    return Textures(*(getattr(fields, name).slice_at(z_mm) for name in Textures.__dataclass_fields__))
