import io

import numpy as np
import pytest
from PIL import Image

from dashboard.images import (
    L3_COLOUR,
    MUSCLE_LAYER,
    WINDOWS,
    ScoutLevels,
    SliceDisplay,
    scout_picture,
    slice_picture,
    tissue_layers,
)
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment, VertebraPosition

VAT = (-150, -50)
PLANE = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), (200, 300))


def decode(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def slice_with_muscle_on_the_left_of_the_patient():
    hu = np.full((200, 300), -1000, np.int16)
    hu[40:160, 50:250] = -100
    hu[60:140, 180:240] = 50
    compartments = np.zeros((200, 300), np.uint8)
    compartments[40:160, 50:250] = Compartment.SUBCUTANEOUS
    compartments[60:140, 180:240] = Compartment.MUSCLE_WALL
    return hu, compartments


def picture(plane=PLANE, turn=lambda array: array, **changes):
    hu, compartments = slice_with_muscle_on_the_left_of_the_patient()
    options = {"window": WINDOWS[0], "layers": frozenset({MUSCLE_LAYER.name}), "opacity": 1.0, "outlines": False}
    return decode(slice_picture(turn(hu), turn(compartments), plane, SliceDisplay(**{**options, **changes}), VAT))


def coloured(rgb, colour=MUSCLE_LAYER.colour):
    return np.abs(rgb - np.array(colour)).sum(axis=2) < 30


def test_muscle_is_painted_where_it_is_and_radiologically():
    mask = coloured(picture())
    columns = np.flatnonzero(mask.any(axis=0)) / mask.shape[1]
    assert columns.min() > 0.5  # the patient's left is on the right of the picture
    assert mask.mean() == pytest.approx(80 * 60 / (140 * 220), rel=0.05)


def test_a_slice_stored_mirrored_looks_the_same():
    mirrored = PlaneGeometry((299.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0), (200, 300))
    assert np.abs(picture() - picture(mirrored, turn=lambda a: a[:, ::-1])).mean() < 1.0


def test_opacity_zero_and_no_layer_show_the_plain_slice():
    plain = picture(layers=frozenset())
    assert not coloured(plain).any()
    assert np.array_equal(plain, picture(opacity=0.0))


def test_outlines_leave_the_inside_free():
    outlined, filled = coloured(picture(outlines=True)), coloured(picture())
    assert 0 < outlined.sum() < 0.3 * filled.sum()


def test_every_layer_has_a_colour_of_its_own():
    colours = [layer.colour for layer in tissue_layers(VAT)]
    assert len(set(colours)) == len(colours)


def test_the_window_decides_the_grey():
    assert WINDOWS[0].apply(np.array([-160, 40, 240])).tolist() == [0.0, 127.5, 255.0]


def test_the_scout_shows_the_head_on_top_and_the_line_at_its_level():
    z_mm = np.arange(100) * 2.5 - 500
    hu = np.full((100, 60), -1000, np.int16)
    hu[80:] = 400  # head end
    levels = ScoutLevels((VertebraPosition("L3", -400.0, 5, 2.0),), -400.0, "L3")
    rgb = decode(scout_picture(hu, (2.5, 2.5), z_mm, levels, ("A", "P")))
    assert rgb[:20].mean() > rgb[-20:].mean()
    rows = np.flatnonzero(coloured(rgb, L3_COLOUR).mean(axis=1) > 0.9)
    assert rows.mean() / rgb.shape[0] == pytest.approx(1 - 40 / 100, abs=0.02)
