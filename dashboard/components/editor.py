"""The viewer and what stands around it: looking, painting, keeping a draft.

They run in one fragment. Strokes go to a draft on the server as soon as they are made; the mask is always folded anew
from the models' own and the draft.
"""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard import state
from dashboard.components.editor_numbers import show_numbers
from dashboard.components.level_choice import show_move, shown_index
from dashboard.components.notices import show_error
from dashboard.components.previous_scan import show_heading, show_previous_scan
from dashboard.components.slice_preview import PREVIEW, preview_of, show_preview_numbers
from dashboard.components.viewer import ViewerAnswer, ViewerMasks, ViewerSlice, show_viewer
from dashboard.editor_view import Editing
from dashboard.images import tissue_layers
from dashboard.result_view import RESEARCH_USE, place_words
from dashboard.review_view import previous_scan, review_words
from dashboard.services import Services, measurement_arrays, scan_series
from sarcopenia.assessment.preview import SlicePreview
from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.records import ScanSummary, StoredMeasurement
from sarcopenia.review import models_own


@dataclass(frozen=True)
class _Wishes:
    """What a person wants to see besides the measured slice: outlines on other slices, the previous scan."""

    outlines: bool
    previous: bool


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


def show_editor(services: Services, scan: ScanSummary, stored: StoredMeasurement, author: str) -> None:
    """Viewer and numbers, and the previous scan where there is one."""
    # Looked up here, so that the fragment does not for every slice.
    before = previous_scan(services.records.scans.of_patient(scan.patient_id), scan)
    _show_editor(services, scan, stored, before, author)


@st.fragment
def _show_editor(
    services: Services, scan: ScanSummary, stored: StoredMeasurement, before: ScanSummary | None, author: str
) -> None:
    """Runs again by itself for every stroke and every slice."""
    own_id = models_own(services.records, stored.measurement_id).measurement_id
    model = measurement_arrays(own_id).slice
    if model is None:
        return
    draft = services.records.drafts.get(stored.measurement_id, author) if author else None
    editing = Editing(stored, model, draft)
    wishes = _ask_wishes(scan, before)
    pictures, numbers = st.columns([8, 3] if wishes.previous else [5, 2], gap="medium")
    with pictures:
        preview = _preview(scan, stored) if wishes.outlines else None
        # Both pictures end at the same height, whatever stands above them.
        first, *second = st.columns(2 if wishes.previous else 1, vertical_alignment="bottom")
    with first:
        if wishes.previous:
            show_heading(services, scan, stored, "This scan")
        answer = _show_picture(scan, editing, preview, can_paint=bool(author), height_px=_height_px(wishes))
    if before is not None and second:
        with second[0]:
            show_previous_scan(services, before, _window_link(scan), _height_px(wishes))
    with numbers:
        if preview is not None:
            show_preview_numbers(preview, shown_index(scan, stored))
        show_numbers(services, editing, author)
        show_move(services, scan, stored, author)
    _take(services, scan, editing, author, answer)


def _ask_wishes(scan: ScanSummary, before: ScanSummary | None) -> _Wishes:
    with st.container(horizontal=True):
        outlines = scan.slice_count > 1 and st.toggle(
            "Outline other slices too",
            key=f"outline-others-{scan.scan_id}",
            help="Asks the models for every slice you scroll to. A preview: nothing is measured or stored.",
        )
        previous = before is not None and st.toggle("Previous scan beside", key=f"previous-beside-{scan.scan_id}")
    return _Wishes(outlines, previous)


def _height_px(wishes: _Wishes) -> int:
    """A picture beside another one is narrower, and so less high."""
    return 440 if wishes.previous else 640


def _window_link(scan: ScanSummary) -> str:
    return f"window-{scan.scan_id}"


def _preview(scan: ScanSummary, stored: StoredMeasurement) -> SlicePreview | None:
    """Outlines where another slice than the measured one is shown."""
    shown = shown_index(scan, stored)
    if shown == stored.measurement.slice_index:
        return None
    return preview_of(scan.scan_id, shown, stored.measurement.provenance.vat_range_hu)


def _show_picture(
    scan: ScanSummary, editing: Editing, preview: SlicePreview | None, *, can_paint: bool, height_px: int
) -> ViewerAnswer:
    """The measured slice with its mask, or another slice of the series, with a preview where one is asked for."""
    stored = editing.stored
    try:
        if shown_index(scan, stored) != stored.measurement.slice_index:
            return _show_other(scan, stored, preview, height_px)
        layers = tissue_layers(stored.measurement.provenance.vat_range_hu)
        own = editing.model.compartments.muscle_yx if editing.strokes else None
        return show_viewer(
            f"viewer-{scan.scan_id}",
            _measured_slice(scan, editing),
            ViewerMasks(editing.mended, layers, own),
            editing.strokes,
            editable=can_paint,
            height_px=height_px,
            link=_window_link(scan),
        )
    except SarcopeniaError as error:
        show_error(error)
        return ViewerAnswer(None, 0)


def _measured_slice(scan: ScanSummary, editing: Editing) -> ViewerSlice:
    measurement = editing.stored.measurement
    caption = f"{place_words(measurement)} {RESEARCH_USE}. {review_words(editing.stored)}."
    index, model = measurement.slice_index or 0, editing.model
    return ViewerSlice(model.hu_yx, model.plane, caption, index, scan.slice_count, measurement.slice_z_mm, index)


def _show_other(
    scan: ScanSummary, stored: StoredMeasurement, preview: SlicePreview | None, height_px: int
) -> ViewerAnswer:
    shown, volume = shown_index(scan, stored), scan_series(scan.scan_id)
    masks, note = None, "Not the measured slice"
    if preview is not None:
        layers = tissue_layers(stored.measurement.provenance.vat_range_hu)
        masks, note = ViewerMasks(preview.compartments, layers, preview=True), PREVIEW
    caption = f"Slice {shown} of {scan.slice_count}, counted from the feet. {note}. {RESEARCH_USE}."
    picture = ViewerSlice(
        volume.hu_zyx[shown],
        volume.geometry.plane(shown),
        caption,
        shown,
        scan.slice_count,
        float(volume.geometry.slice_z_mm[shown]),
        stored.measurement.slice_index,
        note,
    )
    return show_viewer(f"viewer-{scan.scan_id}", picture, masks, height_px=height_px, link=_window_link(scan))


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
        there = shown_index(scan, stored) + answer.scroll
        state.show_slice(stored.measurement_id, int(np.clip(there, 0, scan.slice_count - 1)))
        st.rerun(scope="fragment")
