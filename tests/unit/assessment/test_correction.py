"""Strokes: what they touch, pixel by pixel, and what a mask and its areas become."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcopenia.assessment.correction import corrected, fold, rasterise
from sarcopenia.assessment.events import AssessmentArrays
from sarcopenia.assessment.pipeline import run_assessment
from sarcopenia.domain.results import Compartment, CompartmentMap, Flag, Severity, Verdict
from sarcopenia.domain.strokes import MAX_POINTS, Stroke, StrokeTool
from sarcopenia.inference.fake import FakeModelClient, known_spine
from sarcopenia.phantom import PhantomSpec, make_phantom

WALL, FAT, BONE = Compartment.MUSCLE_WALL, Compartment.SUBCUTANEOUS, Compartment.SPINE_BONE
coordinate = st.integers(-500, 2500).map(lambda hundredths: hundredths / 100)


def brush(*path: tuple[float, float], radius: float = 2.0, tool=StrokeTool.BRUSH, within=False) -> Stroke:
    return Stroke(tool, path, radius, within)


def polygon(*path: tuple[float, float], tool=StrokeTool.POLYGON_ADD, within=False) -> Stroke:
    return Stroke(tool, path, 0.0, within)


def pixels(mask_yx: np.ndarray) -> set[tuple[int, int]]:
    """(x, y) of the pixels that are set."""
    return {(int(x), int(y)) for y, x in np.argwhere(mask_yx)}


def test_a_dab_is_the_pixels_whose_middle_lies_within_the_radius():
    assert pixels(rasterise(brush((3, 2), radius=1.0), (6, 8))) == {(3, 2), (2, 2), (4, 2), (3, 1), (3, 3)}
    assert pixels(rasterise(brush((3.5, 2), radius=0.5), (6, 8))) == {(3, 2), (4, 2)}
    assert pixels(rasterise(brush((3.4, 2.4), radius=0.3), (6, 8))) == set()


@settings(deadline=None)
@given(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=5), st.floats(0.5, 6))
def test_a_line_is_what_lies_near_its_nearest_segment(path, radius):
    """Against the distance to each segment, written out."""
    y, x = np.mgrid[:20, :18].astype(float)
    near = np.full((20, 18), np.inf)
    for (ax, ay), (bx, by) in zip(path, path[1:] or path, strict=False):
        length = (bx - ax) ** 2 + (by - ay) ** 2
        share = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1) if length > 1e-12 else 0.0
        near = np.minimum(near, np.hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay)))
    found = rasterise(brush(*path, radius=radius), (20, 18))
    sure = np.abs(near - radius) > 1e-6
    np.testing.assert_array_equal(found[sure], (near <= radius)[sure])


def test_a_polygon_is_what_lies_inside_and_a_crossing_outline_has_a_hole():
    square = pixels(rasterise(polygon((0.5, 0.5), (3.5, 0.5), (3.5, 2.5), (0.5, 2.5)), (5, 5)))
    assert square == {(x, y) for x in (1, 2, 3) for y in (1, 2)}
    bow = rasterise(polygon((0.5, 0.5), (10.5, 10.5), (10.5, 0.5), (0.5, 10.5)), (12, 12))
    assert bow[5, 1]
    assert bow[5, 9]
    assert not bow[1, 5]
    twice = [(0.5, 0.5), (8.5, 0.5), (8.5, 8.5), (0.5, 8.5), (0.5, 0.5), (3.5, 3.5), (3.5, 5.5), (5.5, 5.5), (5.5, 3.5)]
    assert not rasterise(polygon(*twice, (3.5, 3.5)), (10, 10))[4, 4]


@pytest.mark.parametrize("path", [((-9, -9),), ((30, 4),), ((4, 400), (9, 400))])
def test_a_stroke_beside_the_image_touches_nothing(path):
    assert not rasterise(brush(*path), (20, 18)).any()


def test_a_flat_polygon_is_nothing_and_no_error():
    assert not rasterise(polygon((1, 1), (5, 1), (9, 1)), (12, 12)).any()
    assert not rasterise(polygon((1, 1), (1, 1), (1, 1)), (12, 12)).any()


@pytest.mark.parametrize(
    ("tool", "path", "radius"),
    [
        (StrokeTool.BRUSH, (), 2.0),
        (StrokeTool.POLYGON_ADD, ((0, 0), (1, 1)), 0.0),
        (StrokeTool.BRUSH, ((0, 0),) * (MAX_POINTS + 1), 2.0),
        (StrokeTool.BRUSH, ((float("nan"), 0),), 2.0),
        (StrokeTool.ERASER, ((0, 1e9),), 2.0),
        (StrokeTool.ERASER, ((0, 0),), 0.0),
        (StrokeTool.BRUSH, ((0, 0),), 1000.0),
        (StrokeTool.BRUSH, ((0, 0),), float("nan")),
    ],
)
def test_a_stroke_that_no_hand_made_is_refused(tool, path, radius):
    with pytest.raises(ValueError, match=r"point|radius"):
        Stroke(tool, path, radius, within_muscle_hu=False)


@pytest.fixture
def model() -> tuple[CompartmentMap, np.ndarray]:
    """Fat on the left, wall in the middle, bone on the right; the wall's HU are muscle but for a hole of 200 HU."""
    compartments = np.zeros((9, 12), np.uint8)
    compartments[:, :4], compartments[:, 4:8], compartments[:, 8:] = FAT, WALL, BONE
    hu = np.choose(compartments, [-1000, -100, 60, 0, 100]).astype(np.int16)
    hu[4, 5] = 200
    muscle = (compartments == WALL) & (hu <= 150)
    return CompartmentMap(compartments, muscle, np.zeros((9, 12), np.float32)), hu


