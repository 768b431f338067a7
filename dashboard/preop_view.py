"""What the pre-operative page and its report say of one patient and one operation, without Streamlit.

A number that nobody has reviewed is shown, and is compared with no cut-off. Nothing is added up to a score.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Final

from dashboard.result_view import MISSING, PersonAtScan, age_years, profile_subject
from dashboard.review_view import review_words, version_words
from dashboard.trend_view import SMA, Trend, TrendPoint, change_words, why_no_point
from sarcopenia.clinical import NAMES, ProfileSubject, compare_with_profiles, smi_cm2_m2
from sarcopenia.clinical.evidence import (
    ADULT_YEARS,
    MEASURE_WORDS,
    PROCEDURE_NAMES,
    EvidenceCard,
    EvidenceSubject,
    Procedure,
    cards_for,
    comparability,
)
from sarcopenia.clinical.percentiles import FifthPercentile, NoPercentile, Placement, percentiles_of
from sarcopenia.clinical.profiles import CutOffProfile, ProfileComparison, all_profiles
from sarcopenia.clinical.trend import Z95, Outcome, standard_error
from sarcopenia.domain.results import Severity
from sarcopenia.domain.volume import Sex
from sarcopenia.records import PatientSummary, PlannedOperation, ScanSummary, StoredMeasurement

OLD_CT_DAYS: Final = 90
"""A choice of the product: no source of the evidence cards says when a CT is too old for its operation."""
UNSIGNED: Final = "NOT REVIEWED"
SEX_WORDS: Final = {Sex.MALE: "male", Sex.FEMALE: "female", Sex.OTHER: "other sex", Sex.UNKNOWN: "sex not known"}


@dataclass(frozen=True)
class PreopCase:
    """One patient before one operation, as it stands today.

    Attributes
    ----------
    operation: ``None`` where the patient was found by number, without a planned operation.
    scan, stored, version: the newest scan up to the operation whose number may be used, its newest version and number.
    trend: SMA of all comparable studies. profile_id: the cut-off profile that a person chose, "" for none.
    """

    patient: PatientSummary
    operation: PlannedOperation | None
    scan: ScanSummary
    stored: StoredMeasurement
    version: int
    person: PersonAtScan
    trend: Trend
    today: date
    profile_id: str = ""

    @property
    def signed(self) -> bool:
        """Whether a person signed this version."""
        return self.stored.is_signed

    @property
    def procedure(self) -> Procedure:
        """The planned procedure; a code of another version of the product counts as "other"."""
        known = self.operation is not None and self.operation.plan.procedure in list(Procedure)
        return Procedure(self.operation.plan.procedure) if self.operation and known else Procedure.OTHER

    @cached_property
    def subject(self) -> ProfileSubject | None:
        """What is held against published values."""
        subject = profile_subject(self.stored.measurement, self.person, self.scan.header)
        is_child = self.age_years is not None and self.age_years < ADULT_YEARS
        if subject is None or not is_child or subject.blocked_because:
            return subject
        return replace(
            subject, blocked_because="The patient was under 18 at the scan: no reference or cut-off applies."
        )

    @property
    def age_years(self) -> float | None:
        """Age at the scan: as the images state it, else from birth date and study date."""
        return age_years(self.scan.header, self.patient.identity.birth_date, self.scan.study_date)

    @cached_property
    def comparisons(self) -> tuple[ProfileComparison, ...]:
        """Every profile; none before a signature."""
        return () if self.subject is None or not self.signed else compare_with_profiles(self.subject)

    @property
    def profile(self) -> CutOffProfile | None:
        """The profile that a person chose, else the one that belongs to the operation."""
        profiles = all_profiles()
        chosen = [profile for profile in profiles if profile.id == self.profile_id]
        proposed = [profile for profile in profiles if profile.preselected_for == self.procedure]
        return next(iter([*chosen, *proposed]), None)

    @property
    def comparison(self) -> ProfileComparison | None:
        """The one comparison that the sentence and the statement speak of: area first, then index, never density."""
        own = [each for each in self.comparisons if self.profile is not None and each.profile.id == self.profile.id]
        sizes = [each for each in own if each.measure != "smd_hu"]
        answered = [each for each in sizes if each.distance is not None]
        return next(iter([*answered, *sizes]), None)


def who_words(case: PreopCase) -> str:
    """Who it is: name, age, sex and hospital number."""
    age = "age not known" if case.age_years is None else f"{int(case.age_years)} years at the scan"
    number = case.patient.identity.dicom_patient_id or "no hospital number"
    return f"{case.patient.display_name} · {age} · {SEX_WORDS[case.person.sex]} · {number}"


def procedure_name(code: str) -> str:
    """Name of a procedure for people; a code that this version does not know stands for itself."""
    return PROCEDURE_NAMES[Procedure(code)] if code in list(Procedure) else code


def operation_words(operation: PlannedOperation | None) -> str:
    """Which operation, when and by whom."""
    if operation is None:
        return "No operation is planned here"
    plan = operation.plan
    parts = (procedure_name(plan.procedure), plan.day.isoformat(), plan.surgeon, plan.note)
    return " · ".join(part for part in parts if part)


def scan_words(case: PreopCase) -> str:
    """The day of the CT, and how long before the operation, or before today, it was taken."""
    day = case.scan.study_date
    if day is None:
        return "CT without a date: how old it is cannot be said"
    until, words = (case.today, "old") if case.operation is None else (case.operation.plan.day, "before surgery")
    days = (until - day).days
    if days < 0:
        return f"CT of {day}, {-days} days after the operation"
    return f"CT of {day}, {days} days {words}" + (f" – older than {OLD_CT_DAYS} days" if days > OLD_CT_DAYS else "")


def review_line(case: PreopCase) -> str:
    """Signed by whom, or that nobody reviewed it; and which version it is."""
    said = review_words(case.stored)
    return f"{said if case.signed else f'{UNSIGNED} ({said})'} · {version_words(case.stored, case.version)}"


def quality_words(stored: StoredMeasurement) -> str:
    """Whether the picture and the mask gave cause to look."""
    measurement = stored.measurement
    order = [Severity.BLOCK, Severity.REVIEW]
    grave = sorted(
        (flag for flag in measurement.flags if flag.severity in order), key=lambda f: order.index(f.severity)
    )
    if not grave:
        return "Quality: no flag asks for a look"
    return f"Quality: {len(grave)} flag{'' if len(grave) == 1 else 's'} to look at – {grave[0].text}"


def sentence(case: PreopCase) -> str:
    """The finding in one sentence: area with its error, place among people, and one cut-off where there is one."""
    if case.subject is None:
        return "Nothing was measured at L3."
    parts = [f"SMA {area_words(case)}", placement_words(case), _profile_words(case)]
    return "; ".join(part for part in parts if part) + "."


def area_words(case: PreopCase) -> str:
    """SMA with 1.96 standard errors of one scan: the ensemble's spread alone would promise too much."""
    composition, point = case.stored.measurement.composition, case.trend.point_of(case.scan.scan_id)
    if composition is None:
        return MISSING
    if point is None or case.trend.errors is None:
        return f"{composition.sma_cm2:.0f} cm²"
    return f"{composition.sma_cm2:.0f} ± {Z95 * standard_error(point.value, case.trend.errors):.0f} cm²"


