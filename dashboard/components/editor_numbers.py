"""The numbers beside the viewer: areas as they are drawn now, against the models' own, and what becomes of a draft."""

import streamlit as st

from dashboard.components.notices import show_error
from dashboard.components.result import show_flags
from dashboard.components.scan import person_at
from dashboard.editor_view import Editing, draft_words, uncertainty_words
from dashboard.result_view import MISSING, VERDICT_WORDS
from dashboard.review_view import mask_difference
from dashboard.services import Services
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.review import store_correction


def show_numbers(services: Services, editing: Editing, author: str) -> None:
    """Areas of the measured slice, why they may be used or not, and the draft."""
    now = editing.composition
    difference = mask_difference(
        editing.model.compartments.muscle_yx, editing.mended.muscle_yx, editing.model.plane.pixel_area_mm2
    )
    delta = f"{difference.area_cm2:+.1f} cm² against AI" if editing.strokes else None
    sma, smd = st.columns(2)
    level = editing.stored.measurement.level
    at = "" if level in (None, "L3") else f" at {level}"
    sma.metric(f"SMA{at} (cm²)", f"{now.sma_cm2:.1f}", delta, delta_color="off")
    smd.metric("SMD (HU)", MISSING if now.smd_hu is None else f"{now.smd_hu:.1f}")
    areas = (("LAMA", now.lama_cm2), ("SAT", now.sat_cm2), ("VAT", now.vat_cm2), ("IMAT", now.imat_cm2))
    st.markdown(" · ".join(f"{name} {value:.1f} cm²" for name, value in areas))
    if editing.strokes:
        against = f"{difference.area_percent:+.1f} % against AI, Dice {difference.dice:.3f}"
        changed = f"added {difference.added_cm2:.1f} cm², removed {difference.removed_cm2:.1f} cm²"
        st.caption(f"Strokes: {len(editing.strokes)} · {changed} · {against}")
    if editing.draft is not None:
        _show_draft(services, editing, author)
    _show_reasons(services, editing)


def _show_reasons(services: Services, editing: Editing) -> None:
    """The verdict of the stored version, each reason in words, and how far the models disagree."""
    measurement = editing.stored.measurement
    st.markdown(f"**{VERDICT_WORDS[measurement.verdict]}**")
    if words := uncertainty_words(measurement, mended=bool(editing.strokes)):
        st.caption(words)
    show_flags(measurement, person_at(services.records.contexts.for_scan(editing.stored.scan_id)))


def _show_draft(services: Services, editing: Editing, author: str) -> None:
    st.info(draft_words(editing))
    measurement_id = editing.stored.measurement_id
    with st.container(horizontal=True):
        label = "Store the AI's mask" if editing.is_changed and not editing.strokes else "Store correction"
        disabled = not editing.is_changed
        store = st.button(label, type="primary", key=f"store-{measurement_id}", disabled=disabled)
        discard = st.button("Discard draft", key=f"discard-{measurement_id}")
    if discard:
        services.records.drafts.discard(measurement_id, author)
        st.rerun(scope="fragment")
    if store:
        try:
            store_correction(services.records, measurement_id, editing.strokes, author=author)
        except SarcopeniaError as error:
            show_error(error)
            return
        st.rerun()