def test_adding_makes_wall_and_muscle_whatever_the_hu(model):
    maps, hu = model
    mended = fold(maps, hu, [brush((2, 2), radius=0.5), brush((5, 4), radius=0.5)])
    assert mended.muscle_yx[2, 2]
    assert mended.compartments_yx[2, 2] == WALL
    assert mended.muscle_yx[4, 5]
    assert mended.muscle_yx.sum() == maps.muscle_yx.sum() + 2


def test_within_the_range_only_pixels_of_muscle_like_hu_are_touched(model):
    maps, hu = model
    mended = fold(maps, hu, [brush((2, 2), (9, 2), radius=0.5, within=True)])
    assert not mended.muscle_yx[2, 2]
    assert mended.compartments_yx[2, 2] == FAT
    assert mended.muscle_yx[2, 9]


def test_what_is_taken_away_becomes_what_is_nearest(model):
    maps, hu = model
    mended = fold(maps, hu, [brush((4, 6), (7, 6), radius=0.5, tool=StrokeTool.ERASER)])
    assert mended.compartments_yx[6, 4:8].tolist() == [FAT, FAT, BONE, BONE]
    assert not mended.muscle_yx[6].any()
    assert mended.compartments_yx[5, 4] == WALL


def test_strokes_hold_in_their_order_and_the_models_map_stays(model):
    maps, hu = model
    before = maps.compartments_yx.copy()
    area = ((0.5, 0.5), (6.5, 0.5), (6.5, 3.5), (0.5, 3.5))
    off, on = polygon(*area, tool=StrokeTool.POLYGON_REMOVE), polygon(*area)
    assert fold(maps, hu, [off, on]).muscle_yx[1:4, 1:7].all()
    assert not fold(maps, hu, [on, off]).muscle_yx[1:4, 1:7].any()
    np.testing.assert_array_equal(maps.compartments_yx, before)
    np.testing.assert_array_equal(fold(maps, hu, []).muscle_yx, maps.muscle_yx)


@pytest.fixture(scope="module")
def assessment():
    phantom = make_phantom(PhantomSpec(seed=3))
    z_mm = phantom.volume.geometry.slice_z_mm
    return run_assessment(phantom.volume, FakeModelClient(spine=known_spine(z_mm, phantom.vertebral_coordinate_z)))


def test_areas_follow_the_strokes_and_the_rest_of_the_measurement_stays(assessment):
    arrays, before = assessment.arrays, assessment.measurement
    y, x = (int(v) for v in np.argwhere(arrays.compartments.muscle_yx)[500])
    stroke = brush((x, y), radius=6.0, tool=StrokeTool.ERASER)
    after = corrected(before, arrays, [stroke])
    gone = (rasterise(stroke, arrays.hu_yx.shape) & arrays.compartments.muscle_yx).sum()
    assert gone > 0
    lost_cm2 = gone * arrays.plane.pixel_area_mm2 / 100
    assert before.composition.sma_cm2 - after.composition.sma_cm2 == pytest.approx(lost_cm2)
    assert after.provenance.strokes == (stroke,)
    assert (after.level, after.slice_index, after.uncertainty) == (before.level, before.slice_index, before.uncertainty)
    assert "mask_corrected" in {flag.code for flag in after.flags}


def test_a_painted_pixel_counts_as_muscle_and_not_as_fat(assessment):
    arrays = assessment.arrays
    fat = (arrays.compartments.compartments_yx == FAT) & (arrays.hu_yx >= -190) & (arrays.hu_yx <= -30)
    y, x = (int(v) for v in np.argwhere(fat)[700])
    after = corrected(assessment.measurement, arrays, [brush((x, y), radius=0.5)])
    pixel_cm2 = arrays.plane.pixel_area_mm2 / 100
    before = assessment.measurement.composition
    assert after.composition.sma_cm2 - before.sma_cm2 == pytest.approx(pixel_cm2)
    assert before.sat_cm2 - after.composition.sat_cm2 == pytest.approx(pixel_cm2)
    assert after.composition.imat_cm2 == pytest.approx(before.imat_cm2)


def test_a_mask_that_is_mended_is_no_longer_uncertain_but_may_be_implausible(assessment):
    doubted = replace(
        assessment.measurement,
        flags=(Flag("area_rejected", "", Severity.BLOCK), Flag("noisy", "")),
        verdict=Verdict.REJECT,
    )
    mended = corrected(doubted, assessment.arrays, [brush((0, 0), radius=0.5)])
    assert {flag.code for flag in mended.flags} == {"noisy", "mask_corrected"}
    assert mended.verdict is Verdict.REVIEW
    height, width = assessment.arrays.hu_yx.shape
    all_of_it = polygon((-1, -1), (width, -1), (width, height), (-1, height))
    assert "implausible_area" in {f.code for f in corrected(doubted, assessment.arrays, [all_of_it]).flags}


def test_there_must_be_something_to_mend(assessment):
    with pytest.raises(ValueError, match="stroke"):
        corrected(assessment.measurement, assessment.arrays, [])
    nothing = replace(assessment.measurement, composition=None)
    arrays = assessment.arrays
    with pytest.raises(ValueError, match="no mask"):
        corrected(nothing, AssessmentArrays(arrays.hu_yx, arrays.compartments, arrays.plane), [brush((1, 1))])
