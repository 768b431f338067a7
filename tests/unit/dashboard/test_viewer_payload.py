import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.images import MUSCLE_LAYER, tissue_layers
from dashboard.viewer_payload import (
    MAX_STROKES,
    ShownState,
    ViewerAnswer,
    ViewerMasks,
    ViewerSlice,
    build_payload,
    parse_answer,
    shown_state,
    stroke_json,
)
from sarcopenia.assessment.composition import VAT_HU
from sarcopenia.domain.errors import InputError
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment, CompartmentMap
from sarcopenia.domain.strokes import MAX_POINTS, Stroke, StrokeTool

ROWS, COLUMNS = 180, 240
PLANE = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.5), (ROWS, COLUMNS))
STATE = ShownState("s1", "r1", (), editable=True, slice_count=40)
STROKE = Stroke(StrokeTool.BRUSH, ((1.25, 2.0), (3.5, 4.75)), 4.0, within_muscle_hu=True)


def body():
    hu = np.full((ROWS, COLUMNS), -1000, np.int16)
    hu[30:150, 40:200] = 40
    hu[60:62, 50:60] = -90
    return hu


def picture(plane=PLANE, hu=None):
    return ViewerSlice(body() if hu is None else hu, plane, "Axial slice 8 of 40.", 7, 40)


def masks(spread=0.25):
    rng = np.random.default_rng(3)
    compartments = rng.integers(0, 5, (ROWS, COLUMNS)).astype(np.uint8)
    muscle = rng.random((ROWS, COLUMNS)) < 0.3
    return ViewerMasks(
        CompartmentMap(compartments, muscle, np.full((ROWS, COLUMNS), spread, np.float32)), tissue_layers(VAT_HU)
    )


def payload(shown=None, over=None, strokes=()):
    shown = shown or picture()
    built = build_payload("v", shown, over, shown_state(shown, strokes, editable=True))
    return json.loads(json.dumps(built))  # as Streamlit sends it


def decode(sent, dtype):
    return np.frombuffer(zlib.decompress(base64.b64decode(sent)), dtype)


def test_the_slice_arrives_as_it_is():
    sent = payload()
    assert np.array_equal(decode(sent["hu"], "<i2").reshape(sent["shape_yx"]), body())
    assert sent["spacing_mm_vu"] == [1.0, 1.5]
    assert sent["view"] == {"transpose": False, "flip_rows": False, "flip_columns": False}
    assert (sent["caption"], sent["slice_index"], sent["slice_count"]) == ("Axial slice 8 of 40.", 7, 40)
    assert sent["masks"] is None


def test_masks_arrive_as_they_are():
    given = masks()
    sent = payload(over=given)["masks"]
    compartments = decode(sent["compartments"], np.uint8).reshape(ROWS, COLUMNS)
    bits = np.unpackbits(decode(sent["muscle"], np.uint8), count=ROWS * COLUMNS).astype(bool).reshape(ROWS, COLUMNS)
    assert np.array_equal(compartments, given.compartments.compartments_yx)
    assert np.array_equal(bits, given.compartments.muscle_yx)
    assert np.unique(decode(sent["spread"]["data"], np.uint8)).tolist() == [128]
    assert [layer["name"] for layer in sent["layers"] if layer["is_muscle"]] == [MUSCLE_LAYER.name]
    bone = next(layer for layer in sent["layers"] if layer["label"] == Compartment.SPINE_BONE)
    assert bone["hu_range"] is None


def test_the_models_own_muscle_arrives_where_there_is_something_to_compare():
    mended = masks()
    own = np.random.default_rng(4).random((ROWS, COLUMNS)) < 0.3
    sent = payload(over=replace(mended, ai_muscle_yx=own))["masks"]
    bits = np.unpackbits(decode(sent["ai"]["muscle"], np.uint8), count=ROWS * COLUMNS).astype(bool)
    assert np.array_equal(bits.reshape(ROWS, COLUMNS), own)
    colours = {tuple(sent["ai"][name]) for name in ("colour", "added_colour", "removed_colour")}
    assert len(colours) == 3
    alone = payload(over=mended)["masks"]
    assert alone["ai"] is None
    assert alone["key"] != sent["key"]


