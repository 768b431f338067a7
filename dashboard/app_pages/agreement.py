"""Agreement: how a hospital validates the tool on its own cases."""

import streamlit as st

from dashboard.components.agreement import all_rows, show_results
from dashboard.components.notices import show_error
from dashboard.components.reading_form import show_form
from dashboard.services import Services, get_services
from sarcopenia.domain.errors import SarcopeniaError


def show(services: Services) -> None:
    """The form, and what the readings say so far."""
    if not services.records.scans.newest(1):
        st.info("No scans yet. Upload one first; then bring masks that people drew on it.")
        return
    show_form(services)
    rows = all_rows(services)
    if not rows:
        st.info("No readings yet. Compare a first mask, or correct one on the Review page.")
        return
    patients = {row.patient_id for row in rows}
    show_results(rows, {each: services.records.patients.get(each).display_name for each in patients})


def page() -> None:
    """The page from top to bottom."""
    st.title("Agreement")
    st.caption(
        "Bring masks that people drew outside this tool, and see how far the AI's own mask of the same slice lies from "
        "them. The muscle counts as it was drawn (−29 to 150 HU is usual). Of several drawn slices the one nearest to "
        "the measured slice is compared. The newest mask of each reader on each scan counts."
    )
    services = get_services()
    try:
        show(services)
    except SarcopeniaError as error:
        show_error(error)


page()
