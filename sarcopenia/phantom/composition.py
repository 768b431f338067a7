"""Exact tissue areas of a slice from its compartments and HU: plain counting of pixels times pixel area.

Muscle = wall ∩ −29..150 HU, of it low-attenuation −29..29 (LAMA); intermuscular fat = wall ∩ −190..−30; subcutaneous
fat = subcutaneous ∩ −190..−30; visceral fat = cavity ∩ −150..−50. Areas in cm².
"""

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import BodyComposition, Compartment

VAT_RANGE_HU = (-150, -50)


def count_composition(
    hu_yx: NDArray[np.int16], compartments_yx: NDArray[np.uint8], pixel_area_mm2: float
) -> BodyComposition:
    """Areas of one slice, arrays of shape (rows, columns)."""

    def tissue(compartment: Compartment, low: int, high: int) -> NDArray[np.bool_]:
        return np.asarray((compartments_yx == compartment) & (hu_yx >= low) & (hu_yx <= high))

    def area_cm2(mask: NDArray[np.bool_]) -> float:
        return float(mask.sum()) * pixel_area_mm2 / 100

    muscle = tissue(Compartment.MUSCLE_WALL, -29, 150)
    return BodyComposition(
        sma_cm2=area_cm2(muscle),
        smd_hu=float(hu_yx[muscle].mean()) if muscle.any() else None,
        lama_cm2=area_cm2(tissue(Compartment.MUSCLE_WALL, -29, 29)),
        sat_cm2=area_cm2(tissue(Compartment.SUBCUTANEOUS, -190, -30)),
        vat_cm2=area_cm2(tissue(Compartment.VISCERAL_CAVITY, *VAT_RANGE_HU)),
        imat_cm2=area_cm2(tissue(Compartment.MUSCLE_WALL, -190, -30)),
        vat_range_hu=VAT_RANGE_HU,
    )
