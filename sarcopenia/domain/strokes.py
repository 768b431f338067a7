"""What a person paints on a slice: strokes in native pixel coordinates, in the order in which they were made.

A corrected mask is the model's mask folded with these strokes (`sarcopenia.assessment.correction`); undo, draft and
audit are this list. Coordinates are (x, y) = (column, row) of the slice as it is stored; the middle of the first pixel
is (0, 0), as in DICOM PS3.3 C.7.6.2.1.1.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_POINTS: Final = 5000
"""Points of one stroke; a mouse gives some hundred in the longest."""
MAX_RADIUS_PX: Final = 100.0
MAX_COORDINATE_PX: Final = 20_000.0


class StrokeTool(StrEnum):
    """What a stroke does: a round brush along a line, or the inside of a polygon, that adds or takes away muscle."""

    BRUSH = "brush"
    ERASER = "eraser"
    POLYGON_ADD = "polygon_add"
    POLYGON_REMOVE = "polygon_remove"

    @property
    def adds(self) -> bool:
        """Whether the stroke adds muscle."""
        return self in (StrokeTool.BRUSH, StrokeTool.POLYGON_ADD)

    @property
    def is_polygon(self) -> bool:
        """Whether the path is the outline of an area."""
        return self in (StrokeTool.POLYGON_ADD, StrokeTool.POLYGON_REMOVE)


@dataclass(frozen=True)
class Stroke:
    """One stroke.

    Attributes
    ----------
    path_xy: points (column, row) in native pixels; at least one for a line, three for a polygon.
    radius_px: radius of the round brush in native pixels; not used by polygons.
    within_muscle_hu: touch only pixels of −29..150 HU. Without it, what is added counts as muscle whatever its HU.

    Raises
    ------
    ValueError: too few or too many points, a number that is not finite or out of range.
    """

    tool: StrokeTool
    path_xy: tuple[tuple[float, float], ...]
    radius_px: float
    within_muscle_hu: bool

    def __post_init__(self) -> None:
        least = 3 if self.tool.is_polygon else 1
        if not least <= len(self.path_xy) <= MAX_POINTS:
            raise ValueError(f"a {self.tool} stroke has {least} to {MAX_POINTS} points, not {len(self.path_xy)}")
        if not all(math.isfinite(v) and abs(v) <= MAX_COORDINATE_PX for point in self.path_xy for v in point):
            raise ValueError("a point of the stroke lies beyond every image")
        if not self.tool.is_polygon and not 0 < self.radius_px <= MAX_RADIUS_PX:
            raise ValueError(f"the radius must be above 0 and at most {MAX_RADIUS_PX:g} pixels, not {self.radius_px}")
