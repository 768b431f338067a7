"""Cut-off profiles: named, cited limits, and how far a measurement lies from each. There is no global verdict.

A comparison says "below" or "not below <profile>" or stays blank with the reason; it never says "sarcopenic". A limit
holds for SMA, SMI or SMD at L3 of one sex, for some profiles only in a range of BMI, and for SMD only in images of the
same contrast phase and tube voltage.
"""

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any, Final

from sarcopenia.clinical.indices import bmi_kg_m2, smi_cm2_m2
from sarcopenia.domain.volume import ContrastPhase, Sex

REQUIRED_LEVEL: Final = "L3"
UNITS: Final = {"sma_cm2": "cm²", "smi_cm2_m2": "cm²/m²", "smd_hu": "HU"}
NAMES: Final = {"sma_cm2": "SMA", "smi_cm2_m2": "SMI", "smd_hu": "SMD"}


@dataclass(frozen=True)
class Limit:
    """One limit: measure (a key of `UNITS`), sex, operator, value, and the BMI range (kg/m²) in which it holds."""

    measure: str
    sex: Sex
    operator: str
    value: float
    bmi_from: float | None = None
    bmi_below: float | None = None

    def is_met_by(self, value: float) -> bool:
        """Whether a value counts as low."""
        return value <= self.value if self.operator == "<=" else value < self.value

    def holds_for_bmi(self, bmi: float) -> bool:
        """Whether the limit is meant for this BMI."""
        return (self.bmi_from is None or bmi >= self.bmi_from) and (self.bmi_below is None or bmi < self.bmi_below)


@dataclass(frozen=True)
class CutOffProfile:
    """A published set of limits and where it comes from.

    Attributes
    ----------
    sample_size: people in the study, ``None`` where not confirmed at the source.
    hu_phase, hu_kvp: contrast phase and tube voltages (kV) for which a density limit holds.
    preselected_for: kind of operation for which the page proposes the profile, "" for none.
    """

    id: str
    name: str
    population: str
    sample_size: int | None
    outcome: str
    level_rule: str
    hu_phase: str
    hu_kvp: tuple[float, ...]
    bmi_rule: str
    citation: str
    confirmed: bool
    preselected_for: str
    limits: tuple[Limit, ...]


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


class Standing(StrEnum):
    """Result of one comparison."""

    BELOW = "below"
    NOT_BELOW = "not_below"
    BLANK = "blank"


@dataclass(frozen=True)
class ProfileComparison:
    """One measure against one profile.

    ``distance`` is value minus limit in the measure's unit; ``None`` when blank, and ``reason`` says why. ``words``
    is the sentence for people.
    """

    profile: CutOffProfile
    measure: str
    standing: Standing
    value: float | None
    limit: Limit | None
    distance: float | None
    words: str
    reason: str = ""


@cache
def all_profiles() -> tuple[CutOffProfile, ...]:
    """Every profile of the product, in the order of the data file."""
    text = resources.files("sarcopenia.clinical").joinpath("profiles.toml").read_text(encoding="utf-8")
    return tuple(_profile(entry) for entry in tomllib.loads(text)["profile"])


def _profile(entry: dict[str, Any]) -> CutOffProfile:
    limits = tuple(Limit(**{**limit, "sex": Sex(limit["sex"])}) for limit in entry["limits"])
    fields = {**entry, "limits": limits, "hu_kvp": tuple(entry["hu_kvp"]), "sample_size": entry.get("sample_size")}
    return CutOffProfile(**fields)


def compare_with_profiles(
    subject: ProfileSubject, profiles: tuple[CutOffProfile, ...] | None = None
) -> tuple[ProfileComparison, ...]:
    """Every measure of every profile (by default all of the product) against one measurement."""
    return tuple(
        _compare(profile, measure, subject)
        for profile in (all_profiles() if profiles is None else profiles)
        for measure in dict.fromkeys(limit.measure for limit in profile.limits)
    )


def _compare(profile: CutOffProfile, measure: str, subject: ProfileSubject) -> ProfileComparison:
    value = _value(measure, subject)
    reason = _reason_to_stay_blank(profile, measure, subject)
    limit = None if reason else _limit(profile, measure, subject)
    if reason is None and limit is None:
        reason = f"{profile.bmi_rule}; " + ("the BMI is not known" if _bmi(subject) is None else "this BMI is outside")
    if reason is not None or value is None or limit is None:
        words = f"{NAMES[measure]} not compared with {profile.name}: {reason}."
        return ProfileComparison(profile, measure, Standing.BLANK, value, None, None, words, reason or "")
    below = limit.is_met_by(value)
    distance = value - limit.value
    verdict = "below" if below else "not below"
    words = (
        f"{NAMES[measure]} {value:.1f} {UNITS[measure]}: {verdict} {profile.name} "
        f"({limit.operator} {limit.value:g}; distance {distance:+.1f})."
    )
    return ProfileComparison(
        profile, measure, Standing.BELOW if below else Standing.NOT_BELOW, value, limit, distance, words
    )


def _value(measure: str, subject: ProfileSubject) -> float | None:
    if measure == "sma_cm2":
        return subject.sma_cm2
    return smi_cm2_m2(subject.sma_cm2, subject.height_m) if measure == "smi_cm2_m2" else subject.smd_hu


def _reason_to_stay_blank(profile: CutOffProfile, measure: str, subject: ProfileSubject) -> str | None:
    if subject.blocked_because:
        return subject.blocked_because
    if subject.level != REQUIRED_LEVEL:
        return f"the slice is at {subject.level or 'an unknown level'}, the profile is for L3"
    if subject.sex not in (Sex.MALE, Sex.FEMALE):
        return "the profile needs a sex; choose a reference set"
    if _value(measure, subject) is None:
        return "no plausible height is known" if measure == "smi_cm2_m2" else "there is no density"
    return _density_mismatch(profile, subject) if measure == "smd_hu" else None


def _density_mismatch(profile: CutOffProfile, subject: ProfileSubject) -> str | None:
    """Why the density of this image may not be held against the profile."""
    phase, kvp = subject.contrast_phase, "unknown" if subject.kvp is None else f"{subject.kvp:g} kV"
    mismatches = (
        (bool(subject.spectral), f"the image is spectral ({subject.spectral})"),
        (profile.hu_phase == "not stated", "the contrast phase of its reference is not confirmed"),
        (phase is ContrastPhase.UNKNOWN, "the contrast phase of the scan is not known"),
        (
            phase.value != profile.hu_phase,
            f"the contrast phase ({phase.value}) is not the profile's ({profile.hu_phase})",
        ),
        (not profile.hu_kvp, "the tube voltage of its reference is not confirmed"),
        (subject.kvp not in profile.hu_kvp, f"the tube voltage ({kvp}) is not the profile's"),
    )
    return next((words for mismatch, words in mismatches if mismatch), None)


def _bmi(subject: ProfileSubject) -> float | None:
    return bmi_kg_m2(subject.weight_kg, subject.height_m)


def _limit(profile: CutOffProfile, measure: str, subject: ProfileSubject) -> Limit | None:
    """The limit for this sex and BMI; ``None`` when the rule needs a BMI that is unknown or outside."""
    bmi = _bmi(subject)
    for limit in profile.limits:
        if limit.measure != measure or limit.sex is not subject.sex:
            continue
        unconditional = limit.bmi_from is None and limit.bmi_below is None
        if unconditional or (bmi is not None and limit.holds_for_bmi(bmi)):
            return limit
    return None
