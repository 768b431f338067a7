"""From compartments and HU to tissues and areas: the arithmetic that the product exists for.

Definitions (one slice, native pixels; HU ranges inclusive):
skeletal muscle = muscle wall ∩ −29..150 HU (Mitsiopoulos 1998; Mourtzakis 2008); low-attenuation muscle = −29..29 HU
of it (Aubrey 2014); SMD = mean HU of skeletal muscle; IMAT = muscle wall ∩ −190..−30; SAT = subcutaneous ∩ −190..−30;
VAT = visceral cavity ∩ −150..−50 (sliceOmatic's habit; −190..−30 as BOA and TotalSegmentator use is selectable).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sarcopenia.domain.results import BodyComposition, Compartment

HuRange = tuple[int, int]
MUSCLE_HU: Final[HuRange] = (-29, 150)
LOW_ATTENUATION_HU: Final[HuRange] = (-29, 29)
FAT_HU: Final[HuRange] = (-190, -30)
VAT_HU: Final[HuRange] = (-150, -50)


def tissue_mask(
    hu_yx: NDArray[np.int16], compartments_yx: NDArray[np.uint8], compartment: Compartment, hu_range: HuRange
) -> NDArray[np.bool_]:
    """Pixels (y, x) of one compartment whose HU lie in the range, ends included."""
    return np.asarray((compartments_yx == compartment) & (hu_yx >= hu_range[0]) & (hu_yx <= hu_range[1]))


def muscle_mask(hu_yx: NDArray[np.int16], compartments_yx: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Skeletal muscle: muscle wall ∩ −29..150 HU."""
    return tissue_mask(hu_yx, compartments_yx, Compartment.MUSCLE_WALL, MUSCLE_HU)


def body_composition(
    hu_yx: NDArray[np.int16],
    compartments_yx: NDArray[np.uint8],
    pixel_area_mm2: float,
    vat_range_hu: HuRange = VAT_HU,
    painted_yx: NDArray[np.bool_] | None = None,
) -> BodyComposition:
    """Areas in cm² and density in HU of one slice; SMD is ``None`` where there is no muscle.

    ``painted_yx`` is a muscle mask (y, x) that a person mended: it counts as it is, and no pixel of it as fat.
    """
    muscle = muscle_mask(hu_yx, compartments_yx) if painted_yx is None else painted_yx

    def area(mask_yx: NDArray[np.bool_]) -> float:
        return float(np.count_nonzero(mask_yx) * pixel_area_mm2 / 100.0)

    def fat(compartment: Compartment, hu_range: HuRange) -> float:
        return area(tissue_mask(hu_yx, compartments_yx, compartment, hu_range) & ~muscle)

    return BodyComposition(
        sma_cm2=area(muscle),
        smd_hu=float(hu_yx[muscle].mean(dtype=np.float64)) if muscle.any() else None,
        lama_cm2=area(muscle & (hu_yx >= LOW_ATTENUATION_HU[0]) & (hu_yx <= LOW_ATTENUATION_HU[1])),
        sat_cm2=fat(Compartment.SUBCUTANEOUS, FAT_HU),
        vat_cm2=fat(Compartment.VISCERAL_CAVITY, vat_range_hu),
        imat_cm2=fat(Compartment.MUSCLE_WALL, FAT_HU),
        vat_range_hu=vat_range_hu,
    )
