"""The pre-operative report as plain content: the words of the page, the slice, and where the numbers come from."""

from itertools import pairwise
from typing import Final

from dashboard.images import MUSCLE_LAYER, WINDOWS, SliceDisplay, slice_picture
from dashboard.preop_view import (
    UNSIGNED,
    PreopCase,
    area_words,
    change_line,
    density_words,
    evidence_rows,
    number_rows,
    operation_words,
    placement_rows,
    quality_words,
    review_line,
    scan_words,
    sentence,
    who_words,
)
from dashboard.result_view import RESEARCH_USE, comparison_rows, place_words, provenance_rows, sorted_flags
from dashboard.review_view import review_words
from sarcopenia.clinical import not_asked
from sarcopenia.clinical.profiles import Standing
from sarcopenia.exchange.pdf_report import ReportContent, ReportPicture, ReportTable
from sarcopenia.exchange.pdf_trend import ReportTrend, TrendMark
from sarcopenia.records import ScanContext, StoredArrays, StoredReport

THUMBNAIL: Final = SliceDisplay(WINDOWS[0], frozenset({MUSCLE_LAYER.name}), 0.45, outlines=False)
NOT_A_DIAGNOSIS: Final = "this is not a diagnosis of sarcopenia; not for treatment decisions"
PROFILE_COLUMNS: Final = ("Profile", "Measure", "Value", "Limit", "Result", "Citation")
EVIDENCE_COLUMNS: Final = ("Outcome", "Effect", "People", "Measure", "Comparable to this patient", "Source")


def statement(case: PreopCase) -> str:
    """What the report says, what it is not, and who reviewed it."""
    review = case.stored.review
    reviewed = f"reviewed by {review.author}" if case.signed and review is not None else UNSIGNED
    return f"{_low_words(case)}; {NOT_A_DIAGNOSIS}; {reviewed}."


def _low_words(case: PreopCase) -> str:
    """Low by which profile, where a person signed and a profile was chosen."""
    comparison = case.comparison
    if comparison is None or comparison.distance is None:
        return "Muscle area at L3, compared with no cut-off"
    what = "muscle area" if comparison.measure == "sma_cm2" else "muscle index (area by height²)"
    if comparison.standing is Standing.BELOW:
        return f"Low L3 {what} by {comparison.profile.name}"
    return f"L3 {what} not below {comparison.profile.name}"


def thumbnail(case: PreopCase, arrays: StoredArrays) -> bytes | None:
    """The measured slice with the muscle mask as PNG; ``None`` where nothing was measured."""
    if arrays.slice is None:
        return None
    vat = case.stored.measurement.provenance.vat_range_hu
    found = arrays.slice
    return slice_picture(found.hu_yx, found.compartments.compartments_yx, found.plane, THUMBNAIL, vat)


def report_content(case: PreopCase, context: ScanContext, arrays: StoredArrays, report: StoredReport) -> ReportContent:
    """Everything that the report says, from what was frozen under its number."""
    png = thumbnail(case, arrays)
    measurement = case.stored.measurement
    profiles = tuple(tuple(row[name] for name in PROFILE_COLUMNS) for row in comparison_rows(case.comparisons))
    return ReportContent(
        number=str(report.report_id),
        made=f"{report.frozen_at:%Y-%m-%d %H:%M} UTC by {report.author}",
        person=(
            ("Patient", who_words(case)),
            ("Operation", operation_words(case.operation)),
            ("Scan", scan_words(case)),
            ("Series", case.scan.header.series_description or "no description"),
        ),
        review=review_words(case.stored) if case.signed else UNSIGNED,
        sentence=sentence(case),
        statement=statement(case),
        picture=None if png is None else ReportPicture(png, f"{place_words(measurement)} {RESEARCH_USE}."),
        figures=ReportTable("Numbers", ("Measure", "Value"), number_rows(case), _facts_words(context)),
        notes=_notes(case),
        comparisons=ReportTable("Cut-off profiles", PROFILE_COLUMNS, profiles, "There is no global verdict."),
        trend=_trend(case),
        evidence=_evidence(case),
        provenance=_provenance(case),
    )


def _facts_words(context: ScanContext) -> str:
    """Height, weight and sex with their source: the facts that were frozen."""
    named = (("height", context.height), ("weight", context.weight), ("sex", context.sex))
    told = [f"{name} {e.value} {e.unit} ({e.source.value})" for name, e in named if e is not None]
    return "Facts used: " + ("; ".join(" ".join(each.split()) for each in told) if told else "none is known") + "."


def _notes(case: PreopCase) -> tuple[str, ...]:
    flags = tuple(flag.text for flag in sorted_flags(case.stored.measurement, case.person))
    questions = not_asked(dict(case.person.answers))
    open_words = (f"Not asked: {' '.join(questions)}",) if questions else ()
    places = tuple(row["Place among people"] for row in placement_rows(case))
    return (quality_words(case.stored), density_words(case), change_line(case), *places, *flags, *open_words)


def _trend(case: PreopCase) -> ReportTrend | None:
    points = case.trend.points
    if len(points) < 2:
        return None
    joined = [False, *(not after.broken_because for _, after in pairwise(points))]
    marks = tuple(
        TrendMark(point.scan.study_date, point.value.value, point.half_bar or 0.0, join, point.scan.signed)
        for point, join in zip(points, joined, strict=True)
    )
    return ReportTrend(case.trend.measure.label, marks, f"{change_line(case)}. Open circles are not reviewed.")


def _evidence(case: PreopCase) -> ReportTable | None:
    rows = tuple(tuple(row[name] for name in EVIDENCE_COLUMNS) for row in evidence_rows(case))
    if not rows:
        return None
    note = "Published groups, no prediction for a person. Certainty, absolute risks and contradicting evidence: page."
    return ReportTable(f"Evidence: {operation_words(case.operation)}", EVIDENCE_COLUMNS, rows, note)


def _provenance(case: PreopCase) -> ReportTable:
    facts = tuple((row["Fact"], row["Value"]) for row in provenance_rows(case.stored.measurement))
    stored = (("Measurement", f"{case.stored.measurement_id}, {review_line(case)}"), ("SMA", area_words(case)))
    return ReportTable("Where the numbers come from", ("Fact", "Value"), (*stored, *facts))
