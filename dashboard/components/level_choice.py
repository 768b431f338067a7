"""Where the scan is measured: the levels that were found, and another slice of a person's choice."""

import streamlit as st

from dashboard import state
from dashboard.components.notices import show_error
from dashboard.components.scouts import show_scout_picker, shown_z_mm
from dashboard.level_view import (
    VERTEBRAE,
    counted_words,
    level_rows,
    nearest_to_target,
    proposal_at,
    vertebra_words,
)
from dashboard.result_view import LANDMARK_WORDS
from dashboard.services import Services, measurement_arrays, scan_series
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.domain.results import Landmark
from sarcopenia.records import ScanSummary, StoredMeasurement
from sarcopenia.review import LevelChoice, move_level


def shown_index(scan: ScanSummary, stored: StoredMeasurement) -> int:
    """Slice on the screen: where a person went, else the measured one, else the vertebra nearest to L3."""
    shown, measured = state.shown_slice(stored.measurement_id), stored.measurement.slice_index
    if shown is not None:
        return shown
    if measured is not None:
        return measured
    nearest = nearest_to_target(stored.level)
    return scan.slice_count // 2 if nearest is None else nearest.slice_index


def show_move(services: Services, scan: ScanSummary, stored: StoredMeasurement, author: str) -> None:
    """Go through the series and measure at the slice that is shown; belongs into the viewer's fragment."""
    shown, arrays = shown_index(scan, stored), measurement_arrays(stored.measurement_id)
    wanted = show_scout_picker(stored, arrays, scan, shown)
    if wanted is not None and wanted != shown:
        state.show_slice(stored.measurement_id, wanted)
        st.rerun(scope="fragment")
    if shown != stored.measurement.slice_index:
        _show_form(services, scan, stored, shown, author)
        return
    st.caption(f"Slice {shown}: the measured one. Go to another slice to measure there.")
    with st.expander("This slice shows another vertebra or landmark"):
        _show_form(services, scan, stored, shown, author)


def _show_form(services: Services, scan: ScanSummary, stored: StoredMeasurement, shown: int, author: str) -> None:
    """Name the vertebra, and let the models outline the slice."""
    choice = _ask(scan, stored, shown)
    label = "Measure again" if shown == stored.measurement.slice_index else "Measure here"
    key, disabled = f"measure-{stored.measurement_id}", not author or choice is None
    measure = st.button(label, type="primary", key=key, disabled=disabled)
    if not author:
        st.caption("Enter your name above to measure.")
    if measure and choice is not None:
        take_level(services, scan, stored, choice, author)


def _ask(scan: ScanSummary, stored: StoredMeasurement, shown: int) -> LevelChoice | None:
    """Which vertebra the slice shows and where in it; the nearest one as the model counts is proposed."""
    proposal = None
    try:
        proposal = proposal_at(stored.level, shown_z_mm(stored, scan, shown))
    except SarcopeniaError as error:
        show_error(error)
    st.caption(counted_words(stored.level) if proposal is None else proposal.words)
    proposed = VERTEBRAE.index(proposal.label) if proposal is not None and proposal.label in VERTEBRAE else None
    named = st.selectbox(
        f"Slice {shown} shows",
        VERTEBRAE,
        proposed,
        format_func=lambda label: vertebra_words(label, stored.level),
        placeholder="Choose the vertebra",
        # A name belongs to a slice: another slice gets its own proposal.
        key=f"named-{stored.measurement_id}-{shown}",
    )
    landmark = st.selectbox(
        "Taken at", list(Landmark), format_func=LANDMARK_WORDS.__getitem__, key=f"landmark-{stored.measurement_id}"
    )
    if named is not None and named != "L3":
        st.caption(f"This will be SMA at {named}: no cut-off and no trend, they hold for L3.")
    return None if named is None else LevelChoice(shown, named, landmark)


def take_level(
    services: Services, scan: ScanSummary, stored: StoredMeasurement, choice: LevelChoice, author: str
) -> None:
    """Measure at a person's choice, store that as a new version, and draw the page with it."""
    try:
        with st.spinner("Measuring …"):
            volume = scan_series(scan.scan_id)
            move_level(services.records, services.models, volume, stored.measurement_id, choice, author=author)
    except SarcopeniaError as error:
        show_error(error)
        return
    st.rerun()


def show_levels(stored: StoredMeasurement) -> None:
    """Every vertebra that was found, in words and as a table."""
    st.subheader("Levels")
    st.caption(counted_words(stored.level))
    if stored.level is not None and stored.level.vertebrae:
        st.dataframe(level_rows(stored.level, stored.measurement), hide_index=True, width="stretch")
