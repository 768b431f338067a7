"""All scans together, without Streamlit: one row a scan, what filters leave, and which rows count in statistics.

A row counts where its number may be used: measured at L3, not rejected, without a flag that stops a comparison.
Rows that do not count stay in the table, each with its reason.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

from dashboard.preop_view import SEX_WORDS
from dashboard.result_view import NOT_REVIEWED, PersonAtScan, profile_subject
from dashboard.review_view import REVIEW_WORDS, review_words, version_words
from dashboard.trend_view import why_no_point
from sarcopenia.assessment.flags import ADULT_YEARS
from sarcopenia.clinical import ProfileSubject, smi_cm2_m2
from sarcopenia.domain.results import BodyComposition, Severity
from sarcopenia.domain.volume import ContrastPhase, SeriesHeader, Sex
from sarcopenia.records import ReviewState, StoredMeasurement

MAX_SCANS: Final = 5000
"""More rows than a browser's table and chart show without delay; what is left out is said."""
ALL_AGES: Final = (0, 120)
NOT_MEASURED: Final = "no measurement yet"
Condition = tuple[str, Callable[["CohortRow"], bool]]


@dataclass(frozen=True)
class CohortRow:
    """A scan with its newest version, and the person as known on its day.

    ``stored`` is ``None`` before the first measurement; ``version`` counts the versions of the scan from 1.
    """

    scan_id: int
    patient_id: int
    patient_name: str
    hospital_number: str
    study_date: date | None
    age_years: float | None
    header: SeriesHeader
    person: PersonAtScan
    stored: StoredMeasurement | None
    version: int

    @property
    def signed(self) -> bool:
        """Whether a person signed this version."""
        return self._review_state is ReviewState.SIGNED

    @property
    def _review_state(self) -> ReviewState | None:
        return None if self.stored is None or self.stored.review is None else self.stored.review.state

    @property
    def review_state(self) -> str:
        """What a person decided, without naming the person; "" before the first measurement."""
        if self.stored is None:
            return ""
        return NOT_REVIEWED if self._review_state is None else REVIEW_WORDS[self._review_state]

    @property
    def composition(self) -> BodyComposition | None:
        """Areas and density, ``None`` where nothing was measured."""
        return None if self.stored is None else self.stored.measurement.composition

    @property
    def smi_cm2_m2(self) -> float | None:
        """SMA / height², ``None`` without a measurement or a plausible height."""
        return None if self.composition is None else smi_cm2_m2(self.composition.sma_cm2, self.person.height_m)

    @cached_property
    def subject(self) -> ProfileSubject | None:
        """What is held against published values."""
        return None if self.stored is None else profile_subject(self.stored.measurement, self.person, self.header)

    @cached_property
    def left_out_because(self) -> str:
        """Why the row does not count, without naming a person; "" where it counts."""
        if self.stored is None:
            return NOT_MEASURED
        if self._review_state is ReviewState.REJECTED:
            return "rejected by a person"
        if self.age_years is not None and self.age_years < ADULT_YEARS:
            return f"under {ADULT_YEARS}: no reference or cut-off applies"
        flags = (*self.stored.measurement.flags, *self.person.confounders)
        stops = sorted({flag.code for flag in flags if flag.severity is Severity.BLOCK})
        if self.composition is not None and stops:
            return f"stopped by a flag ({', '.join(stops).replace('_', ' ')})"
        return why_no_point(self.stored)


@dataclass(frozen=True)
class Cohort:
    """Rows that were read, of how many scans that match the search, of how many in the records."""

    rows: tuple[CohortRow, ...]
    matching: int
    everything: int


@dataclass(frozen=True)
class FilterStep:
    """One filter, and how many scans it leaves."""

    name: str
    left: int


@dataclass(frozen=True)
class Selection:
    """Rows that the filters take, and those of them that are shown: all, or one a person."""

    rows: tuple[CohortRow, ...]
    shown: tuple[CohortRow, ...]


@dataclass(frozen=True)
class CohortFilter:
    """What a person wants to see; empty, ``None`` and all ages: everything. Days and ages include both ends.

    ``protocols`` are words of `kv_words`. A scan of unknown age or day is left out where age or day is asked for.
    """

    signed_only: bool = False
    sexes: tuple[Sex, ...] = ()
    ages: tuple[int, int] = ALL_AGES
    first_day: date | None = None
    last_day: date | None = None
    phases: tuple[ContrastPhase, ...] = ()
    protocols: tuple[str, ...] = ()

    def conditions(self) -> tuple[Condition, ...]:
        """Name and test of every filter that is on."""
        first, last = self.first_day or date.min, self.last_day or date.max
        young, old = self.ages
        asked: tuple[tuple[bool, str, Callable[[CohortRow], bool]], ...] = (
            (self.signed_only, "signed", lambda row: row.signed),
            (bool(self.sexes), _either(map(sex_words, self.sexes)), lambda row: row.person.sex in self.sexes),
            (self.ages != ALL_AGES, f"aged {young}–{old}", lambda row: young <= _whole_years(row) <= old),
            (self.first_day is not None, f"from {first}", lambda row: (row.study_date or date.min) >= first),
            (self.last_day is not None, f"to {last}", lambda row: (row.study_date or date.max) <= last),
            (bool(self.phases), f"contrast {_either(map(phase_words, self.phases))}", self._has_phase),
            (bool(self.protocols), _either(self.protocols), lambda row: kv_words(row.header) in self.protocols),
        )
        return tuple((name, takes) for is_on, name, takes in asked if is_on)

    def _has_phase(self, row: CohortRow) -> bool:
        return row.header.contrast_phase in self.phases


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)


