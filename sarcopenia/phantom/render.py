"""Rendering: the sampling grid of a scan, and the order in which one slice is painted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarcopenia.phantom.canvas import Canvas, Patch
from sarcopenia.phantom.fields import Array, GriddedField
from sarcopenia.phantom.muscles import PSOAS, QUADRATUS, paint_back_muscles, paint_paired
from sarcopenia.phantom.organs import paint_organs
from sarcopenia.phantom.pelvis import Pelvis, pelvis_at
from sarcopenia.phantom.scene import Person, Scene, Textures, gridded, person_fields, textures_at
from sarcopenia.phantom.skeleton import paint_ribs, paint_spine, paint_wings
from sarcopenia.phantom.tissues import AIR_HU
from sarcopenia.phantom.trunk import (
    body_boxes,
    cavity_outlines,
    paint_cavity,
    paint_skin_and_fat,
    paint_wall,
    skin_distance,
    wall_distance,
)
from sarcopenia.phantom.vessels import paint_vessels

_WARP_MM = 3.5
_REACH_MM = 12.0
# Slices up to this thickness are rendered at their middle; thicker ones are the mean of three.
THIN_MM = 3.5


@dataclass(frozen=True)
class Grid:
    """Sampling of a scan.

    Attributes
    ----------
    row_mm, column_mm, slice_mm: pixel and slice positions in anatomical mm.
    patient_z_mm: patient z of anatomical height 0.
    back_y_mm: lowest point of the back, where the couch is.
    """

    row_mm: NDArray[np.float64]
    column_mm: NDArray[np.float64]
    slice_mm: NDArray[np.float64]
    patient_z_mm: float
    back_y_mm: float

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.row_mm), len(self.column_mm)


def scan_grid(person: Person) -> Grid:
    """Lay out the sampling of a person's scan, centred between belly and back."""
    spec, spine = person.spec, person.spine
    rng = np.random.default_rng([spec.seed, spec.scan_seed, 3])
    bottom, top = spine.z_of(spec.bottom_coordinate), spine.z_of(spec.top_coordinate)
    start = bottom + float(rng.uniform(0, spec.slice_spacing_mm))
    covered = [box for v, box in zip(spine.vertebrae, body_boxes(person), strict=True) if 9.5 < v.station < 19.5]
    front, back = min(box.front_y_mm for box in covered), max(box.back_y_mm for box in covered)
    rows, columns = (_centred(n, spec.pixel_spacing_mm) for n in spec.shape_yx)
    return Grid(
        rows + (front + back) / 2 + spec.centre_offset_mm_yx[0],
        columns + spec.centre_offset_mm_yx[1],
        np.arange(start, top + 1e-6, spec.slice_spacing_mm),
        float(np.round(rng.uniform(-700, -300), 1)),
        back,
    )


def _centred(count: int, spacing_mm: float) -> NDArray[np.float64]:
    return np.asarray((np.arange(count) - (count - 1) / 2) * spacing_mm, dtype=np.float64)


