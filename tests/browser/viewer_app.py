"""A page with nothing but the slice viewer; it writes down what the server knows, for the browser test to compare.

Slices come from ``slices.npz`` in the folder ``VIEWER_APP_FOLDER``. ``?plane=turned`` stores them transposed, mirrored
and with pixels that are twice as wide; ``?edit=0`` forbids painting; ``?beside=1`` shows a second viewer with the same
window; ``?preview=1`` shows a preview on all slices but the measured one, which is slice 1.
"""

import json
import os
from pathlib import Path

import numpy as np
import streamlit as st
from scipy import ndimage

from dashboard.components.viewer import ViewerMasks, ViewerSlice, show_viewer
from dashboard.images import tissue_layers
from dashboard.viewer_payload import stroke_json
from sarcopenia.assessment.composition import VAT_HU, muscle_mask
from sarcopenia.assessment.correction import fold
from sarcopenia.assessment.model_grid import CanonicalView
from sarcopenia.domain.errors import InputError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment, CompartmentMap

FOLDER = Path(os.environ["VIEWER_APP_FOLDER"])


def supine(shape_yx):
    return PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), shape_yx)


def turned(shape_yx):
    """Columns run to the front and rows to the right; pixels are 1 mm wide in the first and 2 mm in the second."""
    return PlaneGeometry((0.0, 0.0, 0.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0), (2.0, 1.0), shape_yx)


def load(plane_name, index):
    """HU, the model's compartments and the plane of one slice."""
    stored = np.load(FOLDER / "slices.npz")
    hu, compartments = stored["hu"][index], stored["compartments"][index]
    if plane_name == "supine":
        return hu, compartments, supine(hu.shape)
    hu, compartments = hu[:, ::2], compartments[:, ::2]
    plane = turned(hu.shape[::-1])
    hu, compartments = (CanonicalView.of(plane).undo(array).copy() for array in (hu, compartments))
    return hu, compartments, plane


def model_map(hu, compartments):
    wall = (compartments == Compartment.MUSCLE_WALL).astype(np.float32)
    spread = ndimage.gaussian_filter(wall, 2)
    return CompartmentMap(compartments, muscle_mask(hu, compartments), spread * (1 - spread) * 1.6)


def write_down(muscle, hu, error):
    """What the server knows, in one file that is replaced at once."""
    facts = {
        "runs": st.session_state.runs,
        "index": st.session_state.index,
        "strokes": [stroke_json(stroke) for stroke in strokes()],
        "error": error,
    }
    draft = FOLDER / "draft.npz"
    np.savez(draft, muscle=muscle, hu=hu, facts=json.dumps(facts))
    draft.replace(FOLDER / "known.npz")


def strokes():
    return st.session_state.strokes.get(st.session_state.index, ())


st.set_page_config(layout="wide")
st.session_state.setdefault("index", 1)
st.session_state.setdefault("strokes", {})
st.session_state["runs"] = st.session_state.get("runs", 0) + 1
if st.button("Forget strokes"):
    st.session_state.strokes = {}
if st.checkbox("Hide"):
    st.stop()

MEASURED = 1
index = st.session_state.index
hu, compartments, plane = load(st.query_params.get("plane", "supine"), index)
model = model_map(hu, compartments)
folded = fold(model, hu, strokes())
is_preview = st.query_params.get("preview") == "1" and index != MEASURED
note = "Preview – not the measured slice" if is_preview else ""
caption = f"Axial slice {index + 1} of a phantom at L3."
picture = ViewerSlice(hu, plane, caption, index, 6, 5.0 * index - 12.5, MEASURED, note)
masks = ViewerMasks(folded, tissue_layers(VAT_HU), model.muscle_yx if strokes() else None, is_preview)
error = None
try:
    answer = show_viewer(
        "viewer",
        picture,
        masks,
        strokes(),
        editable=st.query_params.get("edit", "1") == "1" and not is_preview,
        link="shared",
    )
except InputError as refused:
    error = f"{refused.message} {refused.next_step}"
    st.error(error)
    answer = None
write_down(folded.muscle_yx, hu, error)
if st.query_params.get("beside") == "1":
    show_viewer("beside", ViewerSlice(hu, plane, "The scan before.", 0, 1), masks, link="shared")
if answer is not None and answer.strokes is not None:
    st.session_state.strokes[index] = answer.strokes
if answer is not None:
    st.session_state.index = min(max(index + answer.scroll, 0), 5)
if answer is not None and (answer.strokes is not None or answer.scroll):
    st.rerun()
