"""Statistics of a cohort, without Streamlit: SMI by sex and age, and how many lie below each cut-off profile.

Every function takes rows that count. A prevalence counts each person once; its 95 % confidence interval is Wilson's.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dashboard.cohort_view import CohortRow, counted, counting, kv_words, one_a_person, phase_words, sex_words
from dashboard.result_view import MISSING
from dashboard.review_view import review_words
from sarcopenia.assessment.flags import ADULT_YEARS
from sarcopenia.clinical import NAMES, CutOffProfile, ProfileComparison, Standing, compare_with_profiles
from sarcopenia.clinical.method_comparison import Interval
from sarcopenia.domain.volume import Sex

AGE_UNKNOWN: Final = "not known"
AREAS: Final = ("sma_cm2", "smi_cm2_m2")
QUESTIONS: Final = (("muscle area or index", AREAS), ("muscle density", ("smd_hu",)))
"""A low area and a low density are not the same thing and are never put into one range."""


@dataclass(frozen=True)
class SmiGroup:
    """SMI (cm²/m²) of one sex and decade of age: number, median and quartiles (linear interpolation)."""

    sex: Sex
    decade: str
    n: int
    lower_quartile: float
    median: float
    upper_quartile: float


@dataclass(frozen=True)
class Prevalence:
    """How many of the people to whom a profile applies lie below its limit for one measure (a key of `NAMES`).

    ``percent`` is ``None`` where it applies to nobody; ``reasons`` say why it does not apply, with number of people.
    """

    profile: CutOffProfile
    measure: str
    below: int
    applicable: int
    percent: Interval | None
    reasons: tuple[tuple[str, int], ...]

    @property
    def label(self) -> str:
        """Profile and measure."""
        return f"{self.profile.name} · {NAMES[self.measure]}"


def decade_of(age_years: float | None) -> str:
    """Decade of an adult's age, for example "60–69"; the first begins at 18."""
    if age_years is None:
        return AGE_UNKNOWN
    first = int(age_years) // 10 * 10
    return f"{max(first, ADULT_YEARS)}–{first + 9}"


def smi_groups(rows: Sequence[CohortRow]) -> tuple[SmiGroup, ...]:
    """Every sex and decade that has an SMI; women first, from young to old."""
    values: dict[tuple[Sex, str], list[float]] = defaultdict(list)
    order = [Sex.FEMALE, Sex.MALE, Sex.OTHER, Sex.UNKNOWN]
    for row in sorted(rows, key=lambda row: (order.index(row.person.sex), row.age_years is None, row.age_years or 0)):
        if row.smi_cm2_m2 is not None:
            values[row.person.sex, decade_of(row.age_years)].append(row.smi_cm2_m2)
    return tuple(
        SmiGroup(sex, decade, len(found), *map(float, np.percentile(found, [25, 50, 75])))
        for (sex, decade), found in values.items()
    )


def group_rows(groups: Sequence[SmiGroup]) -> list[dict[str, object]]:
    """Table of the groups."""
    return [
        {
            "Sex": sex_words(group.sex),
            "Age (years)": group.decade,
            "n": group.n,
            "Median SMI (cm²/m²)": round(group.median, 1),
            "Quartiles (cm²/m²)": f"{group.lower_quartile:.1f}–{group.upper_quartile:.1f}",
        }
        for group in groups
    ]


def smi_missing_words(rows: Sequence[CohortRow]) -> str:
    """How many scans have no SMI, and how many no age; "" where none is missing."""
    no_height = sum(row.smi_cm2_m2 is None for row in rows)
    no_age = sum(row.smi_cm2_m2 is not None and row.age_years is None for row in rows)
    parts = (
        f"{counted(no_height, 'scan')} without SMI: no height is known. Enter it at the scan." if no_height else "",
        f"{counted(no_age, 'scan')} without age: in the table, not in the chart." if no_age else "",
    )
    return " ".join(part for part in parts if part)


def prevalence_people(rows: Sequence[CohortRow], *, with_unsigned: bool) -> tuple[CohortRow, ...]:
    """The newest scan of every person that counts; of signed numbers alone unless unsigned ones are asked for."""
    return one_a_person([row for row in counting(rows) if row.signed or with_unsigned])


def prevalences(rows: Sequence[CohortRow]) -> tuple[Prevalence, ...]:
    """Every measure of every profile over people, given as one row each; none without people."""
    compared = [compare_with_profiles(row.subject) for row in rows if row.subject is not None]
    return tuple(_prevalence(answers) for answers in zip(*compared, strict=True))