@dataclass(frozen=True)
class BodyRenderer:
    """Paints the body of one person on the pixels that it can reach; the rest of a slice stays air."""

    person: Person
    window: tuple[slice, slice]
    shape_yx: tuple[int, int]
    row_mm: NDArray[np.float64]
    column_mm: NDArray[np.float64]
    fields: Textures[GriddedField]

    @classmethod
    def of(cls, person: Person, grid: Grid) -> "BodyRenderer":
        """Prepare the random fields on the part of the grid that the body can reach."""
        boxes = body_boxes(person)
        half = max(box.half_width_mm for box in boxes) + 30
        front, back = min(box.front_y_mm for box in boxes) - 30, max(box.back_y_mm for box in boxes) + 30
        c, s = np.cos(np.radians(person.spec.rotation_deg)), np.sin(np.radians(person.spec.rotation_deg))
        corners = np.array([(x, y) for x in (-half, half) for y in (front, back)])
        window = (
            _span(grid.row_mm, c * corners[:, 1] + s * corners[:, 0]),
            _span(grid.column_mm, c * corners[:, 0] - s * corners[:, 1]),
        )
        rows, columns = grid.row_mm[window[0]], grid.column_mm[window[1]]
        return cls(
            person, window, grid.shape_yx, rows, columns, gridded(person_fields(person.spec.seed), rows, columns)
        )

    def render(self, z_mm: float) -> tuple[Array, NDArray[np.uint8]]:
        """Noise-free HU and compartments of a whole slice; a thick slice is the mean of thin ones."""
        thickness = self.person.spec.slice_thickness_mm
        count = 1 if thickness <= THIN_MM else 3
        offsets = (np.arange(count) - count // 2) * thickness / count
        scenes = [self._scene(z_mm + float(offset)) for offset in offsets]
        for scene in scenes:
            _paint(scene)
        hu = np.full(self.shape_yx, AIR_HU, dtype=np.float32)
        compartments = np.zeros(self.shape_yx, dtype=np.uint8)
        hu[self.window] = np.mean([scene.canvas.whole.hu_yx for scene in scenes], axis=0)
        compartments[self.window] = scenes[count // 2].canvas.whole.compartment_yx
        return hu, compartments

    def _scene(self, z_mm: float) -> Scene:
        texture = textures_at(self.fields, z_mm)
        person, spec = self.person, self.person.spec
        c, s = (np.float32(f(np.radians(spec.rotation_deg))) for f in (np.cos, np.sin))
        x, y = np.meshgrid(self.column_mm.astype(np.float32), self.row_mm.astype(np.float32))
        whole = Patch(
            c * x + s * y + _WARP_MM * texture.warp_x,
            c * y - s * x + _WARP_MM * texture.warp_y,
            np.full(x.shape, AIR_HU, dtype=np.float32),
            np.zeros(x.shape, dtype=np.uint8),
            spec.pixel_spacing_mm,
            (slice(None), slice(None)),
        )
        canvas = Canvas(whole, self.row_mm, self.column_mm, spec.rotation_deg, _REACH_MM)
        coordinate, station, axis_x, axis_y = person.spine.at(z_mm)
        return Scene(person, canvas, z_mm, coordinate, station, axis_x, axis_y, person.back_y_mm(z_mm), texture)


def _span(positions_mm: NDArray[np.float64], reached_mm: NDArray[np.float64]) -> slice:
    start, stop = np.searchsorted(positions_mm, (reached_mm.min(), reached_mm.max()))
    return slice(int(start), int(stop))


def _paint(scene: Scene) -> None:
    """Paint one slice from the skin inwards; what comes later lies on top."""
    pelvis = pelvis_at(scene)
    outlines = cavity_outlines(scene, pelvis)
    wall = wall_distance(scene, outlines, pelvis)
    skin = skin_distance(scene, wall)
    paint_skin_and_fat(scene, skin)
    paint_wall(scene, outlines, np.maximum(wall, skin + 3))
    if pelvis is not None:
        _paint_gluteals(scene, pelvis, skin)
    paint_cavity(scene, outlines)
    paint_organs(scene, outlines)
    paint_paired(scene, PSOAS)
    paint_paired(scene, QUADRATUS)
    paint_back_muscles(scene)
    paint_ribs(scene, outlines)
    if pelvis is not None:
        scene.muscle(scene.canvas.whole, pelvis.iliacus_yx, 0.5)
        paint_wings(scene, pelvis)
    paint_vessels(scene)
    paint_spine(scene)


def _paint_gluteals(scene: Scene, pelvis: Pelvis, skin_yx: Array) -> None:
    """Gluteal muscles with the fat plane between them."""
    whole = scene.canvas.whole
    scene.muscle(whole, np.maximum(pelvis.gluteal_yx, skin_yx + 4), 1.2)
    plane = np.clip(1.5 - pelvis.gluteal_septum_yx / 0.9, 0, 0.8) * (pelvis.gluteal_yx < -1)
    whole.blend(plane, scene.hu.fat)
