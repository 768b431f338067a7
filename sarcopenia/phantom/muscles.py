"""Muscles along the spine: psoas, quadratus lumborum, erector spinae with multifidus.

Tables along the station axis, in mm, for a man of 1.75 m; positions relative to the spine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarcopenia.phantom.canvas import Patch
from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.scene import Scene
from sarcopenia.phantom.shapes import rotate, smooth_min, superellipse

Row = tuple[float, float, float, float, float]
"""Centre x, y, half axes x, y in mm and turn in degrees."""


@dataclass(frozen=True)
class MuscleTable:
    """Course of a paired muscle: per station its centre (x away from the midline, y), half axes and turn in degrees."""

    rows: NDArray[np.float64]
    power: float
    infiltration_gain: float
    follows_sacrum: bool = False

    def at(self, station: float) -> Row | None:
        """Centre x, y, half axes and turn at a station, ``None`` beyond the muscle's ends."""
        if not self.rows[0, 0] < station < self.rows[-1, 0]:
            return None
        x, y, half_x, half_y, turn = (float(np.interp(station, self.rows[:, 0], c)) for c in self.rows.T[1:])
        return x, y, half_x, half_y, turn


# Columns: station, centre x, centre y, half x, half y, turn.
PSOAS = MuscleTable(
    np.array(
        [
            [12.5, 22, 4, 3, 5, 0],
            [13, 24, 4, 7, 10, 10],
            [14, 31, 3, 12.5, 17, 14],
            [15, 38, 2, 17.5, 21, 10],
            [16, 45, -2, 20.5, 23, 0],
            [17, 54, -13, 21, 21, 0],
            [18, 61, -30, 20, 18, 0],
            [19, 68, -48, 19, 17, 0],
            [20, 76, -62, 18, 16, 0],
            [22, 89, -77, 17, 16, 0],
        ]
    ),
    2.2,
    0.5,
)
QUADRATUS = MuscleTable(
    np.array(
        [
            [12.3, 40, 36, 4, 3, 0],
            [13, 47, 35, 12, 6, -4],
            [14, 57, 33, 17, 8, -4],
            [15, 66, 30, 20, 9.5, -4],
            [16, 75, 27, 21, 9.5, -8],
            [16.6, 82, 25, 16, 8, -14],
            [17.0, 84, 25, 5, 3, -14],
        ]
    ),
    2.2,
    1.0,
)
ERECTOR = MuscleTable(
    np.array(
        [
            [4, 28, 38, 25, 15, 0],
            [10, 29, 41, 27, 16, 0],
            [12, 33, 45, 32, 19, -4],
            [13, 37, 47, 36, 21, -6],
            [14, 39, 49, 39, 22.5, -9],
            [15, 38, 50, 39, 23.5, -10],
            [16, 36, 53, 36, 22.5, -10],
            [17, 30, 51, 29, 25, -12],
            [18, 24, 45, 22, 19, -18],
            [19, 17, 34, 14, 10, -30],
            [20, 11, 22, 8, 6, -30],
        ]
    ),
    2.3,
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


def side_distance(scene: Scene, table: MuscleTable, side: int, patch: Patch, row: Row) -> Array:
    """Signed distance of one muscle on one side (+1 left, -1 right) with its own small irregularity."""
    scale, swell = scene.person.scale, float(np.sqrt(scene.person.spec.muscle_scale))
    base_y = scene.axis_y_mm if table.follows_sacrum else scene.back_y_mm
    x = side * (patch.x_mm_yx - scene.axis_x_mm) - row[0] * scale
    y = patch.y_mm_yx - base_y - row[1] * scale
    u, v = rotate(x, y, row[4])
    uneven = 0.8 * patch.cut(scene.texture.outline) + 0.3 * patch.cut(scene.texture.strand)
    return superellipse(u, v, row[2] * scale * swell, row[3] * scale * swell, table.power) + uneven


def _placed(scene: Scene, table: MuscleTable, side: int) -> tuple[Patch, Row] | None:
    row = table.at(scene.station)
    if row is None:
        return None
    scale, base_y = scene.person.scale, scene.axis_y_mm if table.follows_sacrum else scene.back_y_mm
    centre = (scene.axis_x_mm + side * row[0] * scale, base_y + row[1] * scale)
    reach = 1.35 * scale * max(row[2], row[3]) + 8
    patch = scene.canvas.patch(centre, (reach, reach))
    return None if patch is None else (patch, row)


def paint_paired(scene: Scene, table: MuscleTable) -> None:
    """Paint a muscle on both sides, with a thin rim of fat around it."""
    for side in (-1, 1):
        if placed := _placed(scene, table, side):
            patch, row = placed
            scene.muscle(patch, side_distance(scene, table, side, patch, row) + 0.4, table.infiltration_gain)


def paint_back_muscles(scene: Scene) -> None:
    """Short muscles between the processes, erector spinae, then multifidus inside it behind a septum of fat."""
    patch = scene.canvas.patch((scene.axis_x_mm, scene.axis_y_mm + 34), (75, 50))
    if patch is not None:
        swell = float(np.sqrt(scene.person.spec.muscle_scale))
        scene.muscle(patch, around_spine(scene, patch) + 24 * scene.person.scale * (1 - swell), 2.5)
    paint_paired(scene, ERECTOR)
    for side in (-1, 1):
        if placed := _placed(scene, MULTIFIDUS, side):
            patch, row = placed
            distance = side_distance(scene, MULTIFIDUS, side, patch, row)
            scene.muscle(patch, distance + 0.8, MULTIFIDUS.infiltration_gain)
            septum = np.clip(1.0 - np.abs(distance) / 0.8, 0, 1) * np.clip(
                0.3 + 0.5 * patch.cut(scene.texture.loops), 0, 0.6
            )
            patch.blend(septum, scene.hu.fat)


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
    return smooth_min(reached, around_spine(scene, whole), 6.0)


def around_spine(scene: Scene, patch: Patch) -> Array:
    """Distance to the short muscles between the processes, from the front of the canal to the spinous processes."""
    scale = scene.person.scale
    x = patch.x_mm_yx - scene.axis_x_mm
    y = patch.y_mm_yx - scene.axis_y_mm - 34 * scale
    reach = float(np.interp(scene.station, (8, 12, 15, 17, 18, 20), (38, 42, 56, 50, 30, 12))) * scale
    height = float(np.interp(scene.station, (8, 12, 15, 17, 18, 20), (18, 22, 26, 26, 16, 8))) * scale
    return superellipse(x, y, reach, height, 3.0)
