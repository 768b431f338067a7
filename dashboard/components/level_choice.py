"""Where the scan is measured: the levels that were found, and another slice of a person's choice."""

import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.result_view import LANDMARK_WORDS
from dashboard.services import Services, scan_series
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.domain.results import Landmark, vertebra_label
from sarcopenia.records import ScanSummary, StoredMeasurement
from sarcopenia.review import LevelChoice, move_level

LEVELS = tuple(vertebra_label(coordinate) for coordinate in range(11, 19))


def show_move(services: Services, scan: ScanSummary, stored: StoredMeasurement, author: str) -> None:
    """Measure at the slice that is shown: name the vertebra, and let the models outline it."""
    measured = stored.measurement.slice_index or 0
    shown = state.shown_slice(stored.measurement_id)
    if shown is None or shown == measured:
        st.caption(f"Slice {measured}: the measured one. Scroll to another slice to measure there.")
        return
    named = st.selectbox(f"Slice {shown} shows", LEVELS, LEVELS.index("L3"), key=f"named-{stored.measurement_id}")
    landmark = st.selectbox(
        "Taken at", list(Landmark), format_func=LANDMARK_WORDS.__getitem__, key=f"landmark-{stored.measurement_id}"
    )
    measure, back = st.columns(2)
    if back.button("Back to measured", key=f"back-{stored.measurement_id}"):
        state.show_slice(stored.measurement_id, None)
        st.rerun(scope="fragment")
    if measure.button("Measure here", key=f"measure-{stored.measurement_id}", disabled=not author):
        choice = LevelChoice(shown, named, landmark)
        try:
            volume = scan_series(scan.scan_id)
            move_level(services.records, services.models, volume, stored.measurement_id, choice, author=author)
        except SarcopeniaError as error:
            show_error(error)
            return
        st.rerun()
