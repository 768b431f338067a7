"""An ambiguous level: both slices that may be L3 side by side, measured, and a button under each."""

import streamlit as st

from dashboard import state
from dashboard.components.level_choice import take_level
from dashboard.components.slice_preview import preview_of
from dashboard.images import MUSCLE_LAYER, WINDOWS, SliceDisplay, slice_picture
from dashboard.level_view import TARGET, candidate_words, counted_words
from dashboard.result_view import MISSING, NOT_REVIEWED, RESEARCH_USE
from dashboard.services import Services, scan_series
from sarcopenia.assessment.preview import SlicePreview
from sarcopenia.domain.results import LevelFinding, Verdict, VertebraPosition
from sarcopenia.records import ScanSummary, StoredMeasurement
from sarcopenia.review import LevelChoice

DISPLAY = SliceDisplay(WINDOWS[0], frozenset({MUSCLE_LAYER.name}), 0.45, outlines=False)


def show_candidates(services: Services, scan: ScanSummary, stored: StoredMeasurement, author: str) -> None:
    """Both candidates for L3, where a person still has to choose; nothing otherwise."""
    level = stored.level
    if stored.measurement.verdict is not Verdict.AMBIGUOUS_LEVEL or level is None or not level.candidates:
        return
    st.subheader("Which slice shows L3?")
    st.caption(counted_words(level) + ("" if author else " Enter your name above to choose."))
    for place, candidate in zip(st.columns(len(level.candidates), gap="large"), level.candidates, strict=True):
        with place:
            _show_candidate(services, scan, stored, level, candidate, author)


def _show_candidate(
    services: Services,
    scan: ScanSummary,
    stored: StoredMeasurement,
    level: LevelFinding,
    candidate: VertebraPosition,
    author: str,
) -> None:
    index = candidate.slice_index
    st.markdown(f"**Slice {index}** (z = {candidate.z_mm:.0f} mm). {candidate_words(level, candidate)}")
    preview = preview_of(scan.scan_id, index, stored.measurement.provenance.vat_range_hu)
    if preview is not None:
        _show_preview(scan, index, preview)
    chosen, look = st.columns(2)
    label, key = f"Use this slice as {TARGET}", f"candidate-{stored.measurement_id}-{index}"
    if chosen.button(label, type="primary", key=key, disabled=not author, width="stretch"):
        take_level(services, scan, stored, LevelChoice(index, TARGET), author)
    place = (stored.measurement_id, index)
    look.button("Show in the viewer", key=f"look-{index}", on_click=state.show_slice, args=place, width="stretch")


def _show_preview(scan: ScanSummary, index: int, preview: SlicePreview) -> None:
    """Picture and numbers of a candidate, before anybody has chosen it."""
    volume, found = scan_series(scan.scan_id), preview.composition
    mask_yx, plane = preview.compartments.compartments_yx, volume.geometry.plane(index)
    picture = slice_picture(volume.hu_zyx[index], mask_yx, plane, DISPLAY, found.vat_range_hu)
    words = f"Slice {index} with the muscle mask, not chosen yet. {RESEARCH_USE}. {NOT_REVIEWED}."
    st.image(picture, caption=words, width="stretch", alt=f"Axial CT. {words}")
    sma, smd = st.columns(2)
    sma.metric("SMA (cm²)", f"{found.sma_cm2:.1f}")
    smd.metric("SMD (HU)", MISSING if found.smd_hu is None else f"{found.smd_hu:.1f}")
