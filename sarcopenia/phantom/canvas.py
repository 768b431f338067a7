"""One axial slice being painted: HU with partial volume, and the compartment of every pixel centre.

Coordinates are anatomical millimetres: x to the patient's left, y to the back, z to the head, origin at the centre of
the L3 body. ``x_mm_yx`` and ``y_mm_yx`` already contain pose and random deformation, so shapes are painted as if the
body lay straight.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import Compartment
from sarcopenia.phantom.fields import Array

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Patch:
    """A rectangular view into a slice; painting it paints the slice.

    ``window`` holds the rows and columns of the view, to cut the same piece out of other arrays.
    """

    x_mm_yx: Array
    y_mm_yx: Array
    hu_yx: Array
    compartment_yx: NDArray[np.uint8]
    pixel_mm: float
    window: Window

    def paint(self, distance_mm: Array, hu: Array | float, compartment: Compartment | None = None) -> None:
        """Lay a shape over what is there.

        ``distance_mm`` is the signed distance (negative inside); a border pixel is mixed by the share that the shape
        covers. The compartment, if given, is set where the pixel centre lies inside.
        """
        self.blend(np.clip(0.5 - distance_mm / self.pixel_mm, 0, 1), hu)
        if compartment is not None:
            self.compartment_yx[distance_mm < 0] = compartment

    def blend(self, share: Array, hu: Array | float) -> None:
        """Mix a tissue in by a share (0..1) per pixel, leaving the compartment alone."""
        self.hu_yx[...] += share * (hu - self.hu_yx)

    def sheet_cover(self, distance_mm: Array, half_thickness_mm: Array | float) -> Array:
        """Share of each pixel that a thin sheet covers; ``distance_mm`` is the distance to its middle."""
        near = (half_thickness_mm - np.abs(distance_mm)) / self.pixel_mm + 0.5
        far = (-half_thickness_mm - np.abs(distance_mm)) / self.pixel_mm + 0.5
        return np.asarray(np.clip(near, 0, 1) - np.clip(far, 0, 1))

    def cut(self, whole: NDArray[Any]) -> NDArray[Any]:
        """Cut the piece of a whole-slice array under this view."""
        return whole[self.window]


@dataclass(frozen=True)
class Canvas:
    """A whole slice.

    Attributes
    ----------
    whole: the slice as one patch.
    row_mm, column_mm: pixel positions before pose and deformation, increasing.
    rotation_deg: how far the body is turned about its axis.
    reach_mm: largest deformation, a margin for every view.
    """

    whole: Patch
    row_mm: NDArray[np.float64]
    column_mm: NDArray[np.float64]
    rotation_deg: float
    reach_mm: float

    def patch(self, centre_xy_mm: tuple[float, float], half_xy_mm: tuple[float, float]) -> Patch | None:
        """View of the pixels around an anatomical point, ``None`` where that lies outside the image."""
        c, s = np.cos(np.radians(self.rotation_deg)), np.sin(np.radians(self.rotation_deg))
        (x, y), (half_x, half_y) = centre_xy_mm, half_xy_mm
        columns = self._span(self.column_mm, c * x - s * y, c * half_x + abs(s) * half_y)
        rows = self._span(self.row_mm, c * y + s * x, c * half_y + abs(s) * half_x)
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return None
        return self._view((rows, columns))

    def _span(self, positions_mm: NDArray[np.float64], centre_mm: float, half_mm: float) -> slice:
        reach = half_mm + self.reach_mm
        start, stop = np.searchsorted(positions_mm, (centre_mm - reach, centre_mm + reach))
        return slice(int(start), int(stop))

    def _view(self, window: Window) -> Patch:
        whole = self.whole
        return Patch(
            whole.x_mm_yx[window],
            whole.y_mm_yx[window],
            whole.hu_yx[window],
            whole.compartment_yx[window],
            whole.pixel_mm,
            window,
        )