def test_place_note_and_preview_arrive():
    shown = replace(picture(), z_mm=np.float64(-512.5), measured_index=3, note="Preview")
    sent = payload(shown, over=replace(masks(), preview=True))
    assert (sent["z_mm"], sent["measured_index"], sent["note"]) == (-512.5, 3, "Preview")
    assert sent["masks"]["preview"] is True
    plain = payload(over=masks())
    assert (plain["z_mm"], plain["measured_index"], plain["note"]) == (None, None, "")
    assert plain["masks"]["preview"] is False


def test_no_spread_no_uncertainty_layer():
    assert payload(over=masks(spread=0.0))["masks"]["spread"] is None


@pytest.mark.parametrize(
    ("row", "column", "expected"),
    [
        ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (False, False, True)),
        ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (False, True, False)),
        ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (True, False, False)),
        ((0.0, -1.0, 0.0), (-1.0, 0.0, 0.0), (True, True, True)),
    ],
)
def test_a_turned_plane_says_how_it_is_shown(row, column, expected):
    """The browser's rule for a displayed pixel, written out here, gives the radiological picture."""
    plane = PlaneGeometry((0.0, 0.0, 0.0), row, column, (1.0, 1.5), (ROWS, COLUMNS))
    sent = payload(picture(plane))
    view = sent["view"]
    assert (view["transpose"], view["flip_rows"], view["flip_columns"]) == expected
    assert sent["spacing_mm_vu"] == ([1.5, 1.0] if expected[0] else [1.0, 1.5])
    top, left, bottom, right = sent["body_box"]
    middle_row, middle_column = (top + bottom - 1) // 2, (left + right - 1) // 2
    rows, columns = (COLUMNS, ROWS) if expected[0] else (ROWS, COLUMNS)
    r = rows - 1 - middle_row if expected[1] else middle_row
    c = columns - 1 - middle_column if expected[2] else middle_column
    x, y = (r, c) if expected[0] else (c, r)
    assert (x, y) == (pytest.approx(119, abs=2), pytest.approx(89, abs=2))  # the middle of the body


def test_without_a_body_the_whole_image_is_fitted():
    assert payload(picture(hu=np.full((ROWS, COLUMNS), -1000, np.int16)))["body_box"] == [0, 0, ROWS, COLUMNS]


def test_keys_change_with_content_only():
    one, again = payload(over=masks()), payload(over=masks())
    assert (one["slice_key"], one["masks"]["key"]) == (again["slice_key"], again["masks"]["key"])
    changed = body()
    changed[0, 0] += 1
    assert payload(picture(hu=changed))["slice_key"] != one["slice_key"]
    assert payload(over=masks(spread=0.1))["masks"]["key"] != one["masks"]["key"]
    assert payload(strokes=(STROKE,))["revision"] != one["revision"]
    assert payload(strokes=(STROKE,))["slice_key"] == one["slice_key"]


def painted(*strokes, base="r1"):
    return {"base": base, "strokes": list(strokes)}


def test_strokes_come_back_as_they_were_sent():
    sent = payload(strokes=(STROKE,))
    answer = parse_answer(painted(*sent["strokes"]), None, STATE)
    assert answer == ViewerAnswer((STROKE,), 0)


def test_silence_is_no_answer():
    assert parse_answer(None, None, STATE) == ViewerAnswer(None, 0)
    assert parse_answer(None, -3, STATE) == ViewerAnswer(None, -3)
    drawn_on = ShownState("s1", "r1", (STROKE,), editable=True, slice_count=40)
    assert parse_answer(painted(), None, drawn_on).strokes == ()
    sent_twice = painted(stroke_json(STROKE), base="r0")
    assert parse_answer(sent_twice, None, drawn_on).strokes is None


