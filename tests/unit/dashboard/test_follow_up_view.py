"""Outlines, words and rows of a follow-up at the baseline's place, against hand-worked values."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from dashboard.follow_up_view import ContourPair, match_words, same_place_rows, what_is_lost
from sarcopenia.domain.geometry import regular_geometry
from sarcopenia.domain.results import CompartmentMap, SliceMatch
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import ReviewState, StoredMeasurement, StoredReview, StoredSlice
from tests.unit.dashboard.measurements import MEASURED

MATCH = SliceMatch(
    slice_index=33,
    shift_mm=-4.2,
    rotation_deg=2.1,
    in_plane_deg=0.0,
    similarity_before=0.61,
    similarity=0.97,
    neighbour_similarity=0.86,
    baseline_point_lps_mm=(100.0, 100.0, 0.0),
    follow_up_point_lps_mm=(100.0, 100.0, 0.0),
    trusted=True,
    reason="The vertebra fits, and no neighbour fits as well.",
)
PAINT = Stroke(StrokeTool.BRUSH, ((2.0, 2.0),), 1.5, within_muscle_hu=False)


def slice_with(wall_yx: np.ndarray, spacing_mm: float, origin_lps_mm=(0.0, 0.0, 0.0)) -> StoredSlice:
    """A slice of a body of soft tissue with a wall of some shape."""
    shape = wall_yx.shape
    plane = regular_geometry((1, *shape), (5.0, spacing_mm, spacing_mm), origin_lps_mm).plane(0)
    maps = CompartmentMap(np.where(wall_yx, 2, 1).astype(np.uint8), wall_yx, np.zeros(shape, np.float32))
    return StoredSlice(np.full(shape, 40, np.int16), plane, maps)


def box(shape: int, rows: slice, columns: slice) -> np.ndarray:
    wall = np.zeros((shape, shape), np.bool_)
    wall[rows, columns] = True
    return wall


def test_the_same_wall_on_other_pixels_and_another_table_position_coincides():
    """A wall from 40 to 160 mm on pixels of 2 mm; the follow-up on pixels of 1 mm, moved by (30, −20) mm."""
    baseline = slice_with(box(100, slice(20, 80), slice(20, 80)), 2.0)
    follow_up = slice_with(box(200, slice(40, 160), slice(40, 160)), 1.0, (29.5, -20.5, 0.0))
    pair = ContourPair(baseline, follow_up, replace(MATCH, follow_up_point_lps_mm=(130.0, 80.0, 0.0)))
    np.testing.assert_array_equal(pair.follow_up_yx, pair.baseline_yx)
    assert (pair.only_baseline_cm2, pair.only_follow_up_cm2) == (0.0, 0.0)
    assert "overlap (Dice) 1.00" in pair.words


def test_a_turned_follow_up_is_turned_back_about_the_spine():
    """Left of the spine becomes behind it when the patient turns by 90° from the left to the back."""
    baseline = slice_with(box(100, slice(48, 53), slice(60, 90)), 2.0)
    follow_up = slice_with(box(100, slice(60, 90), slice(48, 53)), 2.0)
    pair = ContourPair(baseline, follow_up, replace(MATCH, in_plane_deg=90.0))
    np.testing.assert_array_equal(pair.follow_up_yx, pair.baseline_yx)


def test_what_only_one_outline_holds_is_counted_in_cm2():
    """Pixels of 4 mm²: 10 columns of 60 rows more at the one edge, 5 at the other: 24 and 12 cm²."""
    baseline = slice_with(box(100, slice(20, 80), slice(20, 80)), 2.0)
    follow_up = slice_with(box(100, slice(20, 80), slice(30, 85)), 2.0)
    pair = ContourPair(baseline, follow_up, MATCH)
    assert pair.only_baseline_cm2 == pytest.approx(24.0)
    assert pair.only_follow_up_cm2 == pytest.approx(12.0)
    assert "24.0 cm²" in pair.words
    assert "12.0 cm²" in pair.words


def test_the_picture_shows_both_outlines_in_two_colours():
    baseline = slice_with(box(100, slice(20, 80), slice(20, 80)), 2.0)
    follow_up = slice_with(box(100, slice(20, 80), slice(30, 85)), 2.0)
    picture = np.asarray(Image.open(io.BytesIO(ContourPair(baseline, follow_up, MATCH).picture())).convert("RGB"))
    blue, orange = (np.all(picture == colour, axis=-1) for colour in ((86, 180, 233), (213, 94, 0)))
    assert orange.sum() < blue.sum()  # dashed against solid
    step = picture.shape[1] / 100
    assert blue[picture.shape[0] // 2, round(18 * step) : round(22 * step)].any()
    assert orange[:, round(83 * step) : round(87 * step)].any()


def test_the_match_is_told_in_words():
    words = match_words(MATCH)
    for part in (
        "4.2 mm below",
        "slice 33",
        "2.1°",
        "0.61 before and 0.97 after",
        "vertebra reaches 0.86",
        "no neighbour",
    ):
        assert part in words
    assert "at the expected height" in match_words(replace(MATCH, shift_mm=0.01))
    assert "neighbouring vertebra reaches" not in match_words(replace(MATCH, neighbour_similarity=None))


def test_rows_hold_both_areas_their_difference_and_the_own_level():
    def with_sma(sma_cm2):
        return replace(MEASURED, composition=replace(MEASURED.composition, sma_cm2=sma_cm2, smd_hu=None))

    rows = {row["Measure"]: row for row in same_place_rows(with_sma(150.0), with_sma(141.0), with_sma(135.5))}
    assert rows["SMA (cm²)"] == {
        "Measure": "SMA (cm²)",
        "Baseline": 150.0,
        "Follow-up, same place": 141.0,
        "Difference": -9.0,
        "Difference (%)": -6.0,
        "Follow-up, its own level": 135.5,
    }
    assert rows["SMD (HU)"]["Difference"] is None
    assert same_place_rows(with_sma(150.0), with_sma(141.0), None)[0]["Follow-up, its own level"] is None


@pytest.mark.parametrize(
    ("state", "strokes", "words"),
    [
        (None, (), ""),
        (ReviewState.WITHDRAWN, (), ""),
        (ReviewState.SIGNED, (), "signature of Ann no longer counts"),
        (None, (PAINT,), "mended by hand is not taken over"),
    ],
)
def test_what_a_new_version_makes_void_is_said_before(state, strokes, words):
    now = datetime(2026, 3, 1, tzinfo=UTC)
    review = None if state is None else StoredReview(1, 7, state, "Ann", "", now)
    measurement = replace(MEASURED, provenance=replace(MEASURED.provenance, strokes=strokes))
    told = what_is_lost(StoredMeasurement(7, 3, 1, None, None, "Ann", now, measurement, None, None, review))
    assert words in told
    assert bool(told) is bool(words)