def _prevalence(answers: Sequence[ProfileComparison]) -> Prevalence:
    reasons = Counter(answer.reason for answer in answers if answer.standing is Standing.BLANK)
    below = sum(answer.standing is Standing.BELOW for answer in answers)
    applicable = len(answers) - reasons.total()
    percent = wilson_percent(below, applicable) if applicable else None
    return Prevalence(answers[0].profile, answers[0].measure, below, applicable, percent, tuple(reasons.most_common()))


def wilson_percent(below: int, applicable: int) -> Interval:
    """A share in % with Wilson's 95 % confidence interval (Wilson EB, J Am Stat Assoc 1927;22:209)."""
    from statsmodels.stats.proportion import proportion_confint  # noqa: PLC0415 # a second to load; one view needs it

    low, high = proportion_confint(below, applicable, alpha=0.05, method="wilson")
    # The formula leaves 0..1 by rounding where nobody or everybody is below.
    return Interval(100 * below / applicable, max(100 * float(low), 0.0), min(100 * float(high), 100.0))


def range_words(found: Sequence[Prevalence]) -> tuple[str, ...]:
    """How much the choice of the cut-off decides, one sentence for area and one for density; needs two profiles."""
    told = []
    for name, measures in QUESTIONS:
        answered = [(each.percent.value, each) for each in found if each.percent and each.measure in measures]
        if len(answered) < 2:
            continue
        (low, least), (high, most) = (edge(answered, key=lambda pair: pair[0]) for edge in (min, max))
        told.append(
            f"Which cut-off is chosen decides the answer: low {name} from {low:.0f} % ({_of_whom(least)}) "
            f"to {high:.0f} % ({_of_whom(most)})."
        )
    return tuple(told)


def _of_whom(each: Prevalence) -> str:
    return f"{each.label}, {each.below} of {each.applicable}"


def prevalence_rows(found: Sequence[Prevalence]) -> list[dict[str, object]]:
    """Table of the profiles that apply to somebody, beside the chart."""
    return [
        {
            "Profile": each.profile.name,
            "Measure": NAMES[each.measure],
            "Below (n)": each.below,
            "Applies to (n)": each.applicable,
            "Below (%)": round(each.percent.value, 1),
            "95 % CI (%)": f"{each.percent.low:.1f}–{each.percent.high:.1f}",
            "Does not apply to": _reason_words(each) or MISSING,
            "Population": each.profile.population,
            "Citation": each.profile.citation,
        }
        for each in found
        if each.percent is not None
    ]


def nobody_rows(found: Sequence[Prevalence]) -> list[dict[str, str]]:
    """Profiles that apply to nobody here, each with the reasons."""
    return [
        {"Profile": each.profile.name, "Measure": NAMES[each.measure], "Why it applies to nobody": _reason_words(each)}
        for each in found
        if each.percent is None
    ]


def _reason_words(each: Prevalence) -> str:
    return "; ".join(f"{number} × {reason}" for reason, number in each.reasons)


def people_rows(rows: Sequence[CohortRow]) -> list[dict[str, object]]:
    """Who counts in a prevalence, and whether anybody reviewed the number."""
    return [
        {
            "Patient": row.patient_name,
            "Scan": row.scan_id,
            "Study date": row.study_date,
            "Review": "" if row.stored is None else review_words(row.stored),
        }
        for row in rows
    ]


def marker_rows(rows: Sequence[CohortRow]) -> list[dict[str, object]]:
    """The exact numbers of every marker of both scatter charts."""
    return [
        {
            "Scan": row.scan_id,
            "Sex": sex_words(row.person.sex),
            "Age (years)": row.age_years,
            "SMA (cm²)": round(row.composition.sma_cm2, 1),
            "SMI (cm²/m²)": None if row.smi_cm2_m2 is None else round(row.smi_cm2_m2, 1),
            "SMD (HU)": None if row.composition.smd_hu is None else round(row.composition.smd_hu, 1),
            "Contrast": phase_words(row.header.contrast_phase),
            "kV": kv_words(row.header),
            "Review": row.review_state,
        }
        for row in rows
        if row.composition is not None
    ]


def protocol_words(rows: Sequence[CohortRow]) -> str:
    """How many protocols the densities are of, with the number of scans of each."""
    found = Counter(f"contrast {phase_words(row.header.contrast_phase)}, {kv_words(row.header)}" for row in rows)
    told = "; ".join(f"{name}: {number}" for name, number in found.most_common())
    return f"SMD is comparable within one contrast phase and tube voltage only. Here are {len(found)}: {told}."
