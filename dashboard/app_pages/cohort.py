"""Cohort: all scans together, by whom and how they were taken, and under every cut-off."""

import streamlit as st

from dashboard.components.cohort import show_cohort
from dashboard.components.notices import show_error
from dashboard.services import get_services
from sarcopenia.domain.errors import SarcopeniaError


def page() -> None:
    """The page from top to bottom."""
    st.title("Cohort")
    try:
        show_cohort(get_services())
    except SarcopeniaError as error:
        show_error(error)


page()
