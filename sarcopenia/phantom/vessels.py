"""Vessels and the crura of the diaphragm in front of the spine, from the chest to the groins.

Tables along the station axis (12 = T12 … 18 = S1), in mm, for a man of 1.75 m; positions relative to the spine.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.scene import Scene
from sarcopenia.phantom.shapes import ellipse

Row = tuple[float, float, float]
"""Centre x, y and radius in mm."""

_CAVITY = Compartment.VISCERAL_CAVITY


@dataclass(frozen=True)
class _Vessel:
    """A vessel along the spine: rows of station, x, y (relative to the spine) and radius in mm."""

    rows: NDArray[np.float64]
    artery: bool


_VESSELS = (
    _Vessel(
        np.array([[4, 14, -18, 12], [11, 8, -26, 10.5], [13, 5, -28, 9], [15, 5, -27, 8], [16.15, 2, -26, 8]]), True
    ),
    _Vessel(
        np.array(
            [[4, -22, -34, 12], [11, -22, -34, 12], [13, -19, -27, 10.5], [15, -16, -25, 9.5], [16.35, -12, -24, 9.5]]
        ),
        False,
    ),
    _Vessel(
        np.array([[16.1, 6, -28, 6], [17, 24, -28, 5.5], [18, 38, -40, 5], [20, 56, -62, 4.5], [22, 70, -85, 4.5]]),
        True,
    ),
    _Vessel(
        np.array(
            [[16.1, -3, -28, 6], [17, -22, -30, 5.5], [18, -38, -40, 5], [20, -56, -62, 4.5], [22, -70, -85, 4.5]]
        ),
        True,
    ),
    _Vessel(
        np.array([[16.3, -8, -25, 7], [17, 20, -20, 6.5], [18, 36, -28, 6], [20, 52, -52, 6], [22, 64, -78, 6]]), False
    ),
    _Vessel(
        np.array([[16.3, -14, -25, 8], [17, -28, -20, 7], [18, -38, -28, 6.5], [20, -52, -52, 6], [22, -64, -78, 6]]),
        False,
    ),
    _Vessel(np.array([[13.0, 6, -42, 3.5], [13.8, 6, -47, 3.5], [15.5, 3, -56, 3], [16.5, -8, -60, 2.2]]), True),
    _Vessel(np.array([[13.4, -8, -50, 6], [14.2, -7, -52, 5.5], [15.5, -10, -56, 4.5], [16.5, -18, -60, 3]]), False),
)
_CRUS = np.array([[8, 16, -14, 6], [12, 15, -19, 7], [13, 13, -21, 6.5], [14, 11, -22, 4.5], [15, 9, -22, 2.5]])


def paint_vessels(scene: Scene) -> None:
    """Crura, aorta and caval vein with their branches to the pelvis, upper mesenteric vessels."""
    for side in (-1, 1):
        x, y, radius = _row(_CRUS, scene.station)
        if scene.station < 14.8:
            _paint_round(scene, (side * x, y, radius), scene.hu.muscle, 1.4)
    for vessel in _VESSELS:
        stations = vessel.rows[:, 0]
        if stations[0] <= scene.station <= stations[-1]:
            row = _row(vessel.rows, scene.station)
            _paint_round(
                scene, row, scene.hu.artery if vessel.artery else _vein_hu(scene), 1.0 if vessel.artery else 0.8
            )
            if vessel.artery:
                _paint_plaques(scene, row)


def _row(rows: NDArray[np.float64], station: float) -> Row:
    x, y, radius = (float(np.interp(station, rows[:, 0], column)) for column in rows.T[1:])
    return x, y, radius


def _vein_hu(scene: Scene) -> float:
    """Veins below the kidneys fill later than those above."""
    late = float(np.clip((scene.station - 13.5) / 0.8, 0, 1))
    return scene.hu.vein - 0.35 * late * (scene.hu.vein - 38)


def _paint_round(scene: Scene, row: Row, hu: float, flat: float) -> None:
    scale = scene.person.scale
    centre = (scene.axis_x_mm + row[0] * scale, scene.back_y_mm + row[1] * scale)
    if patch := scene.canvas.patch(centre, (row[2] * 2 + 6, row[2] * 2 + 6)):
        distance = ellipse(patch.x_mm_yx - centre[0], patch.y_mm_yx - centre[1], row[2] * scale, row[2] * flat * scale)
        patch.paint(distance + 0.4 * patch.cut(scene.texture.outline), hu, _CAVITY)


def _paint_plaques(scene: Scene, row: Row) -> None:
    """Calcified plaques in the wall of an artery, more with age."""
    scale, age = scene.person.scale, scene.person.spec.age_years
    centre = (scene.axis_x_mm + row[0] * scale, scene.back_y_mm + row[1] * scale)
    if age < 50 or not (patch := scene.canvas.patch(centre, (row[2] + 6, row[2] + 6))):
        return
    wall = ellipse(patch.x_mm_yx - centre[0], patch.y_mm_yx - centre[1], row[2] * scale, row[2] * scale)
    place = np.clip((patch.cut(scene.texture.strand) - 2.4 + 0.022 * (age - 50)) * 3, 0, 1)
    patch.blend(place * patch.sheet_cover(wall, 0.9), 700.0)
