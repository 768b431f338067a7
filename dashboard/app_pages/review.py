"""Review: the work list, and one scan to look at, mend, move and sign. The address names the scan."""

import pandas as pd
import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.components.review import show_review
from dashboard.review_view import WorkState, work_order, work_row, work_state
from dashboard.services import Services, get_services
from sarcopenia.domain.errors import SarcopeniaError


def show_work_list(services: Services) -> None:
    """What needs a person, the most urgent first; a click opens it."""
    chosen = st.pills("State", [each.value for each in WorkState], selection_mode="multi", key="work-states")
    text = st.text_input("Search by patient or series", key="work-search", icon=":material/search:").strip().lower()
    scans = sorted(services.records.scans.newest(), key=work_order)
    names = {scan.scan_id: services.records.patients.get(scan.patient_id).display_name for scan in scans}
    found = [
        scan
        for scan in scans
        if (not chosen or work_state(scan).value in chosen)
        and text in f"{names[scan.scan_id]} {scan.header.series_description}".lower()
    ]
    if not found:
        st.info("No scan matches." if chosen or text else "No scans yet. Upload one first.")
        return
    rows = pd.DataFrame([work_row(scan, names[scan.scan_id]) for scan in found])
    event = st.dataframe(rows, hide_index=True, width="stretch", on_select="rerun", selection_mode="single-row")
    if event.selection.rows:
        state.link_scan(found[event.selection.rows[0]].scan_id)
        st.rerun()


def show_one(services: Services, scan_id: int) -> None:
    """One scan."""
    scan = services.records.scans.get(scan_id)
    patient = services.records.patients.get(scan.patient_id)
    if st.button("Work list", icon=":material/arrow_back:"):
        state.link_scan(None)
        st.rerun()
    st.subheader(f"{patient.display_name} — {scan.study_date or 'no date'} — {scan.header.series_description}")
    if scan.latest is None:
        st.info("This scan has no measurement yet.")
        return
    show_review(services, scan, scan.latest)


def page() -> None:
    """The page from top to bottom."""
    st.title("Review")
    services = get_services()
    try:
        linked = state.linked_scan()
        if linked is None:
            show_work_list(services)
        else:
            show_one(services, linked)
    except SarcopeniaError as error:
        show_error(error)


page()
