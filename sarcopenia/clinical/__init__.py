"""What a number means: indices and cut-off profiles, every number with its citation."""

from sarcopenia.clinical.confounders import CONFOUNDERS, Confounder, confounder_flags, not_asked
from sarcopenia.clinical.indices import bmi_kg_m2, smi_cm2_m2
from sarcopenia.clinical.profiles import (
    NAMES,
    UNITS,
    CutOffProfile,
    Limit,
    ProfileComparison,
    ProfileSubject,
    Standing,
    all_profiles,
    compare_with_profiles,
)

__all__ = [
    "CONFOUNDERS",
    "NAMES",
    "UNITS",
    "Confounder",
    "CutOffProfile",
    "Limit",
    "ProfileComparison",
    "ProfileSubject",
    "Standing",
    "all_profiles",
    "bmi_kg_m2",
    "compare_with_profiles",
    "confounder_flags",
    "not_asked",
    "smi_cm2_m2",
]
