"""Indices computed from a measurement and the patient's size. Blank where the size is not plausible, never 0."""

from typing import Final

PLAUSIBLE_HEIGHT_M: Final = (1.20, 2.20)
"""Adults outside this range are so rare that a wrong unit or a typing error is more likely."""


def smi_cm2_m2(sma_cm2: float, height_m: float | None) -> float | None:
    """Skeletal muscle index: SMA at L3 divided by height squared, cm²/m² (Prado 2008); ``None`` without a height."""
    low, high = PLAUSIBLE_HEIGHT_M
    if height_m is None or not low <= height_m <= high:
        return None
    return sma_cm2 / height_m**2


def bmi_kg_m2(weight_kg: float | None, height_m: float | None) -> float | None:
    """Body mass index, kg/m²; ``None`` without weight or plausible height."""
    low, high = PLAUSIBLE_HEIGHT_M
    if weight_kg is None or weight_kg <= 0 or height_m is None or not low <= height_m <= high:
        return None
    return weight_kg / height_m**2