GOOD = {"tool": "brush", "path_xy": [[1.0, 2.0]], "radius_px": 4, "within_muscle_hu": False}
HOSTILE_STROKES = [
    None,
    "brush",
    [],
    {},
    GOOD | {"tool": "axe"},
    GOOD | {"tool": ["brush"]},
    GOOD | {"tool": "polygon_add"},  # too few points
    GOOD | {"path_xy": []},
    GOOD | {"path_xy": "12"},
    GOOD | {"path_xy": [[1.0]]},
    GOOD | {"path_xy": [[1.0, "2"]]},
    GOOD | {"path_xy": [[1.0, None]]},
    GOOD | {"path_xy": [[float("nan"), 1.0]]},
    GOOD | {"path_xy": [[float("inf"), 1.0]]},
    GOOD | {"path_xy": [[10**400, 1.0]]},
    GOOD | {"path_xy": [[True, 1.0]]},
    GOOD | {"path_xy": [[1.0, 2.0]] * (MAX_POINTS + 1)},
    GOOD | {"radius_px": 0},
    GOOD | {"radius_px": -1},
    GOOD | {"radius_px": 1e9},
    GOOD | {"radius_px": float("nan")},
    GOOD | {"radius_px": None},
    GOOD | {"within_muscle_hu": 1},
    {key: value for key, value in GOOD.items() if key != "within_muscle_hu"},
]


@pytest.mark.parametrize("stroke", HOSTILE_STROKES)
def test_a_hostile_stroke_is_refused_in_words(stroke):
    with pytest.raises(InputError) as refused:
        parse_answer(painted(GOOD, stroke), None, STATE)
    assert refused.value.message
    assert refused.value.next_step != InputError.default_next_step


@pytest.mark.parametrize("sent", ["x", 3, [], {}, {"base": "r1"}, {"base": "r1", "strokes": {}}, {"strokes": [GOOD]}])
def test_a_hostile_list_is_refused(sent):
    with pytest.raises(InputError):
        parse_answer(sent, None, STATE)


@pytest.mark.parametrize("scrolled", ["1", [1], {}, True, float("nan"), float("-inf"), 10**400, 41])
def test_a_hostile_scroll_is_refused(scrolled):
    with pytest.raises(InputError):
        parse_answer(None, scrolled, STATE)


def test_too_many_strokes_a_stale_base_and_a_closed_slice_are_told_apart():
    assert len(parse_answer(painted(*[GOOD] * MAX_STROKES), None, STATE).strokes) == MAX_STROKES
    with pytest.raises(InputError, match="at most 500"):
        parse_answer(painted(*[GOOD] * (MAX_STROKES + 1)), None, STATE)
    with pytest.raises(InputError, match="changed elsewhere"):
        parse_answer(painted(GOOD, base="r0"), None, STATE)
    with pytest.raises(InputError, match="not open"):
        parse_answer(painted(GOOD), None, ShownState("s1", "r1", (), editable=False, slice_count=40))


def test_a_stroke_as_json():
    assert stroke_json(STROKE) == {
        "tool": "brush",
        "path_xy": [[1.25, 2.0], [3.5, 4.75]],
        "radius_px": 4.0,
        "within_muscle_hu": True,
    }


PAGE = """
import numpy as np
import streamlit as st

from dashboard.components.viewer import ViewerSlice, show_viewer
from sarcopenia.domain.geometry import PlaneGeometry

plane = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), (8, 8))
answer = show_viewer("v", ViewerSlice(np.zeros((8, 8), np.int16), plane, "Nothing", 0, 1), None)
st.text(repr(answer))
"""


def test_the_component_mounts_and_nobody_answers():
    app = AppTest.from_string(PAGE, default_timeout=30).run()
    assert not app.exception
    assert app.text[0].value == "ViewerAnswer(strokes=None, scroll=0)"
