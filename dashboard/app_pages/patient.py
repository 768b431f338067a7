"""Patients: search, change over time, events, history, and one click from a marker to its scan."""

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.follow_up import show_follow_up
from dashboard.components.notices import show_error
from dashboard.components.patient_events import show_events
from dashboard.components.patient_history import show_history
from dashboard.components.remeasure import show_remeasure
from dashboard.components.scan import show_scan
from dashboard.components.signing import show_person
from dashboard.components.trend import show_trend
from dashboard.event_view import holding
from dashboard.history_view import agreed_height, body_at_scan
from dashboard.patient_data import dated_trend_scans
from dashboard.services import Services, get_services
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import PatientSummary, ScanSummary


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
    """Trend, events, history and scans of one patient."""
    records = services.records
    patient = records.patients.get(patient_id)
    if st.button("All patients", icon=":material/arrow_back:"):
        state.show_patient(None)
        state.link_scan(None)
        st.rerun()
    st.header(patient.display_name)
    scans, events, history = (
        records.scans.of_patient(patient_id),
        records.events.of_patient(patient_id),
        records.contexts.history(patient_id),
    )
    agreed = agreed_height(history)
    dated = dated_trend_scans(records, scans)
    show_trend(patient, dated, agreed, holding(events))
    show_remeasure(services, scans)
    author = show_person()
    _show_same_place(services, scans, author)
    show_events(services, patient_id, events, author)
    bodies = [body_at_scan(each.study_date, records.contexts.for_scan(each.scan_id)) for each in dated]
    show_history(history, bodies, agreed)
    _show_choice(services, scans)


def _show_same_place(services: Services, scans: tuple[ScanSummary, ...], author: str) -> None:
    """Two scans of the patient at the same place of the spine: which ones, and then the pair."""
    measured = [scan for scan in scans if scan.latest is not None and scan.latest.measurement.composition is not None]
    if len(measured) < 2:
        return
    with st.expander("Same level, same place: a follow-up beside its baseline"):
        labels = {scan.scan_id: scan_label(scan) for scan in measured}
        first, second = st.columns(2)
        baseline = first.selectbox("Baseline", measured, format_func=lambda scan: labels[scan.scan_id])
        later = [scan for scan in measured if scan.scan_id != baseline.scan_id]
        follow_up = second.selectbox("Follow-up", later, len(later) - 1, format_func=lambda scan: labels[scan.scan_id])
        show_follow_up(services, baseline, follow_up, author)


def scan_label(scan: ScanSummary) -> str:
    """Name of a scan in a list to choose from."""
    return f"{scan.study_date or 'no date'} · {scan.header.series_description}"


def _show_choice(services: Services, scans: tuple[ScanSummary, ...]) -> None:
    """The scan that a marker or the list chose."""
    if not scans:
        st.info("This patient has no scans.")
        return
    ids = [scan.scan_id for scan in scans]
    labels = {scan.scan_id: scan_label(scan) for scan in scans}
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
        # The address goes before the patient who was open: a link must never lead to somebody else.
        linked = state.linked_scan()
        patient_id = state.current_patient() if linked is None else services.records.scans.get(linked).patient_id
        state.show_patient(patient_id)
        if patient_id is None:
            show_list(services)
        else:
            show_one(services, patient_id)
    except SarcopeniaError as error:
        show_error(error)


page()
