"""The patient's previous measured scan beside the one that is reviewed, for the eye; the trend has the numbers."""

import streamlit as st

from dashboard.components.viewer import ViewerMasks, ViewerSlice, show_viewer
from dashboard.editor_view import scan_words
from dashboard.images import tissue_layers
from dashboard.result_view import RESEARCH_USE, place_words
from dashboard.review_view import review_words, version_number
from dashboard.services import Services, measurement_arrays
from sarcopenia.records import ScanSummary, StoredMeasurement


def show_heading(services: Services, scan: ScanSummary, stored: StoredMeasurement, name: str) -> None:
    """Which of two scans a picture is of."""
    versions = services.records.measurements.of_scan(scan.scan_id)
    st.markdown(f"{name}: {scan_words(scan.study_date, stored, version_number(versions, stored.measurement_id))}")


def show_previous_scan(services: Services, before: ScanSummary, window_link: str, height_px: int) -> None:
    """The previous scan's measured slice with its stored mask; the window is shared with the other viewer."""
    stored = before.latest
    found = None if stored is None else measurement_arrays(stored.measurement_id).slice
    if stored is None or found is None:
        st.info("The previous scan has no measured slice.")
        return
    show_heading(services, before, stored, "Previous scan")
    measurement = stored.measurement
    index, caption = measurement.slice_index or 0, f"{place_words(measurement)} {RESEARCH_USE}. {review_words(stored)}."
    picture = ViewerSlice(
        found.hu_yx, found.plane, f"Previous scan. {caption}", index, 1, measurement.slice_z_mm, index
    )
    masks = ViewerMasks(found.compartments, tissue_layers(measurement.provenance.vat_range_hu))
    show_viewer(f"previous-{before.scan_id}", picture, masks, height_px=height_px, link=window_link)
