"""The measured slice as the checks of the anatomy see it: turned to the patient, coarse, with arms told from the trunk.

Two millimetres are enough to find what makes an area mean something else; nothing is measured here that is reported as
body composition.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sarcopenia.assessment.events import AssessmentArrays
from sarcopenia.assessment.model_grid import BODY_THRESHOLD_HU, CanonicalView
from sarcopenia.domain.results import Compartment

VIEW_MM: Final = 1.5
"""Blocks of native pixels are joined up to about this size."""
ARM_NECKS_MM: Final = (10.0, 18.0, 24.0)
"""Half widths of the bridge of skin that may join an arm to the trunk, tried in turn: forearms are 50 to 90 mm thick
and may be pressed against the flank, a wrist is so thin that it is only left at the first."""
ARM_AREA_CM2: Final = (12.0, 200.0)
"""From a wrist to an upper arm of an obese person; with the trunk's own area far above."""
ARM_BONE_CM2: Final = 0.6
"""The two bones of a forearm have 1.5 cm² of cortex and more, the table parts of the training scans none under soft
tissue."""
ARM_BONE_HU: Final = 200.0
SOFT_TISSUE_HU: Final = (-190.0, 200.0)
ARM_SOFT_SHARE: Final = 0.6
"""Cushions, tubes and pumps are no soft tissue; the two bones of a forearm are a tenth of it."""


@dataclass(frozen=True)
class Arm:
    """A part of the body beside the trunk with bone in it: its pixels (y, x) of the view, and the patient's side."""

    mask_yx: NDArray[np.bool_]
    on_the_left: bool


@dataclass(frozen=True)
class TrunkView:
    """One slice, rows to the patient's back and columns to the left.

    Attributes
    ----------
    hu_yx: float32 mean HU. compartments_yx: uint8. muscle_yx: float32 share of each pixel in the muscle mask, 0..1.
    spacing_mm_yx: of these pixels.
    """

    hu_yx: NDArray[np.float32]
    compartments_yx: NDArray[np.uint8]
    muscle_yx: NDArray[np.float32]
    spacing_mm_yx: tuple[float, float]

    @classmethod
    def of(cls, arrays: AssessmentArrays) -> "TrunkView":
        """View of a measured slice with the mask that counts."""
        view = CanonicalView.of(arrays.plane)
        step = max(1, round(VIEW_MM / max(view.spacing_mm_yx)))
        found = arrays.compartments
        middle = _blocks(view.apply(found.compartments_yx), step)[:, step // 2, :, step // 2]
        return cls(
            _blocks(view.apply(arrays.hu_yx).astype(np.float32), step).mean(axis=(1, 3)),
            np.asarray(middle, dtype=np.uint8),
            _blocks(view.apply(found.muscle_yx).astype(np.float32), step).mean(axis=(1, 3)),
            (view.spacing_mm_yx[0] * step, view.spacing_mm_yx[1] * step),
        )

    def area_cm2(self, mask_yx: NDArray[np.bool_] | NDArray[np.float32]) -> float:
        """Area of a mask, or of shares of pixels."""
        return float(mask_yx.sum()) * self.spacing_mm_yx[0] * self.spacing_mm_yx[1] / 100

    def smooth_hu(self, sigma_mm: float) -> NDArray[np.float32]:
        """HU with less noise."""
        sigma = [sigma_mm / spacing for spacing in self.spacing_mm_yx]
        return np.asarray(ndimage.gaussian_filter(self.hu_yx, sigma), dtype=np.float32)

    def depth_mm(self, mask_yx: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Distance of every pixel of a mask to what lies outside it; beyond the image the mask goes on."""
        return np.asarray(ndimage.distance_transform_edt(mask_yx, sampling=self.spacing_mm_yx))

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """Arms beside or on the trunk, one a side at most, also where they touch it."""
        depth = self.depth_mm(ndimage.binary_fill_holes(self.hu_yx > BODY_THRESHOLD_HU))
        found = [arm for half_mm in ARM_NECKS_MM for arm in self._arms_behind_a_neck(depth, half_mm)]
        best = {arm.on_the_left: arm for arm in sorted(found, key=lambda arm: int(arm.mask_yx.sum()))}
        return tuple(best.values())

    def _arms_behind_a_neck(self, depth_mm: NDArray[np.float64], half_mm: float) -> list[Arm]:
        labels, count = ndimage.label(depth_mm > half_mm)
        if count < 2:
            return []
        sizes = ndimage.sum_labels(labels > 0, labels, np.arange(1, count + 1))
        trunk = 1 + int(sizes.argmax())
        middle = ndimage.center_of_mass(labels == trunk)[1]
        distance, nearest = ndimage.distance_transform_edt(labels == 0, self.spacing_mm_yx, return_indices=True)
        parts = np.where((distance <= half_mm + self.spacing_mm_yx[0]) & (depth_mm > 0), labels[tuple(nearest)], 0)
        masks = [parts == label for label in range(1, count + 1) if label != trunk]
        return [Arm(mask, bool(np.nonzero(mask)[1].mean() > middle)) for mask in masks if self._is_an_arm(mask)]

    def _is_an_arm(self, mask_yx: NDArray[np.bool_]) -> bool:
        if not ARM_AREA_CM2[0] <= self.area_cm2(mask_yx) <= ARM_AREA_CM2[1]:
            return False
        hu = self.hu_yx[mask_yx]
        soft = (hu >= SOFT_TISSUE_HU[0]) & (hu <= SOFT_TISSUE_HU[1])
        bone = mask_yx & (self.smooth_hu(1.5) > ARM_BONE_HU)
        return bool(soft.mean() >= ARM_SOFT_SHARE and self.area_cm2(bone) >= ARM_BONE_CM2)

    @cached_property
    def trunk_yx(self) -> NDArray[np.uint8]:
        """The compartments without the arms, whatever the models took these for."""
        trunk = self.compartments_yx.copy()
        for arm in self.arms:
            trunk[arm.mask_yx] = Compartment.OUTSIDE
        return trunk

    @cached_property
    def inside_yx(self) -> NDArray[np.bool_]:
        """Wall, cavity and bone of the trunk."""
        return np.asarray(self.trunk_yx >= Compartment.MUSCLE_WALL)


def _blocks(image: NDArray[np.generic], step: int) -> NDArray[np.generic]:
    """Rows and columns in blocks: shape (y, step, x, step); what does not fill a block is left out."""
    rows, columns = (size // step * step for size in image.shape)
    return image[:rows, :columns].reshape(rows // step, step, columns // step, step)