def _placements(case: PreopCase) -> tuple[Placement, ...]:
    """Places among people; below a 5th percentile or not is as good as a cut-off, so none before a signature."""
    if case.subject is None:
        return ()
    places = percentiles_of(case.subject, case.age_years)
    return tuple(place for place in places if case.signed or not isinstance(place, FifthPercentile))


def placement_words(case: PreopCase) -> str:
    """Place of the SMA among people of this age and sex, in the first reference that has one; else why none has."""
    if case.subject is None:
        return ""
    found = [place for place in _placements(case) if place.measure == "sma_cm2"]
    known = [place for place in found if not isinstance(place, NoPercentile)]
    return next((place.words for place in [*known, *found]), "").rstrip(".")


def _profile_words(case: PreopCase) -> str:
    if not case.signed:
        return f"no comparison with a cut-off before a signature ({UNSIGNED})"
    if case.profile is None:
        return "no cut-off profile is chosen"
    comparison = case.comparison
    return f"{case.profile.name} has no limit of an area" if comparison is None else comparison.words.rstrip(".")


def density_words(case: PreopCase) -> str:
    """SMD, and why it is not held against published densities where it is not."""
    composition = case.stored.measurement.composition
    if composition is None or composition.smd_hu is None or case.subject is None:
        return "Density: none was measured"
    value = f"SMD {composition.smd_hu:.0f} HU"
    if not case.signed:
        return f"{value}; not compared before a signature"
    densities = [comparison for comparison in case.comparisons if comparison.measure == "smd_hu"]
    answered = [comparison.words for comparison in densities if comparison.distance is not None]
    return answered[0] if answered else f"{value}; not comparable: {densities[0].reason if densities else 'no profile'}"


