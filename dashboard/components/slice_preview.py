"""Outlines on slices that are not the measured one: asked of the models on request, only to be looked at."""

import streamlit as st

from dashboard.result_view import MISSING
from dashboard.services import get_services, model_health, scan_series
from sarcopenia.assessment.composition import HuRange
from sarcopenia.assessment.preview import SlicePreview, outline_slice
from sarcopenia.domain.errors import ModelUnavailableError, SarcopeniaError

PREVIEW = "Preview – not the measured slice"


def preview_of(scan_id: int, slice_index: int, vat_range_hu: HuRange) -> SlicePreview | None:
    """Outlines of a slice; a sentence on the page and ``None`` where there are none."""
    try:
        return _outlined(scan_id, slice_index, vat_range_hu)
    except SarcopeniaError as error:
        st.warning(
            f"**No outline on slice {slice_index}.** {error.message} You can scroll on without it.",
            icon=":material/cloud_off:",
        )
        return None


@st.cache_data(scope="session", max_entries=32, show_spinner="Outlining …")
def _outlined(scan_id: int, slice_index: int, vat_range_hu: HuRange) -> SlicePreview:
    """Asked once for every slice; a model that is known to be ill is not waited for."""
    services = get_services()
    for each in model_health():
        if each.name == services.settings.models.compartments.name and not each.healthy:
            raise ModelUnavailableError(each.message)
    return outline_slice(scan_series(scan_id), services.models, slice_index, vat_range_hu)


def show_preview_numbers(preview: SlicePreview, slice_index: int) -> None:
    """Area and density of the slice that is shown, told apart from the measured ones."""
    found = preview.composition
    smd = MISSING if found.smd_hu is None else f"{found.smd_hu:.1f} HU"
    st.info(
        f"**{PREVIEW}.** Slice {slice_index}: SMA {found.sma_cm2:.1f} cm² (preview), SMD {smd} (preview). "
        "Not stored, not reviewed. The numbers below are those of the measured slice.",
        icon=":material/preview:",
    )
