"""What happened to a patient beside the scans: the list, and the forms that add and withdraw."""

from collections.abc import Sequence
from datetime import date

import pandas as pd
import streamlit as st

from dashboard.components.notices import show_error
from dashboard.event_view import event_rows, event_words
from dashboard.services import Services
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import EventKind, NewEvent, StoredEvent

EARLIEST = date(1950, 1, 1)


def show_events(services: Services, patient_id: int, events: Sequence[StoredEvent], author: str) -> None:
    """All events, withdrawn ones too, and the forms."""
    holding = [event for event in events if event.withdrawn is None]
    with st.expander(f"Events ({len(holding)}): operation, chemotherapy, nutrition, exercise"):
        if events:
            st.dataframe(pd.DataFrame(event_rows(events)), hide_index=True, width="stretch")
        _show_new(services, patient_id, author)
        if holding:
            _show_withdraw(services, holding, author)


def _show_new(services: Services, patient_id: int, author: str) -> None:
    with st.form(f"event-{patient_id}", clear_on_submit=False):
        kind_place, first_place, last_place = st.columns(3)
        kind = kind_place.selectbox("Kind", list(EventKind), format_func=lambda each: each.value)
        first = first_place.date_input("Day, or first day", value=None, min_value=EARLIEST)
        last = last_place.date_input("Last day (empty: one day)", value=None, min_value=EARLIEST)
        note = st.text_input("Note", placeholder="for example: right hemicolectomy", max_chars=200)
        if not st.form_submit_button("Add event"):
            return
        if first is None:
            st.error("Enter the day of the event.")
            return
        try:
            services.records.events.add(patient_id, NewEvent(kind, first, last, note), author=author)
        except SarcopeniaError as error:
            show_error(error)
            return
    st.rerun()


def _show_withdraw(services: Services, holding: Sequence[StoredEvent], author: str) -> None:
    labels = {event.event_id: event_words(event) for event in holding}
    with st.form("withdraw-event"):
        chosen = st.selectbox("Event told by mistake", list(labels), format_func=labels.__getitem__)
        reason = st.text_input("Reason", max_chars=200)
        if not st.form_submit_button("Withdraw event"):
            return
        try:
            services.records.events.withdraw(chosen, author=author, reason=reason)
        except SarcopeniaError as error:
            show_error(error)
            return
    st.rerun()
