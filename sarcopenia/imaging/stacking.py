"""From the images of one series to a stack: order, duplicates, gaps, spacing, tilt.

Nothing is resampled: every slice keeps its own origin, and what is irregular is said in a warning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.errors import ValidationIssue
from sarcopenia.domain.geometry import PlaneGeometry, VolumeGeometry

SAME_POSITION_MM: Final = 0.01
"""Image positions are written with 10 µm or better; thin slices lie 0.3 mm apart."""
SPACING_TOLERANCE: Final = 0.1
"""Share of the median spacing by which a step may differ; tables are positioned less exactly than that."""
GAP_STEPS: Final = 1.5
"""A step of more than this many spacings lacks at least one slice."""
TILT_ABOVE_DEG: Final = 0.5
THICK_ABOVE_MM: Final = 5.5
"""Reconstructions for the abdomen are 5 mm at most; beyond, levels and muscle edges blur."""


@dataclass(frozen=True)
class StepReport:
    """Distances between neighbouring slices: the median in mm, and which steps are gaps or otherwise irregular."""

    median_mm: float
    gaps_mm: tuple[float, ...]
    irregular_steps: int
    step_count: int

    @property
    def uneven_share(self) -> float:
        """Share of the steps that are not the median one, gaps included, 0..1."""
        return (self.irregular_steps + len(self.gaps_mm)) / max(self.step_count, 1)


def positions_mm(planes: Sequence[PlaneGeometry]) -> NDArray[np.float64]:
    """Positions of parallel planes along the normal that points to the head, in mm, shape (n,)."""
    normal = planes[0].normal_lps
    towards_head = normal if normal[2] >= 0 else -normal
    return np.asarray([plane.origin_lps_mm for plane in planes]) @ towards_head


def measure_steps(sorted_mm: NDArray[np.float64]) -> StepReport:
    """Median distance, gaps and irregular steps of sorted, distinct positions."""
    steps = np.diff(sorted_mm)
    if not len(steps):
        return StepReport(0.0, (), 0, 0)
    median = float(np.median(steps))
    in_slices = steps / median
    gaps = in_slices > GAP_STEPS
    irregular = ~gaps & (np.abs(in_slices - 1) > SPACING_TOLERANCE)
    return StepReport(median, tuple(steps[gaps].tolist()), int(irregular.sum()), len(steps))


def stack_geometry(planes: Sequence[PlaneGeometry], thickness_mm: float | None) -> VolumeGeometry:
    """Geometry of parallel planes, sorted feet to head; a single slice takes its thickness for its spacing."""
    first = planes[0]
    spacing = measure_steps(positions_mm(planes)).median_mm or thickness_mm or 0.0
    return VolumeGeometry(
        tuple(plane.origin_lps_mm for plane in planes),
        first.row_direction_lps,
        first.column_direction_lps,
        (spacing, *first.spacing_mm_yx),
        (len(planes), *first.shape_yx),
    )


def tilt_degrees(geometry: VolumeGeometry) -> float:
    """Angle between the slices' normal and the line along which they are stacked (gantry tilt), in degrees."""
    origins = np.asarray(geometry.slice_origins_lps_mm)
    travel = origins[-1] - origins[0]
    length = float(np.linalg.norm(travel))
    if length < SAME_POSITION_MM:
        return 0.0
    cosine = float(np.clip(travel @ np.asarray(geometry.normal_lps) / length, -1, 1))
    return float(np.degrees(np.arccos(cosine)))


def stack_warnings(geometry: VolumeGeometry, thickness_mm: float | None) -> Iterable[ValidationIssue]:
    """What a reader of the result should know about the stack, see the table of codes in `sarcopenia.imaging`."""
    if geometry.shape_zyx[0] == 1:
        yield ValidationIssue("single_slice", "The scan is one single slice: its level cannot be checked.")
    yield from _spacing_warnings(measure_steps(geometry.slice_positions_mm))
    tilt = tilt_degrees(geometry)
    if tilt > TILT_ABOVE_DEG:
        yield ValidationIssue("gantry_tilt", f"The gantry was tilted by {tilt:.0f}°; slices are measured as acquired.")
    thickest = max(thickness_mm or 0.0, geometry.spacing_mm_zyx[0])
    if thickest > THICK_ABOVE_MM:
        text = f"Slices of {thickest:.1f} mm: the level and the edges of muscle are less certain."
        yield ValidationIssue("thick_slices", text)


def _spacing_warnings(steps: StepReport) -> Iterable[ValidationIssue]:
    if steps.gaps_mm:
        widest = max(steps.gaps_mm)
        text = f"Slices are missing in {len(steps.gaps_mm)} place(s); the widest step is {widest:.1f} mm"
        yield ValidationIssue("gap", f"{text} instead of {steps.median_mm:.1f} mm.", len(steps.gaps_mm))
    if steps.irregular_steps:
        text = f"The distance between slices varies around {steps.median_mm:.2f} mm."
        yield ValidationIssue("varying_spacing", text, steps.irregular_steps)
