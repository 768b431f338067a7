"""The viewer and the numbers beside it: looking, painting, keeping a draft.

They run in one fragment. Strokes go to a draft on the server as soon as they are made; the mask is always folded anew
from the models' own and the draft.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.level_choice import show_move
from dashboard.components.notices import show_error
from dashboard.components.result import show_flags, show_measured_slice
from dashboard.components.scan import person_at
from dashboard.components.viewer import ViewerAnswer, ViewerMasks, ViewerSlice, show_viewer
from dashboard.images import tissue_layers
from dashboard.result_view import MISSING, RESEARCH_USE, place_words
from dashboard.review_view import mask_difference, previous_scan, review_words
from dashboard.services import Services, measurement_arrays, scan_series
from sarcopenia.assessment.composition import body_composition
from sarcopenia.assessment.correction import fold
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.domain.results import BodyComposition, CompartmentMap
from sarcopenia.domain.strokes import Stroke
from sarcopenia.records import ScanSummary, StoredDraft, StoredMeasurement, StoredSlice
from sarcopenia.review import models_own, store_correction


@dataclass(frozen=True)
class Editing:
    """What is being looked at: the newest version, the slice with the models' own mask, and the person's draft."""

    stored: StoredMeasurement
    model: StoredSlice
    draft: StoredDraft | None

    @property
    def strokes(self) -> tuple[Stroke, ...]:
        """Strokes of the draft; without one those of the version."""
        return self.stored.measurement.provenance.strokes if self.draft is None else self.draft.strokes

    @cached_property
    def mended(self) -> CompartmentMap:
        """The models' mask with the strokes folded in."""
        return fold(self.model.compartments, self.model.hu_yx, self.strokes)


def show_previous(services: Services, scan: ScanSummary) -> None:
    """The measured slice of the patient's scan before this one, for the eye; the trend has the numbers."""
    before = previous_scan(services.records.scans.of_patient(scan.patient_id), scan)
    if before is None or before.latest is None:
        return
    stored = before.latest
    arrays, composition = measurement_arrays(stored.measurement_id), stored.measurement.composition
    if arrays.slice is None or composition is None:
        return
    day = "no date" if before.study_date is None else before.study_date.isoformat()
    with st.expander(f"Previous scan: {day}, SMA {composition.sma_cm2:.1f} cm², {review_words(stored)}"):
        show_measured_slice(stored, arrays)


def show_overtaken(services: Services, scan: ScanSummary, stored: StoredMeasurement, author: str) -> None:
    """Tell of drafts on versions that somebody else has replaced meanwhile: nothing that was painted is lost."""
    own_id = models_own(services.records, stored.measurement_id).measurement_id
    for version in services.records.measurements.of_scan(scan.scan_id):
        draft = services.records.drafts.get(version.measurement_id, author) if version.superseded_by else None
        if draft is None:
            continue
        st.warning(f"This scan has been corrected by {stored.author} while you were painting. Your strokes are kept.")
        take, discard = st.columns(2)
        same_slice = models_own(services.records, version.measurement_id).measurement_id == own_id
        if take.button("Show my strokes instead", key=f"take-{version.measurement_id}", disabled=not same_slice):
            newer = services.records.drafts.get(stored.measurement_id, author)
            revision = 0 if newer is None else newer.revision
            services.records.drafts.save(stored.measurement_id, author, draft.strokes, on_revision=revision)
            services.records.drafts.discard(version.measurement_id, author)
            st.rerun()
        if discard.button("Discard my strokes", key=f"drop-{version.measurement_id}"):
            services.records.drafts.discard(version.measurement_id, author)
            st.rerun()


@st.fragment
def show_editor(services: Services, scan: ScanSummary, stored: StoredMeasurement, author: str) -> None:
    """Viewer and numbers; runs again by itself for every stroke and every slice."""
    own_id = models_own(services.records, stored.measurement_id).measurement_id
    model = measurement_arrays(own_id).slice
    if model is None:
        return
    draft = services.records.drafts.get(stored.measurement_id, author) if author else None
    editing = Editing(stored, model, draft)
    picture, numbers = st.columns([5, 2], gap="medium")
    with picture:
        answer = _show_picture(services, scan, editing, can_paint=bool(author))
    with numbers:
        show_move(services, scan, editing.stored, author)
        _show_numbers(services, editing, author)
    _take(services, scan, editing, author, answer)


