"""Left against right: muscle on both sides of the spine, and the psoas apart.

The body may lie turned: the line between the sides runs through the middle of the vertebral body, at a right angle to
the long axis of wall, cavity and spine together.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.assessment.trunk_view import TrunkView
from sarcopenia.domain.results import Compartment

SPINE_REACH_MM: Final = 45.0
"""How far the spine may lie from the middle of the trunk: ribs and iliac wings lie farther out."""
BODY_DEPTH_MM: Final = 25.0
"""Front part of a lumbar vertebra that is body for certain (bodies are 30 to 35 mm deep)."""
MAX_TURN_DEG: Final = 20.0
"""Nobody lies turned by more on the back; a rounder trunk has no long axis to be told by."""
PSOAS_REACH_MM: Final = 65.0
"""From the mid-line; the wall of the flank begins at about 100 mm, the quadratus lies farther back."""
PSOAS_DEPTH_MM: Final = (-15.0, 35.0)
"""Before and behind the front of the vertebral body: to the roots of the transverse processes."""


@dataclass(frozen=True)
class Sides:
    """One muscle on the patient's left and right, cm²."""

    left_cm2: float
    right_cm2: float

    @property
    def larger_cm2(self) -> float:
        """The larger side."""
        return max(self.left_cm2, self.right_cm2)

    @property
    def missing_share(self) -> float:
        """How much smaller the smaller side is, 0..1 of the larger."""
        larger = self.larger_cm2
        return 1 - min(self.left_cm2, self.right_cm2) / larger if larger > 0 else 0.0


@dataclass(frozen=True)
class BothSides:
    """All muscle, and the psoas."""

    muscle: Sides
    psoas: Sides


def compare_sides(view: TrunkView) -> BothSides | None:
    """Muscle areas on both sides of the spine; ``None`` where the slice shows no spine or no muscle."""
    spine = _spine(view)
    if spine is None:
        return None
    turn = _turn(view)
    across, back = _turned(view, turn)
    front = float(np.percentile(back[spine], 1))
    body = spine & (back < front + BODY_DEPTH_MM)
    across = across - across[body].mean()
    depth = back - front
    psoas = (np.abs(across) <= PSOAS_REACH_MM) & (depth >= PSOAS_DEPTH_MM[0]) & (depth <= PSOAS_DEPTH_MM[1])
    muscle = np.where(view.trunk_yx > Compartment.OUTSIDE, view.muscle_yx, np.float32(0))
    return BothSides(_sides(view, muscle, across), _sides(view, np.where(psoas, muscle, np.float32(0)), across))


def _sides(view: TrunkView, muscle_yx: NDArray[np.float32], across_mm: NDArray[np.float64]) -> Sides:
    return Sides(view.area_cm2(muscle_yx[across_mm > 0]), view.area_cm2(muscle_yx[across_mm <= 0]))


def _spine(view: TrunkView) -> NDArray[np.bool_] | None:
    """The largest bone near the middle of the trunk."""
    labels, count = ndimage.label(view.trunk_yx == Compartment.SPINE_BONE, np.ones((3, 3)))
    if count == 0:
        return None
    middle = np.nonzero(view.inside_yx)[1].mean()
    numbers = np.arange(1, count + 1)
    columns = ndimage.mean(np.broadcast_to(np.arange(labels.shape[1]), labels.shape), labels, numbers)
    sizes = ndimage.sum_labels(labels > 0, labels, numbers)
    sizes = np.where(np.abs(columns - middle) * view.spacing_mm_yx[1] <= SPINE_REACH_MM, sizes, 0)
    return labels == numbers[sizes.argmax()] if sizes.any() else None


def _turn(view: TrunkView) -> float:
    """Angle of the trunk's long axis against the columns in radians, within `MAX_TURN_DEG`."""
    y, x = (index * spacing for index, spacing in zip(np.nonzero(view.inside_yx), view.spacing_mm_yx, strict=True))
    axis = np.linalg.eigh(np.cov(np.stack([x, y])))[1][:, 1]
    angle = np.arctan2(axis[1], axis[0] if axis[0] else 1e-9)
    angle = (angle + np.pi / 2) % np.pi - np.pi / 2
    limit = np.radians(MAX_TURN_DEG)
    return float(np.clip(angle, -limit, limit))


def _turned(view: TrunkView, turn: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance to the left and to the back of every pixel in mm, along the axes of the turned body."""
    rows, columns = view.trunk_yx.shape
    y = np.arange(rows)[:, None] * view.spacing_mm_yx[0]
    x = np.arange(columns)[None, :] * view.spacing_mm_yx[1]
    return x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
