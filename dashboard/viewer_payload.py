"""What the slice viewer is given and what it answers: arrays to JSON, and JSON that nobody trusts to strokes.

The viewer (`dashboard.components.viewer`) shows a slice radiologically, but every coordinate that leaves it is a native
pixel (x, y) = (column, row) of the stored slice. No Streamlit here.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dashboard.images import BURNT_IN, MUSCLE_LAYER, SCALE_BAR_MM, WINDOWS, Rgb, TissueLayer, body_box
from sarcopenia.assessment.composition import MUSCLE_HU
from sarcopenia.assessment.model_grid import CanonicalView
from sarcopenia.domain.errors import InputError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import CompartmentMap
from sarcopenia.domain.strokes import MAX_COORDINATE_PX, MAX_POINTS, MAX_RADIUS_PX, Stroke, StrokeTool

MAX_STROKES: Final = 500
SPREAD_TOP: Final = 0.5
"""Spread of a probability that the strongest colour stands for: no standard deviation of values in 0..1 is larger."""
COMPRESSION: Final = 3
"""zlib level: higher ones cost three times the time for a tenth of the size."""
AI_COLOUR: Final[Rgb] = (255, 255, 255)
"""The contour of the models' own muscle; white, which no tissue has."""
ADDED_COLOUR: Final[Rgb] = (86, 180, 233)
REMOVED_COLOUR: Final[Rgb] = (240, 228, 66)
"""Blue and yellow are told apart with any colour vision; tissues are not shown together with changes."""

Json = dict[str, Any]
_COMPARED_COLOURS: Final = {
    "colour": list(AI_COLOUR),
    "added_colour": list(ADDED_COLOUR),
    "removed_colour": list(REMOVED_COLOUR),
}


@dataclass(frozen=True)
class ViewerSlice:
    """The slice to show.

    Attributes
    ----------
    hu_yx: int16 HU on native rows and columns.
    caption: text alternative of the picture.
    slice_index, slice_count: place of the slice in its series, counted from the feet; 0 and 1 for a single slice.
    z_mm: patient z of the slice; ``None`` where nobody needs it.
    measured_index: the measured slice of the series, to go back to; ``None``: there is none.
    note: what must stand in the picture itself beside "research use only", such as that it is a preview.
    """

    hu_yx: NDArray[np.int16]
    plane: PlaneGeometry
    caption: str
    slice_index: int
    slice_count: int
    z_mm: float | None = None
    measured_index: int | None = None
    note: str = ""


@dataclass(frozen=True)
class ViewerMasks:
    """What lies over the slice: compartments, muscle and spread of the slice's own shape, and the layers to offer.

    `dashboard.images.MUSCLE_LAYER` shows ``compartments.muscle_yx`` itself, all other layers compartment ∩ HU range.

    Attributes
    ----------
    ai_muscle_yx: the models' own muscle where a person has mended it, to compare with; ``None`` where nobody has.
    preview: not the stored mask of a measurement; drawn as dashed outlines only.
    """

    compartments: CompartmentMap
    layers: tuple[TissueLayer, ...]
    ai_muscle_yx: NDArray[np.bool_] | None = None
    preview: bool = False


@dataclass(frozen=True)
class ViewerAnswer:
    """What a person did since the last run.

    Attributes
    ----------
    strokes: the whole new list of strokes; ``None`` when nobody painted.
    scroll: slices to go, positive towards the head; 0 when nobody scrolled.
    """

    strokes: tuple[Stroke, ...] | None
    scroll: int


@dataclass(frozen=True)
class ShownState:
    """What an answer must fit: revision and strokes that were painted on, whether painting is allowed, slices there.

    ``slice_key`` names what the browser has decoded.
    """

    slice_key: str
    revision: str
    strokes: tuple[Stroke, ...]
    editable: bool
    slice_count: int


