"""Errors of a level on spines whose annotation is known exactly."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.evaluation.levels import above_l2, level_error, true_l3_mm
from inference_server.training.spine.data import SpineExample, row_labels
from sarcopenia.inference.contract import SPINE_GRID_MM, SPINE_WIDTH
from sarcopenia.inference.port import SpineProfile

ROWS = 160
LEVEL_ROWS = {"S1": 20.0} | {f"L{n}": 20.0 + 13 * (6 - n) for n in range(1, 6)} | {"T12": 98.0, "T10": 124.0}


@pytest.fixture
def example():
    variants = np.zeros((1, 2, ROWS, SPINE_WIDTH), np.int16)
    return SpineExample("someone", variants, **row_labels(LEVEL_ROWS, ROWS))


def profile_of(example: SpineExample, shift_rows: float) -> SpineProfile:
    """A profile that says the truth, moved towards the head."""
    rows = np.arange(ROWS, dtype=np.float64)
    coordinate = 18.0 - (rows - shift_rows - 20.0) / 13
    presence = {"spine": np.ones(ROWS), "rib": coordinate <= 12.5, "sacrum": coordinate >= 17.5}
    fields = (coordinate, np.full(ROWS, 0.1), *presence.values())
    return SpineProfile(*(np.asarray(field, dtype=np.float32)[: len(example.coordinate_z)] for field in fields))


@pytest.mark.parametrize(("shift_rows", "right"), [(0.0, True), (2.0, True), (8.0, False), (-13.0, False)])
def test_the_error_is_the_shift_and_half_a_vertebra_is_the_wrong_one(example, shift_rows, right):
    found = level_error(example, profile_of(example, shift_rows))
    assert found.error_mm == pytest.approx(shift_rows * SPINE_GRID_MM, abs=0.3)
    assert found.right_vertebra is right
    assert found.has_l3
    assert found.lumbar_count == 5


def test_a_crop_above_l2_has_no_l3(example):
    crop = above_l2(example)
    assert true_l3_mm(example) == pytest.approx(LEVEL_ROWS["L3"] * SPINE_GRID_MM, abs=0.1)
    assert true_l3_mm(crop) is None
    assert crop.coordinate_z[0] == pytest.approx(13.5, abs=0.1)
    assert crop.variants.shape[2] == len(crop.coordinate_z) == len(crop.rib_z)


def test_l3_found_where_there_is_none_is_reported(example):
    found = level_error(above_l2(example), profile_of(above_l2(example), 0.0), "cropped above L2")
    assert (found.has_l3, found.found_l3, found.error_mm) == (False, True, None)


def test_nothing_is_left_of_a_spine_that_ends_below_l1():
    low = {label: row for label, row in LEVEL_ROWS.items() if label in ("S1", "L5", "L4")}
    assert above_l2(SpineExample("low", np.zeros((1, 2, 50, SPINE_WIDTH), np.int16), **row_labels(low, 50))) is None
