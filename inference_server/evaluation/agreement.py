"""Agreement of two muscle masks on native pixels: overlap, distance of the borders, errors of area and density.

Both masks are muscle wall ∩ −29..150 HU of the same slice, as in the assessment. The wall itself is compared too,
because noise makes holes in the muscle whose borders say nothing about the outline.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference_server.training.datasets.compartment_data import UNLABELLED, NativeSlice
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.assessment.model_grid import axial_grid
from sarcopenia.clinical.method_comparison import dice_of
from sarcopenia.domain.results import Compartment

MemberModel = Callable[[NDArray[np.int16]], NDArray[np.float32]]
"""int16 slice (y, x) on the model grid -> probabilities (5, y, x)."""
HAUSDORFF_PERCENTILE: Final = 95


@dataclass(frozen=True)
class SurfaceDistance:
    """How far two outlines lie apart, in mm: 95th percentile (HD95) and mean, both ways."""

    hd95_mm: float
    mean_mm: float


@dataclass(frozen=True)
class MuscleAgreement:
    """One slice of one scan.

    Attributes
    ----------
    dice: of the muscle masks. sma_cm2, reference_sma_cm2: their areas.
    smd_error_hu: mean HU found minus reference; NaN when nothing was found. muscle: distance of the muscle's borders.
    wall: of the borders of the wall compartment; ``None`` against a mask that has muscle only.
    """

    name: str
    slice_index: int
    dice: float
    sma_cm2: float
    reference_sma_cm2: float
    smd_error_hu: float
    muscle: SurfaceDistance
    wall: SurfaceDistance | None

    @property
    def sma_error_cm2(self) -> float:
        """Signed error of the SMA in cm²."""
        return self.sma_cm2 - self.reference_sma_cm2

    @property
    def sma_error_percent(self) -> float:
        """Signed error of the SMA in % of the reference."""
        return 100 * (self.sma_cm2 / self.reference_sma_cm2 - 1)


def compartments_of(native: NativeSlice, model: MemberModel) -> NDArray[np.uint8]:
    """Compartments (y, x) that a model finds on the native pixels of a slice."""
    grid = axial_grid(native.hu_yx, native.plane)
    probability = model(np.round(grid.to_model(native.hu_yx)).astype(np.int16))
    return grid.to_native(probability).argmax(0).astype(np.uint8)


def surface_distance(
    found_yx: NDArray[np.bool_], reference_yx: NDArray[np.bool_], spacing_mm_yx: tuple[float, float]
) -> SurfaceDistance:
    """Distance between the border pixels of two masks, as MONAI defines it; infinite when one of both is empty.

    HD95 is the larger of both directed 95th percentiles, the mean is over the border pixels of both. (MONAI 1.6 itself
    warns about its own arguments on every call.)
    """
    if not found_yx.any() or not reference_yx.any():
        return SurfaceDistance(float("inf"), float("inf"))
    borders = [mask & ~ndimage.binary_erosion(mask) for mask in (found_yx, reference_yx)]
    there, back = (
        ndimage.distance_transform_edt(~other, sampling=spacing_mm_yx)[border]
        for border, other in (borders, borders[::-1])
    )
    hd95 = max(np.percentile(distances, HAUSDORFF_PERCENTILE) for distances in (there, back))
    return SurfaceDistance(float(hd95), float(np.concatenate([there, back]).mean()))


def muscle_agreement(
    native: NativeSlice, compartments_yx: NDArray[np.uint8], reference_yx: NDArray[np.bool_] | None = None
) -> MuscleAgreement:
    """Agreement on one slice, with the drawn compartments or with another reader's muscle mask (y, x).

    Raises
    ------
    ValueError: the reference holds no muscle, so that no error in % exists.
    """
    known = native.labels_yx != UNLABELLED
    found = muscle_mask(native.hu_yx, compartments_yx) & known
    reference = muscle_mask(native.hu_yx, native.labels_yx) if reference_yx is None else reference_yx
    if not reference.any():
        raise ValueError(f"{native.name}, slice {native.slice_index}: the reference holds no muscle")
    area_cm2, spacing = native.plane.pixel_area_mm2 / 100, native.plane.spacing_mm_yx
    wall = None
    if reference_yx is None:
        walls = (compartments_yx == Compartment.MUSCLE_WALL) & known, native.labels_yx == Compartment.MUSCLE_WALL
        wall = surface_distance(*walls, spacing)
    return MuscleAgreement(
        name=native.name,
        slice_index=native.slice_index,
        dice=dice_of(found, reference),
        sma_cm2=float(found.sum() * area_cm2),
        reference_sma_cm2=float(reference.sum() * area_cm2),
        smd_error_hu=_mean_hu(native.hu_yx, found) - _mean_hu(native.hu_yx, reference),
        muscle=surface_distance(found, reference, spacing),
        wall=wall,
    )


def _mean_hu(hu_yx: NDArray[np.int16], mask_yx: NDArray[np.bool_]) -> float:
    return float(hu_yx[mask_yx].mean(dtype=np.float64)) if mask_yx.any() else float("nan")
