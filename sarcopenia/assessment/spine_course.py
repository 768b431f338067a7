"""How the lumbar spine runs, and how the measured slice cuts it: a slice that cuts muscle obliquely shows too much."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.assessment.spine_projection import SpineProjections
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Flag, LevelFinding

LUMBAR: Final = ("L5", "L4", "L3", "L2", "L1", "T12")
SHORTEST_MM: Final = 80.0
"""Three lumbar vertebrae: a shorter piece of a spine shows no bend."""
BEND_DEG: Final = 10.0
"""Of the smoothed mid-line, which shows about half of a curve: phantoms with curves of 0, 20 and 35° have 3, 10 and
15°, the training scans 2 to 7° (four lumbar spines, one of them curved)."""
OBLIQUE_DEG: Final = 15.0
"""A plane at this angle to the muscle shows 1 / cos 15° = 3.5 % too much of it, about what two readers differ by."""
FOUND_ALONG_SPINE: Final = frozenset({"spine_curved", "slice_oblique"})
"""Codes of the flags that `course_flags` may raise; they do not depend on the mask."""


@dataclass(frozen=True)
class SpineCourse:
    """The mid-line of the spine from side to side.

    Attributes
    ----------
    z_mm, lean_deg: patient z and the angle of the mid-line to the body's axis on every row, positive where it runs to
        the patient's left towards the head; shape (rows,).
    bend_deg: how far that angle changes between the lowest and the highest lumbar vertebra; ``None`` where too little
        of the lumbar spine is seen.
    """

    z_mm: NDArray[np.float64]
    lean_deg: NDArray[np.float64]
    bend_deg: float | None


def spine_course(projections: SpineProjections, level: LevelFinding) -> SpineCourse | None:
    """Course of the spine of a scan; ``None`` where no vertebra was recognised."""
    z_mm = projections.z_mm
    if len(z_mm) < 2 or not level.vertebrae:
        return None
    slope = np.gradient(projections.midline_yx_mm[:, 1], z_mm)
    lean_deg = np.degrees(np.arctan(slope))
    heights = [vertebra.z_mm for vertebra in level.vertebrae if vertebra.label in LUMBAR]
    if not heights or max(heights) - min(heights) < SHORTEST_MM:
        return SpineCourse(z_mm, lean_deg, None)
    lumbar = lean_deg[(z_mm >= min(heights)) & (z_mm <= max(heights))]
    return SpineCourse(z_mm, lean_deg, float(np.ptp(lumbar)))


def course_flags(course: SpineCourse | None, plane: PlaneGeometry) -> Iterator[Flag]:
    """Flags of the spine's course and of a measured slice that lies obliquely to it or to the body's axis."""
    if course is not None and course.bend_deg is not None and course.bend_deg > BEND_DEG:
        text = (
            f"The lumbar spine bends to the side by {course.bend_deg:.0f}° at least: muscle differs between the sides."
        )
        yield Flag("spine_curved", text)
    angle = oblique_deg(course, plane)
    if angle > OBLIQUE_DEG:
        excess = 100 / np.cos(np.radians(angle)) - 100
        text = f"The slice cuts the spine obliquely by {angle:.0f}°: areas are about {excess:.0f} % too large."
        yield Flag("slice_oblique", text)


def oblique_deg(course: SpineCourse | None, plane: PlaneGeometry) -> float:
    """Angle of the slice's normal to the spine from side to side, or to the body's axis from front to back."""
    x, y, z = plane.normal_lps if plane.normal_lps[2] >= 0 else -plane.normal_lps
    middle = np.array([(size - 1) / 2 for size in plane.shape_yx])
    lean = 0.0 if course is None else float(np.interp(plane.to_lps_mm(middle)[2], course.z_mm, course.lean_deg))
    return float(max(abs(np.degrees(np.arctan2(x, z)) - lean), abs(np.degrees(np.arctan2(y, z)))))