CHANGE_WORDS: Final = {
    Outcome.LOSS: "Change: real loss",
    Outcome.GAIN: "Change: real gain",
    Outcome.WITHIN: "Change: within measurement error",
    Outcome.NOT_COMPARABLE: "Change: not comparable",
    Outcome.NOT_JUDGED: "Change: not judged",
}


def change_line(case: PreopCase) -> str:
    """Whether the SMA has changed since the scan before."""
    pair = last_pair(case)
    if pair is None and case.trend.point_of(case.scan.scan_id) is None:
        return "Change: not comparable – this scan has no point in the trend (no date, or another series stands for it)"
    if pair is None:
        return "Change: no earlier scan at L3"
    change = case.trend.change(*pair)
    return f"{CHANGE_WORDS[change.outcome]} – {change_words(change, SMA).replace('**', '')}"


def last_pair(case: PreopCase) -> tuple[TrendPoint, TrendPoint] | None:
    """The point of this scan and the one before it."""
    points, point = case.trend.points, case.trend.point_of(case.scan.scan_id)
    place = 0 if point is None else points.index(point)
    return (points[place - 1], points[place]) if place else None


def number_rows(case: PreopCase) -> tuple[tuple[str, str], ...]:
    """The numbers of the scan as (name, value with unit)."""
    found = case.stored.measurement.composition
    if found is None:
        return ()
    smi = smi_cm2_m2(found.sma_cm2, case.person.height_m)
    smi_text = "blank: no height is known" if smi is None else f"{smi:.1f} cm²/m² (height {case.person.height_m:.2f} m)"
    return (
        ("SMA", f"{area_words(case)}, 95 %: the largest of ensemble, published and own repeatability"),
        ("SMI", smi_text),
        ("SMD", MISSING if found.smd_hu is None else f"{found.smd_hu:.1f} HU"),
        ("LAMA", f"{found.lama_cm2:.1f} cm²"),
        ("SAT", f"{found.sat_cm2:.1f} cm²"),
        ("VAT", f"{found.vat_cm2:.1f} cm² ({found.vat_range_hu[0]} to {found.vat_range_hu[1]} HU)"),
        ("IMAT", f"{found.imat_cm2:.1f} cm²"),
    )


def placement_rows(case: PreopCase) -> list[dict[str, str]]:
    """Place in every reference, or why there is none."""
    return [{"Place among people": f"{NAMES[place.measure]}: {place.words}"} for place in _placements(case)]


def evidence_subject(case: PreopCase) -> EvidenceSubject:
    """The patient as the evidence cards see it; what is on a list of operations is planned, so not urgent."""
    subject = case.subject
    usable = subject is not None and case.signed and not subject.blocked_because
    measures = ("sma_cm2", "smi_cm2_m2", "smd_hu")
    known = [name for name in measures if subject is not None and usable and subject.value_of(name) is not None]
    urgent = None if case.operation is None else case.procedure is Procedure.EMERGENCY_LAPAROTOMY
    return EvidenceSubject(case.procedure, frozenset(known), case.person.sex, case.age_years, urgent)


