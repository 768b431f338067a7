"""The page of one patient before one operation: what is read in ten seconds, and what folds below it."""

from datetime import date

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.components.result import show_flags
from dashboard.components.scan import AUTHOR
from dashboard.components.signing import show_person
from dashboard.preop_view import (
    PreopCase,
    change_line,
    density_words,
    evidence_rows,
    name_warning,
    number_rows,
    operation_words,
    placement_rows,
    quality_words,
    review_line,
    scan_words,
    sentence,
    who_words,
)
from dashboard.report_view import report_content, statement, thumbnail
from dashboard.result_view import RESEARCH_USE, comparison_rows, place_words
from dashboard.services import Services, measurement_arrays
from sarcopenia.clinical.ewgsop2 import FunctionTests, ewgsop2_words
from sarcopenia.clinical.profiles import all_profiles, summarise
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.exchange.pdf_report import pdf_report
from sarcopenia.records import (
    ContextEntry,
    ContextKind,
    ContextSource,
    NewContext,
    ScanContext,
    StoredReport,
)

FUNCTION_KINDS = (ContextKind.GRIP_STRENGTH, ContextKind.GAIT_SPEED, ContextKind.SARC_F)
PROPOSED = "the one of the operation, if there is one"


def show_case(services: Services, case: PreopCase) -> None:
    """Above the fold the finding, below it everything else."""
    context = services.records.contexts.for_scan(case.scan.scan_id)
    if words := name_warning(case.patient, case.operation):
        st.warning(words, icon=":material/person_alert:")
    _show_finding(case)
    links = {state.SCAN_PARAMETER: str(case.scan.scan_id)}
    review, patient = st.columns(2)
    review.page_link("app_pages/review.py", label="Look at it in Review", query_params=links)
    patient.page_link("app_pages/patient.py", label="Change over time", query_params=links)
    _show_profiles(case)
    _show_confounders(case)
    _show_function(services, case)
    _show_evidence(case)
    _show_reports(services, case, context)


def _show_finding(case: PreopCase) -> None:
    words, picture = st.columns([3, 1], gap="large")
    with words:
        st.subheader(who_words(case))
        st.markdown(f"**{operation_words(case.operation)}**")
        st.markdown(f"{scan_words(case)}  \n**{review_line(case)}**  \n{quality_words(case.stored)}")
        st.markdown(f"### {sentence(case)}")
        st.markdown(f"{density_words(case)}  \n{change_line(case)}")
    png = thumbnail(case, measurement_arrays(case.stored.measurement_id))
    if png is not None:
        caption = f"{place_words(case.stored.measurement)} {RESEARCH_USE}."
        picture.image(png, caption=RESEARCH_USE, width="stretch", alt=f"Axial CT slice with muscle mask. {caption}")


def _show_profiles(case: PreopCase) -> None:
    with st.expander("Numbers, percentiles and all cut-off profiles"):
        st.dataframe(pd.DataFrame(number_rows(case), columns=["Measure", "Value"]), hide_index=True, width="stretch")
        st.dataframe(pd.DataFrame(placement_rows(case)), hide_index=True, width="stretch")
        names = {"": PROPOSED} | {profile.id: profile.name for profile in all_profiles()}
        st.selectbox(
            "Cut-off profile of the sentence", list(names), format_func=names.__getitem__, key=state.PROFILE_KEY
        )
        if not case.signed:
            st.caption("Cut-off profiles are compared after a signature.")
            return
        for summary in summarise(case.comparisons):
            st.markdown(summary.words)
        st.dataframe(pd.DataFrame(comparison_rows(case.comparisons)), hide_index=True, width="stretch")
        st.caption("There is no global verdict: which cut-off is chosen decides the answer.")


def _show_confounders(case: PreopCase) -> None:
    with st.expander("Flags and confounders"):
        show_flags(case.stored.measurement, case.person)


