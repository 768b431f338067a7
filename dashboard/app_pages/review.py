"""Review: one scan to look at, mend, move and sign. The address names the scan."""

import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.components.review import show_review
from dashboard.services import Services, get_services
from sarcopenia.domain.errors import SarcopeniaError


def show_one(services: Services, scan_id: int) -> None:
    """One scan."""
    scan = services.records.scans.get(scan_id)
    patient = services.records.patients.get(scan.patient_id)
    st.subheader(f"{patient.display_name} — {scan.study_date or 'no date'} — {scan.header.series_description}")
    if scan.latest is None:
        st.info("This scan has no measurement yet.")
        return
    show_review(services, scan, scan.latest)


def page() -> None:
    """The page from top to bottom."""
    st.title("Review")
    services = get_services()
    seen_last = state.work_list_parameters()
    st.page_link("app_pages/worklist.py", label="Worklist", icon=":material/arrow_back:", query_params=seen_last)
    linked = state.linked_scan()
    if linked is None:
        st.info("Choose a scan on the Worklist page.")
        return
    try:
        show_one(services, linked)
    except SarcopeniaError as error:
        show_error(error)


page()
