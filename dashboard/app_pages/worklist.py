"""Worklist: every scan, what needs a person first; to open, to sign together, to bookmark."""

import streamlit as st

from dashboard.components.notices import show_error
from dashboard.components.signing import show_person
from dashboard.components.work_list import show_work_list
from dashboard.services import get_services
from sarcopenia.domain.errors import SarcopeniaError


def page() -> None:
    """The page from top to bottom."""
    st.title("Worklist")
    services = get_services()
    author = show_person()
    try:
        show_work_list(services, author)
    except SarcopeniaError as error:
        show_error(error)


page()
