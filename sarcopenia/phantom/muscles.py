"""Muscles that lie along the spine and the pelvis: psoas, quadratus lumborum, erector spinae with multifidus,
iliacus and gluteals. Tables along the station axis, in mm, for a man of 1.75 m; positions relative to the spine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarcopenia.phantom.canvas import Patch
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.scene import Scene
from sarcopenia.phantom.shapes import polyline, rotate, smooth_min, superellipse


@dataclass(frozen=True)
class MuscleTable:
    """Course of a paired muscle: per station its centre (x away from the midline, y), half axes and turn in degrees."""

    rows: NDArray[np.float64]
    power: float
    infiltration_gain: float
    follows_sacrum: bool = False

    def at(self, station: float) -> NDArray[np.float64] | None:
        """Centre x, y, half axes and turn at a station, ``None`` beyond the muscle's ends."""
        if not self.rows[0, 0] < station < self.rows[-1, 0]:
            return None
        return np.array([np.interp(station, self.rows[:, 0], column) for column in self.rows.T[1:]])


# Columns: station, centre x, centre y, half x, half y, turn.
PSOAS = MuscleTable(
    np.array(
        [
            [12.6, 24, 6, 3, 5, 0],
            [13, 26, 6, 6, 9, 10],
            [14, 33, 6, 11, 15, 15],
            [15, 40, 5, 16, 20, 10],
            [16, 47, 0, 19.5, 22, 0],
            [17, 54, -12, 20, 21, 0],
            [18, 60, -28, 19, 18, 0],
            [19, 67, -46, 18, 16, 0],
            [20, 75, -60, 17, 15, 0],
            [22, 88, -75, 16, 15, 0],
        ]
    ),
    2.2,
    0.35,
)
QUADRATUS = MuscleTable(
    np.array(
        [
            [12.4, 44, 32, 4, 3, 0],
            [13, 50, 31, 11, 6, -8],
            [14, 60, 28, 16, 7.5, -8],
            [15, 68, 24, 19, 9, -8],
            [16, 76, 22, 20, 9, -10],
            [16.6, 84, 22, 15, 7, -12],
            [16.9, 88, 22, 5, 3, -12],
        ]
    ),
    2.2,
    0.9,
)
ERECTOR = MuscleTable(
    np.array(
        [
            [4, 28, 38, 25, 15, 0],
            [10, 29, 41, 27, 16, 0],
            [12, 33, 45, 31, 19, -2],
            [13, 37, 47, 34, 21, -3],
            [14, 39, 49, 37, 23, -4],
            [15, 39, 51, 37, 24.5, -4],
            [16, 36, 54, 34, 23, -5],
            [17, 31, 56, 29, 20, -12],
            [18, 25, 50, 22, 15, -20],
            [19, 17, 34, 14, 10, -30],
            [20, 11, 22, 8, 6, -30],
        ]
    ),
    2.7,
    1.0,
    follows_sacrum=True,
)
MULTIFIDUS = MuscleTable(
    np.array(
        [
            [11, 10, 42, 6, 10, 0],
            [13, 13, 48, 9, 14, 0],
            [15, 16, 54, 12, 18, 0],
            [16, 18, 57, 14, 19, 0],
            [17, 19, 58, 16, 17, 0],
            [18, 18, 50, 14, 13, 0],
            [19, 13, 34, 9, 9, 0],
        ]
    ),
    2.2,
    2.0,
    follows_sacrum=True,
)


def side_distance(scene: Scene, table: MuscleTable, side: int, patch: Patch, row: NDArray[np.float64]) -> Array:
    """Signed distance of one muscle on one side (+1 left, -1 right) with its own small irregularity."""
    scale, swell = scene.person.scale, float(np.sqrt(scene.person.spec.muscle_scale))
    base_y = scene.axis_y_mm if table.follows_sacrum else scene.back_y_mm
    x = side * (patch.x_mm_yx - scene.axis_x_mm) - row[0] * scale
    y = patch.y_mm_yx - base_y - row[1] * scale
    u, v = rotate(x, y, float(row[4]))
    uneven = 0.8 * patch.cut(scene.texture.outline) + 0.3 * patch.cut(scene.texture.strand)
    return superellipse(u, v, row[2] * scale * swell, row[3] * scale * swell, table.power) + uneven


def _placed(scene: Scene, table: MuscleTable, side: int) -> tuple[Patch, NDArray[np.float64]] | None:
    row = table.at(scene.station)
    if row is None:
        return None
    scale, base_y = scene.person.scale, scene.axis_y_mm if table.follows_sacrum else scene.back_y_mm
    centre = (scene.axis_x_mm + side * row[0] * scale, base_y + row[1] * scale)
    reach = 1.35 * scale * float(max(row[2], row[3])) + 8
    patch = scene.canvas.patch(centre, (reach, reach))
    return None if patch is None else (patch, row)