def _show_picture(services: Services, scan: ScanSummary, editing: Editing, *, can_paint: bool) -> ViewerAnswer:
    """The measured slice with its mask, or another slice of the series without one."""
    stored, measured = editing.stored, editing.stored.measurement.slice_index or 0
    shown = state.shown_slice(stored.measurement_id)
    key = f"viewer-{scan.scan_id}"
    try:
        if shown is None or shown == measured:
            caption = f"{place_words(stored.measurement)} {RESEARCH_USE}. {review_words(stored)}."
            picture = ViewerSlice(editing.model.hu_yx, editing.model.plane, caption, measured, scan.slice_count)
            layers = tissue_layers(stored.measurement.provenance.vat_range_hu)
            masks = ViewerMasks(editing.mended, layers)
            return show_viewer(key, picture, masks, editing.strokes, editable=can_paint)
        volume = scan_series(scan.scan_id)
        caption = f"Slice {shown} of {scan.slice_count}, counted from the feet. Not measured. {RESEARCH_USE}."
        plane = volume.geometry.plane(shown)
        return show_viewer(key, ViewerSlice(volume.hu_zyx[shown], plane, caption, shown, scan.slice_count), None)
    except SarcopeniaError as error:
        show_error(error)
        return ViewerAnswer(None, 0)


def _take(services: Services, scan: ScanSummary, editing: Editing, author: str, answer: ViewerAnswer) -> None:
    """Keep what the person did, and draw again."""
    stored, draft = editing.stored, editing.draft
    if answer.strokes is not None and answer.strokes != editing.strokes:
        revision = 0 if draft is None else draft.revision
        try:
            services.records.drafts.save(stored.measurement_id, author, answer.strokes, on_revision=revision)
        except SarcopeniaError as error:
            show_error(error)
            return
        st.rerun(scope="fragment")
    if answer.scroll:
        measured = stored.measurement.slice_index or 0
        shown = state.shown_slice(stored.measurement_id)
        there = (measured if shown is None else shown) + answer.scroll
        state.show_slice(stored.measurement_id, int(np.clip(there, 0, scan.slice_count - 1)))
        st.rerun(scope="fragment")


def _composition(editing: Editing, mended: CompartmentMap) -> BodyComposition:
    painted = mended.muscle_yx if editing.strokes else None
    return body_composition(
        editing.model.hu_yx,
        mended.compartments_yx,
        editing.model.plane.pixel_area_mm2,
        editing.stored.measurement.provenance.vat_range_hu,
        painted,
    )


def _show_numbers(services: Services, editing: Editing, author: str) -> None:
    """The areas as they are drawn now, against the models' own; and what to do with the draft."""
    mended = editing.mended
    now = _composition(editing, mended)
    difference = mask_difference(
        editing.model.compartments.muscle_yx, mended.muscle_yx, editing.model.plane.pixel_area_mm2
    )
    delta = f"{difference.area_cm2:+.1f} cm² against AI" if editing.strokes else None
    st.metric("SMA (cm²)", f"{now.sma_cm2:.1f}", delta, delta_color="off")
    st.metric("SMD (HU)", MISSING if now.smd_hu is None else f"{now.smd_hu:.1f}")
    for name, value in (("LAMA", now.lama_cm2), ("SAT", now.sat_cm2), ("VAT", now.vat_cm2), ("IMAT", now.imat_cm2)):
        st.markdown(f"{name} {value:.1f} cm²")
    if editing.strokes:
        against = f"{difference.area_percent:+.1f} % against AI, Dice {difference.dice:.3f}"
        st.caption(f"Strokes: {len(editing.strokes)} · {against}")
    show_flags(editing.stored.measurement, person_at(services.records.contexts.for_scan(editing.stored.scan_id)))
    if editing.draft is not None:
        st.info("Draft, not stored yet. It survives a reload of the page.")
        _show_draft_buttons(services, editing, author)


def _show_draft_buttons(services: Services, editing: Editing, author: str) -> None:
    store, discard = st.columns(2)
    measurement_id = editing.stored.measurement_id
    if store.button("Store correction", type="primary", key=f"store-{measurement_id}"):
        try:
            store_correction(services.records, measurement_id, editing.strokes, author=author)
        except SarcopeniaError as error:
            show_error(error)
            return
        st.rerun()
    if discard.button("Discard draft", key=f"discard-{measurement_id}"):
        services.records.drafts.discard(measurement_id, author)
        st.rerun(scope="fragment")
