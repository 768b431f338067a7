"""Agreement: how a hospital validates the tool on its own cases."""

import streamlit as st

from dashboard.components.agreement import all_rows, show_form, show_results
from dashboard.components.notices import show_error
from dashboard.services import Services, get_services
from sarcopenia.domain.errors import SarcopeniaError


def show(services: Services) -> None:
    """The form, and what the readings say so far."""
    scans = services.records.scans.newest()
    if not scans:
        st.info("No scans yet. Upload one first; then bring masks that people drew on it.")
        return
    rows = all_rows(services)
    patients = {scan.patient_id for scan in scans} | {row.patient_id for row in rows}
    names = {patient_id: services.records.patients.get(patient_id).display_name for patient_id in patients}
    show_form(services, scans, names)
    if not rows:
        st.info("No readings yet. Compare a first mask, or correct one on the Review page.")
        return
    show_results(rows, names)


def page() -> None:
    """The page from top to bottom."""
    st.title("Agreement")
    st.caption(
        "Bring masks that people drew outside this tool, and see how far the AI's own mask of the same slice lies from "
        "them. Muscle is value or tag 1, or a segment named skeletal muscle, as it was drawn (−29 to 150 HU is usual). "
        "The newest mask of each reader on each scan counts."
    )
    services = get_services()
    try:
        show(services)
    except SarcopeniaError as error:
        show_error(error)


page()
