"""One stored scan on a page: its result, and the form for what the header did not say."""

from collections.abc import Sequence

import streamlit as st

from dashboard import state
from dashboard.components.research import show_pattern
from dashboard.components.result import (
    show_comparisons,
    show_figures,
    show_flags,
    show_measured_slice,
    show_overviews,
    show_provenance,
    show_verdict,
)
from dashboard.result_view import PersonAtScan
from dashboard.review_view import version_number
from dashboard.services import Services, measurement_arrays
from sarcopenia.clinical import CONFOUNDERS
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.domain.results import Verdict
from sarcopenia.domain.volume import Sex
from sarcopenia.records import (
    NO,
    YES,
    ContextEntry,
    ContextKind,
    ContextSource,
    NewContext,
    ScanContext,
    ScanSummary,
)

AUTHOR = "dashboard"
NO_CHANGE = "no change"
NOT_ASKED = "not asked"
ANSWERS = (NOT_ASKED, NO, YES)
SEX_WORDS = {NO_CHANGE: None, "female": Sex.FEMALE, "male": Sex.MALE, "other": Sex.OTHER}


def person_at(context: ScanContext) -> PersonAtScan:
    """Height, weight and sex that hold at a scan."""
    height, weight, sex = context.height, context.weight, context.sex
    return PersonAtScan(
        None if height is None else float(height.value),
        None if weight is None else float(weight.value),
        Sex.UNKNOWN if sex is None else Sex(str(sex.value)),
        tuple((each.key, entry.value == YES) for each in CONFOUNDERS if (entry := getattr(context, each.key))),
    )


def show_scan(services: Services, scan_id: int) -> None:
    """The scan's newest result with everything around it."""
    scan = services.records.scans.get(scan_id)
    patient = services.records.patients.get(scan.patient_id)
    day = "no date" if scan.study_date is None else scan.study_date.isoformat()
    st.subheader(f"{patient.display_name} — {day}")
    st.caption(_series_words(scan))
    if scan.latest is None:
        st.info("This scan has no measurement yet.")
        return
    context = services.records.contexts.for_scan(scan_id)
    person, measurement = person_at(context), scan.latest.measurement
    show_verdict(scan.latest)
    picture, numbers = st.columns([3, 2], gap="large")
    arrays = measurement_arrays(scan.latest.measurement_id)
    with picture:
        show_measured_slice(scan.latest, arrays)
    with numbers:
        show_figures(measurement, person)
        show_flags(measurement, person)
        _show_candidates(scan)
        show_overviews(scan.latest, arrays)
        _show_person_form(services, scan, context)
        show_questions(services, scan, context)
    show_comparisons(measurement, person, scan)
    _show_rejected(scan)
    versions = services.records.measurements.of_scan(scan_id)
    show_provenance(scan.latest, version_number(versions, scan.latest.measurement_id))
    if services.settings.research and measurement.composition is not None:
        show_pattern(services.records.measurements.pattern(scan.latest.measurement_id))


def _series_words(scan: ScanSummary) -> str:
    header = scan.header
    parts = [
        header.series_description or "no description",
        f"{scan.slice_count} slices",
        "" if header.slice_thickness_mm is None else f"{header.slice_thickness_mm:g} mm",
        "" if header.kvp is None else f"{header.kvp:g} kV",
        f"contrast phase {header.contrast_phase.value.replace('_', ' ')}",
    ]
    return " · ".join(part for part in parts if part)


def _show_candidates(scan: ScanSummary) -> None:
    level = scan.latest.level if scan.latest is not None else None
    ambiguous = scan.latest is not None and scan.latest.measurement.verdict is Verdict.AMBIGUOUS_LEVEL
    if level is not None and ambiguous:
        st.markdown("**Candidates for L3**")
        for candidate, area_cm2 in zip(level.candidates, level.candidate_sma_cm2, strict=True):
            st.markdown(f"- slice {candidate.slice_index} (z = {candidate.z_mm:.0f} mm): SMA {area_cm2:.1f} cm²")
        place = {state.SCAN_PARAMETER: str(scan.scan_id)}
        st.page_link("app_pages/review.py", label="Compare and choose in Review", query_params=place)


def _show_rejected(scan: ScanSummary) -> None:
    """Why every other series of the upload was not chosen."""
    if scan.rejected_series:
        with st.expander(f"{len(scan.rejected_series)} other series in this upload"):
            for issue in scan.rejected_series:
                st.markdown(f"- {issue.message}")


def _show_person_form(services: Services, scan: ScanSummary, context: ScanContext) -> None:
    """Height, weight and sex with their source; what is entered is added, never overwritten."""
    missing = [name for name, entry in (("height", context.height), ("sex", context.sex)) if entry is None]
    title = f"Please enter {' and '.join(missing)}" if missing else "Height, weight and sex"
    with st.expander(title, expanded=bool(missing)):
        for name, entry in (("Height", context.height), ("Weight", context.weight), ("Sex", context.sex)):
            told = "not known" if entry is None else f"{entry.value} {entry.unit} (source: {entry.source.value})"
            st.caption(f"{name}: {told}")
        with st.form(f"person-{scan.scan_id}"):
            first, second, third = st.columns(3)
            height_cm = first.number_input("Height (cm)", 120.0, 220.0, value=None, step=1.0)
            weight_kg = second.number_input("Weight (kg)", 20.0, 350.0, value=None, step=0.5)
            sex = third.selectbox("Sex", list(SEX_WORDS))
            if st.form_submit_button("Save"):
                _save_person(services, scan, height_cm, weight_kg, SEX_WORDS[sex])


def show_questions(services: Services, scan: ScanSummary, context: ScanContext) -> None:
    """What cannot be seen and is asked; an answer is added with the scan's day, never overwritten."""
    with st.expander("Questions about the patient"), st.form(f"questions-{scan.scan_id}"):
        answers = {}
        for each in CONFOUNDERS:
            entry: ContextEntry | None = getattr(context, each.key)
            known = ANSWERS.index(str(entry.value)) if entry is not None else 0
            answers[each.key] = st.radio(each.question, ANSWERS, known, horizontal=True)
        if st.form_submit_button("Save answers"):
            told = {key: answer for key, answer in answers.items() if answer != NOT_ASKED}
            _save_facts(services, scan, [(ContextKind(key), answer) for key, answer in told.items()])


def _save_person(
    services: Services, scan: ScanSummary, height_cm: float | None, weight_kg: float | None, sex: Sex | None
) -> None:
    facts: tuple[tuple[ContextKind, float | str | None], ...] = (
        (ContextKind.HEIGHT, None if height_cm is None else height_cm / 100),
        (ContextKind.WEIGHT, weight_kg),
        (ContextKind.SEX, None if sex is None else sex.value),
    )
    _save_facts(services, scan, [(kind, value) for kind, value in facts if value is not None])


def _save_facts(services: Services, scan: ScanSummary, facts: Sequence[tuple[ContextKind, float | str]]) -> None:
    author = state.person() or AUTHOR
    try:
        for kind, value in facts:
            fact = NewContext(kind, value, ContextSource.TYPED, scan.study_date)
            services.records.contexts.add(scan.patient_id, fact, author=author)
    except SarcopeniaError as error:
        st.error(f"{error.message} {error.next_step}")
        return
    st.rerun()
