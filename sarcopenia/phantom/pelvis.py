"""The pelvic ring and its muscles: iliac wings, iliacus inside, gluteals outside. Below the crest at L4/5.

Tables along the station axis (16 = L4 … 18 = S1), in mm, for a man of 1.75 m. Points are (x away from the midline,
y behind the spine at L5).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sarcopenia.phantom.fields import Array
from sarcopenia.phantom.scene import Scene
from sarcopenia.phantom.shapes import polyline, tapered_chain

_STATION = (16.35, 16.6, 17.0, 18.0, 19.0, 20.0, 21.0, 23.0)
_WING = np.array(
    [
        [(92, 14), (102, 4), (108, -4)],
        [(70, 34), (98, 10), (116, -12)],
        [(47, 55), (88, 18), (123, -30)],
        [(42, 56), (84, 12), (126, -52)],
        [(45, 52), (88, 2), (123, -68)],
        [(62, 40), (92, -4), (116, -60)],
        [(84, 6), (97, -20), (102, -44)],
        [(90, -10), (97, -28), (100, -40)],
    ],
    dtype=float,
)
_WING_HALF = (3.5, 4.5, 5.0, 5.5, 6.5, 8.0, 14.0, 20.0)
_GLUTEAL = (1.0, 8.0, 20.0, 34.0, 42.0, 46.0, 48.0, 50.0)
_ILIACUS = (0.0, 4.0, 11.0, 18.0, 20.0, 18.0, 12.0, 8.0)


@dataclass(frozen=True)
class Pelvis:
    """Signed distances (mm) of the pelvic parts on one slice, both sides together."""

    side_x_yx: Array
    y_yx: Array
    wing_points: NDArray[np.float64]
    wing_half_mm: float
    gluteal_mm: float
    iliacus_mm: float

    @cached_property
    def bone_yx(self) -> Array:
        """Iliac wings: bent inwards, thin in the middle, thick at the spines."""
        back, middle, front = self.wing_points
        course = np.stack([back, 0.5 * (back + middle) - self._normal * 2, middle, 0.5 * (middle + front), front])
        course[3] += self._normal * 3
        return tapered_chain(
            self.side_x_yx, self.y_yx, course, self.wing_half_mm * np.array([1.35, 0.95, 0.75, 0.8, 1.3])
        )

    @cached_property
    def gluteal_yx(self) -> Array:
        """Gluteals: a belly on the outer face of the wing."""
        return self._belly(self._normal, self.gluteal_mm)

    @cached_property
    def gluteal_septum_yx(self) -> Array:
        """Unsigned distance to the fat plane between gluteus medius and maximus."""
        back, middle, front = self.wing_points + self._normal * self.gluteal_mm * np.array([[0.8], [0.75], [0.2]])
        return polyline(self.side_x_yx, self.y_yx, np.stack([back, middle, 0.5 * (middle + front)]))

    @cached_property
    def iliacus_yx(self) -> Array:
        """Iliacus: a belly on the inner face of the wing."""
        return self._belly(-self._normal, self.iliacus_mm)

    @cached_property
    def between_yx(self) -> Array:
        """Room between the wings, part of the visceral cavity."""
        order = np.argsort(self.wing_points[:, 1])
        points = self.wing_points[order]
        reach = np.interp(self.y_yx, points[:, 1], points[:, 0]).astype(np.float32)
        front, back = float(points[0, 1]), float(points[-1, 1]) - 30
        sides = np.maximum(self.side_x_yx - reach + 4, front - 6 - self.y_yx)
        return np.asarray(np.maximum(sides, self.y_yx - back))

    @property
    def _normal(self) -> NDArray[np.float64]:
        """Unit normal of the wing, outwards."""
        along = self.wing_points[0] - self.wing_points[2]
        normal = np.array([-along[1], along[0]]) / np.linalg.norm(along)
        return np.asarray(normal if normal[0] > 0 else -normal)

    def _belly(self, outwards: NDArray[np.float64], thickness: float) -> Array:
        """Shape a muscle that is thickest over the middle of the wing and thin at its front end."""
        lift = np.array([[0.35], [0.5], [0.12]]) * thickness
        radii = np.array([0.36, 0.5, 0.22]) * thickness + 2
        return tapered_chain(self.side_x_yx, self.y_yx, self.wing_points + outwards * lift, radii)


def pelvis_at(scene: Scene) -> Pelvis | None:
    """Pelvis on a slice, ``None`` above the iliac crest."""
    if scene.station < _STATION[0]:
        return None
    scale, whole = scene.person.scale, scene.canvas.whole
    swell = scale * scene.person.spec.muscle_scale
    flat = _WING.reshape(len(_STATION), -1)
    points = np.array([np.interp(scene.station, _STATION, column) for column in flat.T]).reshape(3, 2)
    wobble = 0.6 * scene.texture.outline
    return Pelvis(
        np.abs(whole.x_mm_yx - scene.axis_x_mm * 0.3) + wobble,
        whole.y_mm_yx - scene.back_y_mm,
        points * scale,
        float(np.interp(scene.station, _STATION, _WING_HALF)) * scale,
        float(np.interp(scene.station, _STATION, _GLUTEAL)) * swell,
        float(np.interp(scene.station, _STATION, _ILIACUS)) * swell,
    )
