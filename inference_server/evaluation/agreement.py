"""Agreement of two muscle masks on native pixels: Dice and the error of skeletal muscle area.

Both masks are muscle wall ∩ −29..150 HU of the same slice, as in the assessment.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_server.training.compartment_data import UNLABELLED, NativeSlice
from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.assessment.model_grid import axial_grid

MemberModel = Callable[[NDArray[np.int16]], NDArray[np.float32]]
"""int16 slice (y, x) on the model grid -> probabilities (5, y, x)."""


@dataclass(frozen=True)
class MuscleAgreement:
    """One slice: Dice of the muscle masks, reference SMA in cm², signed SMA error in % of the reference."""

    name: str
    slice_index: int
    dice: float
    reference_sma_cm2: float
    sma_error_percent: float


def compartments_of(native: NativeSlice, model: MemberModel) -> NDArray[np.uint8]:
    """Compartments (y, x) that a model finds on the native pixels of a slice."""
    grid = axial_grid(native.hu_yx, native.plane)
    probability = model(np.round(grid.to_model(native.hu_yx)).astype(np.int16))
    return grid.to_native(probability).argmax(0).astype(np.uint8)


def muscle_agreement(
    native: NativeSlice, compartments_yx: NDArray[np.uint8], reference_yx: NDArray[np.bool_] | None = None
) -> MuscleAgreement:
    """Agreement on one slice, with the drawn compartments or with another reader's muscle mask."""
    known = native.labels_yx != UNLABELLED
    found = muscle_mask(native.hu_yx, compartments_yx) & known
    reference = muscle_mask(native.hu_yx, native.labels_yx) if reference_yx is None else reference_yx
    area_cm2 = native.plane.pixel_area_mm2 / 100
    dice = 2 * (found & reference).sum() / (found.sum() + reference.sum())
    error = 100 * (found.sum() / reference.sum() - 1)
    return MuscleAgreement(
        native.name, native.slice_index, float(dice), float(reference.sum() * area_cm2), float(error)
    )
