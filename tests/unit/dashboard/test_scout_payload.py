"""What the scouts in the browser get and send: 100 rows, 2.5 mm apart, from z = -500 mm."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from dashboard.images import scout_grey, scout_height
from dashboard.scout_payload import MeasuredPlace, ScoutWish, ShownPlace, build_scout_payload, parse_wish, z_of
from sarcopenia.domain.errors import InputError
from sarcopenia.domain.results import VertebraPosition
from sarcopenia.records import ScoutImage

ROW_Z_MM = np.arange(100) * 2.5 - 500.0


def scout(body=slice(10, 50)):
    hu = np.full((100, 60), -1000, np.int16)
    hu[:, body] = -100
    hu[80:, body] = 600  # head end
    return ScoutImage(hu, (2.5, 2.5), ROW_Z_MM)


@pytest.mark.parametrize(("z_mm", "height"), [(-500.0, 0.995), (-252.5, 0.005), (-375.0, 0.495)])
def test_heights_are_the_middles_of_rows_with_the_head_on_top(z_mm, height):
    assert scout_height(ROW_Z_MM, z_mm) == pytest.approx(height)
    assert z_of(ROW_Z_MM, height) == pytest.approx(z_mm)


def test_a_click_is_a_height_and_a_key_a_step():
    assert parse_wish(0.495, None, ROW_Z_MM) == ScoutWish(pytest.approx(-375.0), 0)
    assert parse_wish(None, -5, ROW_Z_MM) == ScoutWish(None, -5)
    assert parse_wish(None, None, ROW_Z_MM) is None


@pytest.mark.parametrize("sent", ["0.5", True, float("nan"), -0.1, 1.1, [0.5]])
def test_anything_else_than_a_height_is_refused(sent):
    with pytest.raises(InputError):
        parse_wish(sent, None, ROW_Z_MM)


@pytest.mark.parametrize("sent", ["1", True, float("inf"), 1e9])
def test_anything_else_than_a_step_is_refused(sent):
    with pytest.raises(InputError):
        parse_wish(None, sent, ROW_Z_MM)


def test_the_payload_holds_pictures_levels_and_both_slices():
    levels = (VertebraPosition("L4", -440.0, 12, 2.0), VertebraPosition("L3", -400.0, 20, 2.0))
    shown = ShownPlace(25, 50, -375.0, "slice 25")
    payload = build_scout_payload(scout(), scout(), levels, MeasuredPlace(-400.0, "slice 20, L3"), shown)
    assert [each["label"] for each in payload["levels"]] == ["L4", "L3"]
    assert payload["levels"][1]["height"] == payload["measured"]["height"] == pytest.approx(0.595)
    assert payload["shown"]["height"] == pytest.approx(0.495)
    assert payload["z_ends_mm"] == [-252.5, -500.0]
    json.dumps(payload)
    png = base64.b64decode(payload["pictures"][0]["src"].split(",")[1])
    grey = np.asarray(Image.open(io.BytesIO(png)))
    # Twice the pixels; 36 columns (90 mm) to either side of the middle of bone, as far as the picture goes.
    assert grey.shape == (200, 2 * 60)
    assert grey[:30].mean() > grey[-30:].mean() + 100


def test_the_picture_is_cropped_around_the_bone():
    hu = np.full((100, 200), -1000, np.int16)
    hu[:, 60:81] = 600
    grey = np.asarray(Image.open(io.BytesIO(scout_grey(hu, (2.5, 2.5)))))
    assert grey.shape == (200, 2 * 72)
    assert grey[:, 2 * 36].min() == 255  # column 70, the middle of the bone
    assert grey[:, 0].max() == 0


def test_without_a_measured_slice_there_is_no_line_for_it():
    payload = build_scout_payload(scout(), scout(), (), None, ShownPlace(0, 50, -500.0, "slice 0"))
    assert payload["measured"] is None
    assert payload["levels"] == []
