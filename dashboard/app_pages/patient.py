"""Patients: search, trend over time, and one click from a marker to its scan."""

from functools import partial

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.components.scan import person_at, show_scan
from dashboard.result_view import NOT_REVIEWED
from dashboard.services import Services, get_services
from dashboard.trend_view import MEASURES, TrendPoint, TrendScan, trend_figure, trend_points, trend_rows, trend_words
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import PatientSummary, ReviewState, ScanSummary


def show_list(services: Services) -> None:
    """Search and list; a click on a row opens the patient."""
    text = st.text_input("Search by name or patient ID", key="patient-search", icon=":material/search:")
    patients = services.records.patients.search(text)
    if not patients:
        st.info("No patient matches." if text else "No patients yet. Upload a scan first.")
        return
    rows = pd.DataFrame([_row(patient) for patient in patients])
    event = st.dataframe(rows, hide_index=True, width="stretch", on_select="rerun", selection_mode="single-row")
    if event.selection.rows:
        state.show_patient(patients[event.selection.rows[0]].patient_id)
        st.rerun()


def _row(patient: PatientSummary) -> dict[str, object]:
    return {
        "Name": patient.display_name,
        "Patient ID": patient.identity.dicom_patient_id,
        "Born": patient.identity.birth_date,
        "Sex": patient.identity.sex.value,
        "Scans": patient.scan_count,
        "First scan": patient.first_study_date,
        "Last scan": patient.last_study_date,
    }


def show_one(services: Services, patient_id: int) -> None:
    """Trend and scans of one patient."""
    patient = services.records.patients.get(patient_id)
    if st.button("All patients", icon=":material/arrow_back:"):
        state.show_patient(None)
        state.link_scan(None)
        st.rerun()
    st.header(patient.display_name)
    scans = services.records.scans.of_patient(patient_id)
    points = trend_points(tuple(found for scan in scans if (found := _trend_scan(services, scan)) is not None))
    if points:
        _show_trend(points)
    _show_choice(services, scans)


def _trend_scan(services: Services, scan: ScanSummary) -> TrendScan | None:
    """What the trend needs of a scan; ``None`` without a date or a measurement."""
    stored = scan.latest
    if stored is None or scan.study_date is None:
        return None
    reviewed = stored.review is not None and stored.review.state is ReviewState.SIGNED
    person = person_at(services.records.contexts.for_scan(scan.scan_id))
    corrected = stored.parent_id is not None
    return TrendScan(scan.scan_id, scan.study_date, stored.measurement, scan.header, person, reviewed, corrected)


def _show_trend(points: tuple[TrendPoint, ...]) -> None:
    for place, measure in zip(st.columns(len(MEASURES)), MEASURES, strict=True):
        figure = trend_figure(points, measure)
        words = trend_words(points, measure)
        key = f"trend-{measure.key}"
        open_marker = partial(state.link_selected_scan, key)
        place.plotly_chart(figure, width="stretch", key=key, on_select=open_marker, alt=words)
    st.caption(
        f"Open markers: {NOT_REVIEWED}. Error bars: ±2 SD of the ensemble, without repositioning and scanner. The line "
        "breaks where two scans are not comparable. Only usable measurements at L3 are shown, one per study. Click a "
        "marker to open its scan."
    )
    st.dataframe(pd.DataFrame(trend_rows(points)), hide_index=True, width="stretch")


def _show_choice(services: Services, scans: tuple[ScanSummary, ...]) -> None:
    """The scan that a marker or the list chose."""
    if not scans:
        st.info("This patient has no scans.")
        return
    ids = [scan.scan_id for scan in scans]
    labels = {scan.scan_id: f"{scan.study_date or 'no date'} · {scan.header.series_description}" for scan in scans}
    linked = state.linked_scan()
    chosen = st.selectbox(
        "Scan", ids, index=ids.index(linked) if linked in ids else len(ids) - 1, format_func=labels.__getitem__
    )
    state.link_scan(chosen)
    show_scan(services, chosen)


def page() -> None:
    """The page from top to bottom."""
    st.title("Patients")
    services = get_services()
    try:
        patient_id, linked = state.current_patient(), state.linked_scan()
        if patient_id is None and linked is not None:
            patient_id = services.records.scans.get(linked).patient_id
        if patient_id is None:
            show_list(services)
        else:
            show_one(services, patient_id)
    except SarcopeniaError as error:
        show_error(error)


page()
