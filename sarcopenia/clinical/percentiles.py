"""Where a measurement lies among people of the same age and sex: percentile and z-score, each with its reference.

A percentile exists only where a reference publishes mean and SD of an age band; it is the normal approximation and
says so. Where only the 5th percentile is published, a value is below it or not, and no curve is made of it. Outside
the ages, the sex or the measure of a reference the answer is the reason, never a number.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Final

from sarcopenia.clinical.data_files import checked, entries_of, faulty, member
from sarcopenia.clinical.subject import UNITS, ProfileSubject, why_not_comparable
from sarcopenia.domain.volume import Sex

FILE: Final = "percentiles.toml"
PEOPLE: Final = {Sex.MALE: "men", Sex.FEMALE: "women"}


class Interpolation(StrEnum):
    """How a percentile follows from what is published."""

    NORMAL = "normal approximation from mean and SD"
    FIFTH_ONLY = "only the 5th percentile is published"


@dataclass(frozen=True)
class NormalRow:
    """Mean and SD of the n people of an age band, whole years, both ends included; in the unit of the measure."""

    age_from: int
    age_to: int
    n: int
    mean: float
    sd: float


@dataclass(frozen=True)
class FifthRow:
    """5th percentile of an age band, whole years, both ends included; in the unit of the measure."""

    age_from: int
    age_to: int
    p5: float


ReferenceRow = NormalRow | FifthRow
ROWS: Final = {Interpolation.NORMAL: NormalRow, Interpolation.FIFTH_ONLY: FifthRow}


@dataclass(frozen=True)
class ReferenceCurve:
    """One measure (a key of `UNITS`) of one sex in one reference population, by age.

    Attributes
    ----------
    id: of the reference; its curves share it.
    hu_phase, hu_kvp: contrast phase and tube voltages (kV) of its images; they matter for densities.
    confirmed: whether the values were read at the source; ``note`` says how, and what is open.
    rows: age bands from young to old, without gaps.
    """

    id: str
    name: str
    population: str
    hu_phase: str
    hu_kvp: tuple[float, ...]
    source: str
    interpolation: Interpolation
    confirmed: bool
    note: str
    measure: str
    sex: Sex
    rows: tuple[ReferenceRow, ...]

    @property
    def ages(self) -> tuple[int, int]:
        """Youngest and oldest age, whole years, both included."""
        return self.rows[0].age_from, self.rows[-1].age_to

    def row_at(self, age_years: float) -> ReferenceRow | None:
        """The band of an age; ``None`` outside the reference."""
        return next((row for row in self.rows if row.age_from <= age_years < row.age_to + 1), None)

    @property
    def label(self) -> str:
        """Name with what a reader must know of it."""
        return f"{self.name}; {self.interpolation}" + ("" if self.confirmed else "; unconfirmed")


@dataclass(frozen=True)
class Percentile:
    """Percentile (0–100) and z-score of a value; ``words`` is "12th percentile for women aged 65–74 (…)"."""

    measure: str
    value: float
    percentile: float
    z_score: float
    reference: ReferenceCurve
    words: str


@dataclass(frozen=True)
class FifthPercentile:
    """A value against the 5th percentile of its age, the only one that the reference publishes."""

    measure: str
    value: float
    fifth_percentile: float
    is_below: bool
    reference: ReferenceCurve
    words: str


@dataclass(frozen=True)
class NoPercentile:
    """Why a reference says nothing about this measure of this person."""

    measure: str
    reference_name: str
    reason: str
    words: str


Placement = Percentile | FifthPercentile | NoPercentile


@cache
def all_references() -> tuple[ReferenceCurve, ...]:
    """Every curve of the product, in the order of the data file.

    Raises
    ------
    SettingsError: an entry of the file is not complete.
    """
    return tuple(curve for entry in entries_of(FILE, "reference") for curve in curves_from(entry))


def curves_from(entry: dict[str, Any]) -> tuple[ReferenceCurve, ...]:
    """The curves of one reference from its entry in the data file.

    Raises
    ------
    SettingsError: a field is missing, unknown, mistyped or has no meaning.
    """
    where = f"{FILE}, reference {entry.get('id', 'without id')}"
    shared = {name: value for name, value in entry.items() if name != "curves"}
    if not entry.get("curves"):
        raise faulty(where, "curves is missing")
    return tuple(_curve({**shared, **curve}, where) for curve in entry["curves"])


def _curve(entry: dict[str, Any], where: str) -> ReferenceCurve:
    values = checked(ReferenceCurve, entry, where)
    values["interpolation"] = member(Interpolation, values["interpolation"], where)
    values["sex"] = member(Sex, values["sex"], where)
    where = f"{where}, {values['measure']} of {values['sex']}"
    if values["measure"] not in UNITS:
        raise faulty(where, f"the measure is not one of {', '.join(UNITS)}")
    kind = ROWS[values["interpolation"]]
    rows = tuple(kind(**checked(kind, row, where)) for row in values["rows"])
    _check_rows(rows, where)
    return ReferenceCurve(**{**values, "rows": rows})


def _check_rows(rows: tuple[ReferenceRow, ...], where: str) -> None:
    follows = all(a.age_to + 1 == b.age_from for a, b in pairwise(rows))
    if not rows or not follows or any(row.age_to < row.age_from for row in rows):
        raise faulty(where, "the age bands do not follow each other")
    if any(isinstance(row, NormalRow) and row.sd <= 0 for row in rows):
        raise faulty(where, "an SD is not positive")


def percentiles_of(
    subject: ProfileSubject, age_years: float | None, curves: tuple[ReferenceCurve, ...] | None = None
) -> tuple[Placement, ...]:
    """Place of a measurement in every reference (by default all of the product), or the reason why there is none.

    ``age_years`` is the age at the scan, ``None`` where it is not known.
    """
    known = all_references() if curves is None else curves
    groups = dict.fromkeys((curve.id, curve.measure) for curve in known)
    return tuple(
        _placement([curve for curve in known if (curve.id, curve.measure) == group], subject, age_years)
        for group in groups
    )


def _placement(curves: list[ReferenceCurve], subject: ProfileSubject, age_years: float | None) -> Placement:
    """Place in the curves of one reference and measure, which differ in sex."""
    first = curves[0]
    value = subject.value_of(first.measure)
    reason = why_not_comparable(first.measure, subject, first.hu_phase, first.hu_kvp)
    curve = next((curve for curve in curves if curve.sex is subject.sex), None)
    row = None if curve is None or age_years is None else curve.row_at(age_years)
    if reason is not None or value is None or curve is None or row is None:
        reason = reason or _why_outside(first, curve, age_years)
        return NoPercentile(first.measure, first.name, reason, f"no percentile of {first.name}: {reason}")
    return _normal(curve, row, value) if isinstance(row, NormalRow) else _against_fifth(curve, row, value)


def _why_outside(first: ReferenceCurve, curve: ReferenceCurve | None, age_years: float | None) -> str:
    if curve is None:
        return f"its values are of {PEOPLE[first.sex]} only"
    if age_years is None:
        return "the age at the scan is not known"
    youngest, oldest = curve.ages
    return f"it covers ages {youngest}–{oldest}, the age at the scan is {int(age_years)}"


def _normal(curve: ReferenceCurve, row: NormalRow, value: float) -> Percentile:
    people = NormalDist(row.mean, row.sd)
    percentile = 100 * people.cdf(value)
    words = f"{_place_words(percentile)} for {_people(curve, row)} ({curve.label})"
    return Percentile(curve.measure, value, percentile, people.zscore(value), curve, words)


def _against_fifth(curve: ReferenceCurve, row: FifthRow, value: float) -> FifthPercentile:
    is_below = value < row.p5
    place = "below" if is_below else "not below"
    words = f"{place} the 5th percentile for {_people(curve, row)} ({curve.label})"
    return FifthPercentile(curve.measure, value, row.p5, is_below, curve, words)


def _people(curve: ReferenceCurve, row: ReferenceRow) -> str:
    return f"{PEOPLE[curve.sex]} aged {row.age_from}–{row.age_to}"


def _place_words(percentile: float) -> str:
    """Whole percentiles; the tails of an approximation are not told apart."""
    if percentile < 1:
        return "below the 1st percentile"
    if percentile > 99:
        return "above the 99th percentile"
    whole = round(percentile)
    ending = "th" if 10 <= whole % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(whole % 10, "th")
    return f"{whole}{ending} percentile"