def shown_state(picture: ViewerSlice, strokes: Sequence[Stroke], *, editable: bool) -> ShownState:
    """State of the viewer with these strokes on this slice; the revision is a SHA-1 of both."""
    slice_key = _slice_key(picture)
    content = f"{slice_key} {picture.slice_index}".encode() + b"".join(map(_stroke_bytes, strokes))
    return ShownState(slice_key, _sha1(content), tuple(strokes), editable, picture.slice_count)


def build_payload(key: str, picture: ViewerSlice, masks: ViewerMasks | None, state: ShownState) -> Json:
    """Everything the browser needs; arrays as base64 of zlib of C-ordered native rows and columns."""
    view = CanonicalView.of(picture.plane)
    return {
        "key": key,
        "caption": picture.caption,
        "slice_index": picture.slice_index,
        "slice_count": picture.slice_count,
        "z_mm": None if picture.z_mm is None else float(picture.z_mm),
        "measured_index": picture.measured_index,
        "note": picture.note,
        "slice_key": state.slice_key,
        "hu": pack(picture.hu_yx.astype("<i2")),
        "shape_yx": list(picture.hu_yx.shape),
        # Through bool and float, since JSON knows no numpy scalars.
        "view": {name: bool(getattr(view, name)) for name in ("transpose", "flip_rows", "flip_columns")},
        "spacing_mm_vu": [float(spacing) for spacing in view.spacing_mm_yx],
        "body_box": list(body_box(view.apply(picture.hu_yx).astype(np.int16), view.spacing_mm_yx)),
        "letters": {"left": "R", "right": "L", "top": "A", "bottom": "P"},
        "burnt_in": BURNT_IN,
        "scale_bar_mm": SCALE_BAR_MM,
        "windows": [{"name": w.name, "width": w.width_hu, "level": w.level_hu} for w in WINDOWS],
        "masks": None if masks is None else _masks_json(masks),
        "strokes": [stroke_json(stroke) for stroke in state.strokes],
        "revision": state.revision,
        "editable": state.editable,
        "limits": {"strokes": MAX_STROKES, "points": MAX_POINTS, "radius_px": MAX_RADIUS_PX},
        "muscle_hu": list(MUSCLE_HU),
    }


