"""A scan in which nothing was measured: look through the series, and measure at another vertebra on request."""

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.level_choice import show_move, shown_index
from dashboard.components.notices import show_error
from dashboard.components.viewer import ViewerSlice, show_viewer
from dashboard.level_view import nearest_to_target
from dashboard.result_view import RESEARCH_USE
from dashboard.services import Services, scan_series
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import ScanSummary, StoredMeasurement

NOTE = "Not measured"


@st.fragment
def show_unmeasured(services: Services, scan: ScanSummary, stored: StoredMeasurement, author: str) -> None:
    """Viewer and the choice of a slice; runs again by itself for every slice."""
    nearest = nearest_to_target(stored.level)
    if nearest is not None:
        st.markdown(
            f"You may measure another vertebra, here or at any slice. Nearest to L3: **{nearest.label}**. "
            f"Its area stands as “SMA at {nearest.label}” and is compared with no cut-off."
        )
    picture, place = st.columns([5, 2], gap="medium")
    with picture:
        _show_picture(scan, stored)
    with place:
        show_move(services, scan, stored, author)


def _show_picture(scan: ScanSummary, stored: StoredMeasurement) -> None:
    shown = shown_index(scan, stored)
    caption = f"Slice {shown} of {scan.slice_count}, counted from the feet. {NOTE}. {RESEARCH_USE}."
    try:
        volume = scan_series(scan.scan_id)
        picture = ViewerSlice(
            volume.hu_zyx[shown],
            volume.geometry.plane(shown),
            caption,
            shown,
            scan.slice_count,
            float(volume.geometry.slice_z_mm[shown]),
            note=NOTE,
        )
        answer = show_viewer(f"viewer-{scan.scan_id}", picture, None)
    except SarcopeniaError as error:
        show_error(error)
        return
    if answer.scroll:
        state.show_slice(stored.measurement_id, int(np.clip(shown + answer.scroll, 0, scan.slice_count - 1)))
        st.rerun(scope="fragment")