def _show_function(services: Services, case: PreopCase) -> None:
    """EWGSOP2 fields: what was tested, what it changes, and a form for it."""
    patient_id = case.patient.patient_id
    entries = [services.records.contexts.at(patient_id, kind, None) for kind in FUNCTION_KINDS]
    with st.expander("Strength and performance (EWGSOP2)"):
        for entry in entries:
            if entry is not None:
                st.caption(f"{entry.kind.value.replace('_', ' ')}: {entry.value} {entry.unit}, {entry.valid_from}")
        for words in ewgsop2_words(FunctionTests(*(_number(entry) for entry in entries)), case.person.sex):
            st.markdown(f"- {words}")
        with st.form(f"function-{case.scan.scan_id}"):
            first, second, third, fourth = st.columns(4)
            day = fourth.date_input("Day of the tests", case.today, max_value=case.today)
            values = (
                first.number_input("Grip strength (kg)", 0.0, 120.0, value=None, step=0.5),
                second.number_input("Gait speed (m/s)", 0.0, 3.0, value=None, step=0.05),
                third.number_input("SARC-F (points)", 0, 10, value=None, step=1),
            )
            if st.form_submit_button("Save"):
                _save_function(services, case, values, day)


def _number(entry: ContextEntry | None) -> float | None:
    return None if entry is None else float(entry.value)


def _save_function(
    services: Services, case: PreopCase, values: tuple[float | None, float | None, int | None], day: date
) -> None:
    try:
        for kind, value in zip(FUNCTION_KINDS, values, strict=True):
            if value is not None:
                fact = NewContext(kind, float(value), ContextSource.MEASURED, day)
                services.records.contexts.add(case.patient.patient_id, fact, author=state.person() or AUTHOR)
    except SarcopeniaError as error:
        show_error(error)
        return
    st.rerun()


def _show_evidence(case: PreopCase) -> None:
    rows = evidence_rows(case)
    with st.expander(f"Published evidence for this operation ({len(rows)} cards)"):
        st.caption("Published groups of people, no prediction for this one. Nothing is added up to a score.")
        for row in rows:
            with st.container(border=True):
                st.markdown(f"**{row['Outcome']}: {row['Effect']}**")
                rest = [f"{name}: {value}" for name, value in row.items() if name not in ("Outcome", "Effect")]
                st.markdown("  \n".join(rest))
        if not rows:
            st.markdown("No evidence is stored for this operation.")


def _show_reports(services: Services, case: PreopCase, context: ScanContext) -> None:
    """Make a report, and hand out again what was handed out before."""
    st.subheader("Report")
    st.caption(statement(case))
    author = show_person()
    cancelled = case.operation is not None and case.operation.cancelled is not None
    if st.button("Make a report (PDF)", icon=":material/picture_as_pdf:", disabled=not author or cancelled):
        try:
            _make_report(services, case, context, author)
        except SarcopeniaError as error:
            show_error(error)
    if not author:
        st.caption("Enter your name first: a report says who made it.")
    for report in services.records.reports.of_patient(case.patient.patient_id):
        if report.document_sha256 is not None:
            of_this_scan = report.items[0].scan_id == case.scan.scan_id
            _show_report(services, report, context.height if of_this_scan else None)


def _make_report(services: Services, case: PreopCase, context: ScanContext, author: str) -> None:
    """Freeze the ids, set the pages from them, and keep the document."""
    entries = [entry for kind in ContextKind if (entry := getattr(context, kind.value)) is not None]
    earlier = [point.scan.stored.measurement_id for point in case.trend.points]
    report = services.records.reports.freeze(
        case.patient.patient_id,
        list(dict.fromkeys([case.stored.measurement_id, *earlier])),
        [entry.entry_id for entry in entries],
        author=author,
        operation_id=None if case.operation is None else case.operation.operation_id,
    )
    content = report_content(case, context, measurement_arrays(case.stored.measurement_id), report)
    services.records.reports.attach(report.report_id, pdf_report(content))


def _show_report(services: Services, report: StoredReport, height: ContextEntry | None) -> None:
    """One report that was handed out; and whether ``height``, which holds today, is another one than its own."""
    name = f"Report {report.report_id} of {report.frozen_at:%Y-%m-%d %H:%M} UTC by {report.author}"
    st.download_button(
        f"{name} (PDF)",
        lambda: services.records.reports.document(report.report_id),
        file_name=f"muscle_l3_report_{report.report_id}.pdf",
        mime="application/pdf",
        icon=":material/download:",
        key=f"report-{report.report_id}",
    )
    if height is not None and height.entry_id not in report.context_entry_ids:
        st.caption(f"Another height holds today ({height.value} {height.unit}); the report keeps the one of its day.")