def _whole_years(row: CohortRow) -> int:
    """Age for a filter; −1, which no filter takes, where it is not known."""
    return -1 if row.age_years is None else int(row.age_years)


def sex_words(sex: Sex) -> str:
    """A sex for people."""
    return SEX_WORDS[sex]


def phase_words(phase: ContrastPhase) -> str:
    """A contrast phase for people."""
    return phase.value.replace("_", " ")


def kv_words(header: SeriesHeader) -> str:
    """Tube voltage, with the kind of image where it is not a normal one."""
    kv = "kV not known" if header.kvp is None else f"{header.kvp:g} kV"
    return f"{kv}, {header.spectral}" if header.spectral else kv


def filtered(rows: Sequence[CohortRow], wanted: CohortFilter) -> tuple[tuple[CohortRow, ...], tuple[FilterStep, ...]]:
    """Rows that all filters take, and how many each filter leaves after those before it."""
    left, steps = tuple(rows), []
    for name, takes in wanted.conditions():
        left = tuple(row for row in left if takes(row))
        steps.append(FilterStep(name, len(left)))
    return left, tuple(steps)


def one_a_person(rows: Sequence[CohortRow]) -> tuple[CohortRow, ...]:
    """The newest scan of every person that counts, else the newest of all; of one day a signed one goes first."""
    chosen: dict[int, CohortRow] = {}
    for row in rows:
        known = chosen.get(row.patient_id)
        if known is None or _rank(row) > _rank(known):
            chosen[row.patient_id] = row
    return tuple(chosen.values())


def _rank(row: CohortRow) -> tuple[bool, date, bool, int]:
    return not row.left_out_because, row.study_date or date.min, row.signed, row.scan_id


def counting(rows: Sequence[CohortRow]) -> tuple[CohortRow, ...]:
    """Rows whose number may be used."""
    return tuple(row for row in rows if not row.left_out_because)


def people(rows: Sequence[CohortRow]) -> int:
    """How many persons the rows are of."""
    return len({row.patient_id for row in rows})


def read_words(cohort: Cohort) -> str:
    """How many scans were read of how many."""
    read, matching, everything = len(cohort.rows), cohort.matching, cohort.everything
    words = f"Read {counted(read, 'scan')} of {everything:,}."
    if matching < everything:
        words += f" {matching:,} match the search."
    if read < matching:
        words += f" **Not all are shown: the newest {read:,} of {matching:,}.** Search to narrow it down."
    return words


def filter_words(cohort: Cohort, steps: Sequence[FilterStep]) -> str:
    """How many scans each filter leaves."""
    return " → ".join([counted(len(cohort.rows), "scan"), *(f"{step.name}: {step.left:,}" for step in steps)])


def counting_words(rows: Sequence[CohortRow]) -> str:
    """How many rows count, how many of those nobody has reviewed, and why the others are left out."""
    used = counting(rows)
    words = "Counted: none."
    if used:
        persons = people(used)
        unsigned = sum(not row.signed for row in used)
        of_whom = f"{persons:,} {'person' if persons == 1 else 'people'}"
        words = f"Counted: {counted(len(used), 'scan')} of {of_whom}; {unsigned} of {len(used)} are {NOT_REVIEWED}."
    reasons = left_out_words([row.left_out_because for row in rows if row.left_out_because])
    return f"{words} Left out: {reasons}." if reasons else words


def left_out_words(reasons: Sequence[str]) -> str:
    """Reasons with how often each was given, the most frequent first."""
    return ", ".join(f"{number} × {reason}" for reason, number in Counter(reasons).most_common())


def counted(number: int, name: str) -> str:
    """A number with its noun."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def table_row(row: CohortRow) -> dict[str, object]:
    """One row of the page's table."""
    found = row.composition
    return {
        "Patient": row.patient_name,
        "Scan": row.scan_id,
        "Study date": row.study_date,
        "Sex": sex_words(row.person.sex),
        "Age (years)": None if row.age_years is None else int(row.age_years),
        "SMA (cm²)": None if found is None else found.sma_cm2,
        "SMI (cm²/m²)": row.smi_cm2_m2,
        "SMD (HU)": None if found is None else found.smd_hu,
        "Contrast": phase_words(row.header.contrast_phase),
        "kV": kv_words(row.header),
        "Counts": row.left_out_because or "yes",
        "Version": "" if row.stored is None else version_words(row.stored, row.version),
        "Review": "" if row.stored is None else review_words(row.stored),
    }