def pack(array: NDArray[np.generic]) -> str:
    """Base64 of the zlib stream of an array's bytes in C order."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), COMPRESSION)).decode()


def stroke_json(stroke: Stroke) -> Json:
    """A stroke as the browser keeps it."""
    return {
        "tool": stroke.tool.value,
        "path_xy": [list(point) for point in stroke.path_xy],
        "radius_px": stroke.radius_px,
        "within_muscle_hu": stroke.within_muscle_hu,
    }


def _stroke_bytes(stroke: Stroke) -> bytes:
    """All of a stroke; several times as fast as its JSON, which a hundred strokes make slow."""
    facts = (stroke.tool.value, stroke.radius_px, stroke.within_muscle_hu, len(stroke.path_xy))
    return repr(facts).encode() + np.asarray(stroke.path_xy, dtype=np.float64).tobytes()


def _slice_key(picture: ViewerSlice) -> str:
    """SHA-1 of what the browser decodes: HU, shape and turn."""
    view = CanonicalView.of(picture.plane)
    return _sha1(picture.hu_yx.astype("<i2").tobytes() + repr((picture.hu_yx.shape, view)).encode())


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _masks_json(masks: ViewerMasks) -> Json:
    found = masks.compartments
    compartments, muscle = found.compartments_yx.astype(np.uint8), np.packbits(found.muscle_yx)
    spread = np.clip(np.rint(found.muscle_spread_yx * (255 / SPREAD_TOP)), 0, 255).astype(np.uint8)
    layers = [_layer_json(layer) for layer in masks.layers]
    ai = None if masks.ai_muscle_yx is None else np.packbits(masks.ai_muscle_yx)
    content = b"".join(array.tobytes() for array in (compartments, muscle, spread, ai) if array is not None)
    return {
        "key": _sha1(content + json.dumps([layers, ai is None]).encode()),
        "compartments": pack(compartments),
        "muscle": pack(muscle),
        "layers": layers,
        "spread": {"data": pack(spread), "top": SPREAD_TOP} if spread.any() else None,
        "ai": None if ai is None else {"muscle": pack(ai), **_COMPARED_COLOURS},
        "preview": masks.preview,
    }


def _layer_json(layer: TissueLayer) -> Json:
    """Name, colour and rule of a layer."""
    return {
        "name": layer.name,
        "colour": list(layer.colour),
        "is_muscle": layer == MUSCLE_LAYER,
        "label": int(layer.compartment),
        "hu_range": None if layer.hu_range is None else list(layer.hu_range),
    }


def parse_answer(painted: object, scrolled: object, state: ShownState) -> ViewerAnswer:
    """Read what the browser sent; ``None`` stands for nothing.

    Raises
    ------
    InputError: not what the viewer sends, or painted on something else than what is shown now.
    """
    return ViewerAnswer(_parse_painted(painted, state), _parse_scroll(scrolled, state))


def _parse_scroll(scrolled: object, state: ShownState) -> int:
    if scrolled is None:
        return 0
    return round(_number(scrolled, float(state.slice_count)))


def _parse_painted(painted: object, state: ShownState) -> tuple[Stroke, ...] | None:
    if painted is None:
        return None
    if not isinstance(painted, dict) or not isinstance(painted.get("strokes"), list):
        raise _unreadable("it is no list of strokes")
    if not state.editable:
        raise InputError("This slice is not open for painting.", "Start a correction first, then paint.")
    if len(painted["strokes"]) > MAX_STROKES:
        raise InputError(
            f"A correction has at most {MAX_STROKES} strokes, not {len(painted['strokes'])}.",
            "Save this correction, then go on in a new one.",
        )
    strokes = tuple(_parse_stroke(stroke) for stroke in painted["strokes"])
    if strokes == state.strokes:
        return None  # sent once more because the answer was slow
    if painted.get("base") != state.revision:
        raise InputError(
            "The mask was changed elsewhere since this picture was drawn.",
            "Look at the mask that is shown now and paint the last stroke again.",
        )
    return strokes


def _parse_stroke(sent: object) -> Stroke:
    if not isinstance(sent, dict):
        raise _unreadable("a stroke is no record")
    tool, path, within = sent.get("tool"), sent.get("path_xy"), sent.get("within_muscle_hu")
    if not isinstance(tool, str) or tool not in list(StrokeTool):
        raise _unreadable("a stroke has an unknown tool")
    if not isinstance(path, list) or len(path) > MAX_POINTS or not isinstance(within, bool):
        raise _unreadable("a stroke has no path, too long a path, or does not say whether it keeps to muscle HU")
    points = tuple(_parse_point(point) for point in path)
    try:
        return Stroke(StrokeTool(tool), points, _number(sent.get("radius_px"), MAX_RADIUS_PX), within)
    except ValueError as error:
        raise _unreadable(str(error)) from error


def _parse_point(sent: object) -> tuple[float, float]:
    if not isinstance(sent, list) or len(sent) != 2:
        raise _unreadable("a point is not two numbers")
    return _number(sent[0], MAX_COORDINATE_PX), _number(sent[1], MAX_COORDINATE_PX)


def _number(sent: object, largest: float) -> float:
    """A finite number of at most this size; the comparison also turns NaN and integers beyond floats away."""
    if isinstance(sent, bool) or not isinstance(sent, int | float) or not abs(sent) <= largest:
        raise _unreadable("a number is missing or out of range")
    return float(sent)


def _unreadable(reason: str) -> InputError:
    return InputError(f"What the picture sent could not be read: {reason}.", "Reload the page and paint it again.")