def paint_paired(scene: Scene, table: MuscleTable) -> None:
    """Paint a muscle on both sides, with a thin rim of fat around it."""
    for side in (-1, 1):
        if placed := _placed(scene, table, side):
            patch, row = placed
            scene.muscle(patch, side_distance(scene, table, side, patch, row) + 0.4, table.infiltration_gain)


def paint_back_muscles(scene: Scene) -> None:
    """Erector spinae, then multifidus inside it behind a septum of fat."""
    paint_paired(scene, ERECTOR)
    for side in (-1, 1):
        if placed := _placed(scene, MULTIFIDUS, side):
            patch, row = placed
            distance = side_distance(scene, MULTIFIDUS, side, patch, row)
            patch.blend(np.clip(1.2 - np.abs(distance) / 0.9, 0, 0.6) * (patch.hu_yx > -40), scene.hu.fat)
            scene.muscle(patch, distance + 0.8, MULTIFIDUS.infiltration_gain)


def back_outline(scene: Scene) -> Array:
    """Distance to the fascia around the muscles that the ring of the abdominal wall does not contain.

    The gaps between erector spinae, quadratus, psoas and the vertebra lie inside it, as readers draw it.
    """
    whole = scene.canvas.whole
    reached = np.full_like(whole.x_mm_yx, 400.0)
    for table, margin in ((ERECTOR, 1.2), (QUADRATUS, 0.8), (PSOAS, 0.4)):
        for side in (-1, 1):
            if placed := _placed(scene, table, side):
                patch, row = placed
                view = patch.cut(reached)
                np.minimum(view, side_distance(scene, table, side, patch, row) - margin, out=view)
    return smooth_min(reached, _around_spine(scene), 6.0)


def _around_spine(scene: Scene) -> Array:
    """Filling between the paired muscles: a trapezoid from the front of the canal to the spinous processes."""
    scale = scene.person.scale
    x = np.abs(scene.canvas.whole.x_mm_yx - scene.axis_x_mm)
    y = scene.canvas.whole.y_mm_yx - scene.axis_y_mm - 36 * scale
    reach = float(np.interp(scene.station, (8, 12, 15, 17, 18, 20), (40, 44, 58, 48, 30, 12))) * scale
    height = float(np.interp(scene.station, (8, 12, 15, 17, 18, 20), (16, 20, 24, 22, 16, 8))) * scale
    return np.asarray(np.maximum(x - reach, np.abs(y) - height), dtype=np.float32)


_WING_STATION = (16.35, 16.6, 17.0, 18.0, 19.0, 20.0, 21.0, 23.0)
_WING_POINTS = np.array(
    [
        [(96, 10), (104, 4), (110, -2)],
        [(72, 32), (96, 12), (116, -8)],
        [(48, 54), (84, 20), (122, -24)],
        [(42, 56), (80, 14), (125, -50)],
        [(44, 52), (84, 4), (122, -66)],
        [(60, 40), (90, -2), (116, -60)],
        [(84, 6), (97, -20), (102, -44)],
        [(90, -10), (97, -28), (100, -40)],
    ],
    dtype=float,
)
_WING_HALF_THICKNESS = (4.0, 5.0, 5.5, 6.0, 6.5, 8.0, 14.0, 20.0)
_GLUTEAL_THICKNESS = (3.0, 8.0, 16.0, 24.0, 30.0, 34.0, 36.0, 38.0)
_ILIACUS_THICKNESS = (0.0, 3.0, 7.0, 10.0, 12.0, 13.0, 10.0, 8.0)


def wing_points(scene: Scene) -> NDArray[np.float64] | None:
    """Course of the iliac wing, points (3, 2) with x away from the midline; ``None`` above the crest."""
    if scene.station < _WING_STATION[0]:
        return None
    flat = _WING_POINTS.reshape(len(_WING_STATION), -1)
    points = np.array([np.interp(scene.station, _WING_STATION, column) for column in flat.T]).reshape(3, 2)
    return np.asarray(points * scene.person.scale)


def wing_half_thickness(station: float) -> float:
    """Half thickness of the iliac bone in mm."""
    return float(np.interp(station, _WING_STATION, _WING_HALF_THICKNESS))


def pelvic_distance(scene: Scene) -> Array | None:
    """Distance to the muscles outside (gluteals) and inside (iliacus) of the iliac wings, both sides together."""
    points = wing_points(scene)
    if points is None:
        return None
    swell = scene.person.scale * scene.person.spec.muscle_scale
    outer = swell * float(np.interp(scene.station, _WING_STATION, _GLUTEAL_THICKNESS)) / 2
    inner = swell * float(np.interp(scene.station, _WING_STATION, _ILIACUS_THICKNESS)) / 2
    x = np.abs(scene.canvas.whole.x_mm_yx - scene.axis_x_mm * 0.3)
    y = scene.canvas.whole.y_mm_yx - scene.back_y_mm
    outwards = np.array([0.6, 0.8])
    gluteal = polyline(x, y, points + outwards * outer) - outer - 3
    iliacus = polyline(x, y, points - outwards * inner) - inner - 3
    return np.minimum(gluteal, iliacus) + scene.texture.outline
