"""What is compared with published values: one measurement, its person and its image, and why it cannot be compared.

Nothing is guessed: what is not known leaves a comparison blank with the reason.
"""

from dataclasses import dataclass
from typing import Final

from sarcopenia.clinical.indices import bmi_kg_m2, smi_cm2_m2
from sarcopenia.domain.volume import ContrastPhase, Sex

REQUIRED_LEVEL: Final = "L3"
UNITS: Final = {"sma_cm2": "cm²", "smi_cm2_m2": "cm²/m²", "smd_hu": "HU"}
NAMES: Final = {"sma_cm2": "SMA", "smi_cm2_m2": "SMI", "smd_hu": "SMD"}
NOT_STATED: Final = "not stated"
"""Contrast phase of a source that could not be read there: its densities are compared with nothing."""


@dataclass(frozen=True)
class ProfileSubject:
    """What a comparison needs: the measurement, the person, the image. ``None`` = not known, never guessed.

    ``blocked_because`` forbids every comparison, for example because the field of view cuts muscle.
    """

    sma_cm2: float
    smd_hu: float | None
    level: str | None
    sex: Sex
    height_m: float | None
    weight_kg: float | None
    contrast_phase: ContrastPhase
    kvp: float | None
    spectral: str = ""
    blocked_because: str = ""

    @property
    def bmi_kg_m2(self) -> float | None:
        """Body mass index, ``None`` where weight or height is not known."""
        return bmi_kg_m2(self.weight_kg, self.height_m)

    def value_of(self, measure: str) -> float | None:
        """Value of a measure (a key of `UNITS`); ``None`` where it cannot be computed."""
        if measure == "sma_cm2":
            return self.sma_cm2
        return smi_cm2_m2(self.sma_cm2, self.height_m) if measure == "smi_cm2_m2" else self.smd_hu


def why_not_comparable(
    measure: str, subject: ProfileSubject, phase: str, tube_voltages_kv: tuple[float, ...]
) -> str | None:
    """Why a measure may not be held against published values; ``None`` where it may.

    ``phase`` and ``tube_voltages_kv`` describe the images of the source and matter for densities only.
    """
    if subject.blocked_because:
        return subject.blocked_because
    if subject.level != REQUIRED_LEVEL:
        return f"the slice is at {subject.level or 'an unknown level'}, the published values are for L3"
    if subject.sex not in (Sex.MALE, Sex.FEMALE):
        return "the published values need a sex; choose a reference set"
    if subject.value_of(measure) is None:
        return "no plausible height is known" if measure == "smi_cm2_m2" else "there is no density"
    return _density_mismatch(subject, phase, tube_voltages_kv) if measure == "smd_hu" else None


def _density_mismatch(subject: ProfileSubject, phase: str, tube_voltages_kv: tuple[float, ...]) -> str | None:
    found, kvp = subject.contrast_phase, "unknown" if subject.kvp is None else f"{subject.kvp:g} kV"
    mismatches = (
        (bool(subject.spectral), f"the image is spectral ({subject.spectral})"),
        (phase == NOT_STATED, "the contrast phase of the published density is not confirmed"),
        (found is ContrastPhase.UNKNOWN, "the contrast phase of the scan is not known"),
        (found.value != phase, f"the contrast phase ({found.value}) is not that of the published density ({phase})"),
        (not tube_voltages_kv, "the tube voltage of the published density is not confirmed"),
        (subject.kvp not in tube_voltages_kv, f"the tube voltage ({kvp}) is not that of the published density"),
    )
    return next((words for mismatch, words in mismatches if mismatch), None)
