"""Cut-off profiles: named, cited limits, and how far a measurement lies from each. There is no global verdict.

A comparison says "below" or "not below <profile>" or stays blank with the reason; it never says "sarcopenic". A limit
holds for SMA, SMI or SMD at L3 of one sex, for some profiles only in a range of BMI, and for SMD only in images of the
same contrast phase and tube voltage.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final

from sarcopenia.clinical.data_files import checked, entries_of, faulty, member
from sarcopenia.clinical.subject import NAMES, UNITS, ProfileSubject, why_not_comparable
from sarcopenia.domain.volume import Sex

FILE: Final = "profiles.toml"
OPERATORS: Final = ("<", "<=")


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
    hu_phase, hu_kvp: contrast phase and tube voltages (kV) for which a density limit holds.
    confirmed: whether the limits were read at the source; ``note`` says how, and what is open. The name of one that
        is not confirmed says so.
    preselected_for: procedure (a value of `evidence.Procedure`) for which the page proposes the profile, "" for none.
    sample_size: people in the study, ``None`` where not confirmed at the source.
    """

    id: str
    name: str
    population: str
    outcome: str
    level_rule: str
    hu_phase: str
    hu_kvp: tuple[float, ...]
    bmi_rule: str
    citation: str
    confirmed: bool
    note: str
    preselected_for: str
    limits: tuple[Limit, ...]
    sample_size: int | None = None


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


@dataclass(frozen=True)
class ProfileSummary:
    """How much the choice of the profile decides for one measure: below ``below`` of ``applicable`` profiles.

    ``not_applicable`` lists the profiles that were not compared, each with the reason.
    """

    measure: str
    below: int
    applicable: int
    not_applicable: tuple[tuple[CutOffProfile, str], ...]
    words: str


@cache
def all_profiles() -> tuple[CutOffProfile, ...]:
    """Every profile of the product, in the order of the data file.

    Raises
    ------
    SettingsError: an entry of the file is not complete.
    """
    return tuple(profile_from(entry) for entry in entries_of(FILE, "profile"))


def profile_from(entry: dict[str, Any]) -> CutOffProfile:
    """One profile from its entry in the data file.

    Raises
    ------
    SettingsError: a field is missing, unknown, mistyped or has no meaning.
    """
    where = f"{FILE}, profile {entry.get('id', 'without id')}"
    values = checked(CutOffProfile, entry, where)
    return CutOffProfile(**{**values, "limits": tuple(_limit(limit, where) for limit in values["limits"])})


def _limit(entry: dict[str, Any], where: str) -> Limit:
    values = checked(Limit, entry, f"{where}, limit")
    if values["measure"] not in UNITS or values["operator"] not in OPERATORS:
        raise faulty(where, f"“{values['measure']} {values['operator']}” is not a measure with < or <=")
    return Limit(**{**values, "sex": member(Sex, values["sex"], where)})


def compare_with_profiles(
    subject: ProfileSubject, profiles: tuple[CutOffProfile, ...] | None = None
) -> tuple[ProfileComparison, ...]:
    """Every measure of every profile (by default all of the product) against one measurement."""
    return tuple(
        _compare(profile, measure, subject)
        for profile in (all_profiles() if profiles is None else profiles)
        for measure in dict.fromkeys(limit.measure for limit in profile.limits)
    )


def summarise(comparisons: Sequence[ProfileComparison]) -> tuple[ProfileSummary, ...]:
    """One summary a measure, because a low area and a low density are not the same thing and are not added up."""
    return tuple(
        _summary(measure, [comparison for comparison in comparisons if comparison.measure == measure])
        for measure in UNITS
        if any(comparison.measure == measure for comparison in comparisons)
    )


def _summary(measure: str, comparisons: Sequence[ProfileComparison]) -> ProfileSummary:
    blank = tuple((each.profile, each.reason) for each in comparisons if each.standing is Standing.BLANK)
    below = sum(each.standing is Standing.BELOW for each in comparisons)
    applicable = len(comparisons) - len(blank)
    answer = f"below {below} of {applicable} applicable profiles" if applicable else "no applicable profile"
    reasons = ", ".join(f"{count} × {reason}" for reason, count in Counter(reason for _, reason in blank).items())
    rest = f"; {len(blank)} not applicable ({reasons})" if blank else ""
    return ProfileSummary(measure, below, applicable, blank, f"{NAMES[measure]}: {answer}{rest}.")


def _compare(profile: CutOffProfile, measure: str, subject: ProfileSubject) -> ProfileComparison:
    value = subject.value_of(measure)
    reason = why_not_comparable(measure, subject, profile.hu_phase, profile.hu_kvp)
    limit = None if reason else _limit_for(profile, measure, subject)
    if reason is None and limit is None:
        known = "this BMI is outside" if subject.bmi_kg_m2 is not None else "the BMI is not known"
        reason = f"{profile.bmi_rule}; {known}"
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


def _limit_for(profile: CutOffProfile, measure: str, subject: ProfileSubject) -> Limit | None:
    """The limit for this sex and BMI; ``None`` when the rule needs a BMI that is unknown or outside."""
    bmi = subject.bmi_kg_m2
    for limit in profile.limits:
        if limit.measure != measure or limit.sex is not subject.sex:
            continue
        unconditional = limit.bmi_from is None and limit.bmi_below is None
        if unconditional or (bmi is not None and limit.holds_for_bmi(bmi)):
            return limit
    return None
