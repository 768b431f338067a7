"""Every version of a scan, and how its mask differs from the AI's own; none is ever changed."""

from collections.abc import Sequence

import streamlit as st

from dashboard.components.slice_view import swatch
from dashboard.difference_picture import LEGEND, difference_picture
from dashboard.result_view import RESEARCH_USE
from dashboard.review_view import difference_rows, mask_difference, review_words, version_rows, version_words
from dashboard.services import Services, measurement_arrays
from sarcopenia.records import ScanSummary, StoredMeasurement
from sarcopenia.review import models_own


def show_versions(services: Services, scan: ScanSummary) -> None:
    """Table of all versions; below it one of them against the AI's own mask."""
    versions = services.records.measurements.of_scan(scan.scan_id)
    st.subheader("Versions")
    st.dataframe(version_rows(versions), hide_index=True, width="stretch")
    _show_difference(services, versions)


@st.fragment
def _show_difference(services: Services, versions: Sequence[StoredMeasurement]) -> None:
    """The chosen version against the mask that its strokes start from."""
    named = {version_words(version, number): version for number, version in enumerate(versions, start=1)}
    measured = [name for name, version in named.items() if version.measurement.composition is not None]
    if not measured:
        return
    name = st.selectbox("Compare with the AI's own mask on the same slice", measured, len(measured) - 1)
    version = named[name]
    own = models_own(services.records, version.measurement_id)
    if own.measurement_id == version.measurement_id:
        st.caption("The mask of this version is the AI's own.")
        return
    _show_pictures(own, version, name)


def _show_pictures(own: StoredMeasurement, version: StoredMeasurement, name: str) -> None:
    model = measurement_arrays(own.measurement_id).slice
    mended = measurement_arrays(version.measurement_id).slice
    if model is None or mended is None:
        return
    masks = model.compartments.muscle_yx, mended.compartments.muscle_yx
    difference = mask_difference(*masks, model.plane.pixel_area_mm2)
    picture, numbers = st.columns([3, 2], gap="large")
    caption = f"{name} against the AI's own mask. {review_words(version)}. {RESEARCH_USE}."
    areas = f"{difference.added_cm2:.1f} cm² added, {difference.removed_cm2:.1f} cm² removed"
    with picture:
        image = difference_picture(model.hu_yx, *masks, model.plane)
        st.image(image, caption=caption, width="stretch", alt=f"Axial CT slice with both outlines of muscle: {areas}")
        st.markdown("  ".join(swatch(*entry) for entry in LEGEND), unsafe_allow_html=True)
    numbers.table(difference_rows(own, version, difference))