def evidence_rows(case: PreopCase) -> list[dict[str, str]]:
    """The published evidence on this operation, one row a card, with whether it speaks about this patient."""
    subject = evidence_subject(case)
    return [_evidence_row(card, comparability(card, subject).words) for card in cards_for(case.procedure)]


def _evidence_row(card: EvidenceCard, comparable: str) -> dict[str, str]:
    people = ", ".join(
        part
        for part in (
            "" if card.studies is None else f"{card.studies} studies",
            "" if card.n is None else f"n = {card.n}",
            "" if card.exposed_n is None else f"{card.exposed_n} with low muscle",
        )
        if part
    )
    return {
        "Outcome": card.outcome,
        "Effect": card.effect_words,
        "People": people or "not stated",
        "Adjusted": card.adjusted.value,
        "Measure": f"{MEASURE_WORDS[card.muscle_measure]}; low: {card.threshold}",
        "Absolute risk": card.absolute_risk or "not stated",
        "Certainty (GRADE)": card.certainty,
        "Speaks against it": card.contradicting or "nothing known here",
        "Comparable to this patient": comparable,
        "Source": card.citation + ("" if card.confirmed else " (not confirmed at the source)"),
    }


def chosen_scan(scans: Sequence[ScanSummary], until: date | None) -> ScanSummary | None:
    """The newest scan with a usable number at L3, up to a day; a later or undated one only where there is no other."""
    usable = [scan for scan in scans if scan.latest is not None and not why_no_point(scan.latest)]

    def rank(scan: ScanSummary) -> tuple[bool, date, bool, int]:
        day = scan.study_date or date.min
        signed = scan.latest is not None and scan.latest.is_signed
        return (until is None or day <= until) and scan.study_date is not None, day, signed, scan.scan_id

    return max(usable, key=rank, default=None)


def unusable_words(scans: Sequence[ScanSummary], chosen: ScanSummary | None) -> tuple[str, ...]:
    """Newer scans than the chosen one whose number is not used, and why; all of them where none was chosen."""
    since = date.min if chosen is None else chosen.study_date or date.max
    newer = [scan for scan in scans if chosen is None or (scan.study_date is not None and scan.study_date > since)]
    reasons = [(scan, why_no_point(scan.latest) if scan.latest is not None else "not measured yet") for scan in newer]
    return tuple(f"CT of {scan.study_date or 'no date'} is not used: {reason}" for scan, reason in reasons if reason)


def name_warning(patient: PatientSummary, operation: PlannedOperation | None) -> str:
    """That the list and the images name two people; "" where they agree or the list names nobody."""
    planned = "" if operation is None else operation.plan.patient_name
    if not planned or _letters(planned) == _letters(patient.display_name):
        return ""
    return f"The list names {planned}, the images name {patient.display_name}: make sure that it is one person."


def _letters(name: str) -> list[str]:
    """Words of a name whatever their order, case and separators."""
    return sorted(re.findall(r"\w+", name.casefold()))


def scan_line(scan: ScanSummary | None) -> str:
    """The scan of a row of the list: its day, its area and whether anybody reviewed it."""
    if scan is None or scan.latest is None or scan.latest.measurement.composition is None:
        return "no measurement at L3"
    area = f"SMA {scan.latest.measurement.composition.sma_cm2:.0f} cm²"
    return f"{scan.study_date or 'no date'}: {area}, {review_words(scan.latest)}"


def list_row(operation: PlannedOperation, name: str, scan_line: str) -> dict[str, object]:
    """One row of the list of planned operations."""
    plan = operation.plan
    return {
        "Date": plan.day,
        "Patient": name,
        "Hospital number": plan.hospital_number,
        "Procedure": procedure_name(plan.procedure),
        "Surgeon": plan.surgeon,
        "Scan": scan_line,
        "Note": plan.note,
    }
