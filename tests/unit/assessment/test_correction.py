"""Strokes: what they touch, pixel by pixel, and what a mask and its areas become."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from sarcopenia.assessment.correction import corrected, fold, taken_back
from sarcopenia.assessment.events import AssessmentArrays
from sarcopenia.assessment.pipeline import run_assessment
from sarcopenia.assessment.stroke_pixels import touched_pixels
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


def rasterise(stroke: Stroke, shape_yx: tuple[int, int]) -> np.ndarray:
    """The touched pixels as a mask of the whole image."""
    found, mask = touched_pixels(stroke, shape_yx), np.zeros(shape_yx, bool)
    mask[found.window] = found.mask_yx
    return mask


def pixels(mask_yx: np.ndarray) -> set[tuple[int, int]]:
    """(x, y) of the pixels that are set."""
    return {(int(x), int(y)) for y, x in np.argwhere(mask_yx)}


def test_a_dab_is_the_pixels_whose_middle_lies_within_the_radius():
    assert pixels(rasterise(brush((3, 2), radius=1.0), (6, 8))) == {(3, 2), (2, 2), (4, 2), (3, 1), (3, 3)}
    assert pixels(rasterise(brush((3.5, 2), radius=0.5), (6, 8))) == {(3, 2), (4, 2)}
    assert pixels(rasterise(brush((3.4, 2.4), radius=0.3), (6, 8))) == set()


def line_of(stroke: Stroke) -> shapely.Geometry:
    return shapely.LineString(stroke.path_xy) if len(stroke.path_xy) > 1 else shapely.Point(stroke.path_xy[0])


@settings(deadline=None)
@given(
    st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=6), st.integers(1, 24).map(lambda half: half / 2)
)
def test_a_line_is_what_shapely_finds_within_the_radius(path, radius):
    stroke = brush(*path, radius=radius)
    y, x = np.mgrid[:20, :18]
    far = shapely.distance(line_of(stroke), shapely.points(x, y))
    found = rasterise(stroke, (20, 18))
    # A processor that multiplies and adds in one step may round the last digit otherwise.
    sure = np.abs(far - radius) > 1e-9
    np.testing.assert_array_equal(found[sure], (far <= radius)[sure])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 4.0, 30.0]))
def test_a_long_stroke_of_many_points_is_what_shapely_finds(seed, radius):
    walk = 64 + np.random.default_rng(seed).normal(0, 3, (300, 2)).cumsum(axis=0)
    stroke = brush(*map(tuple, walk.round(2).tolist()), radius=radius)
    y, x = np.mgrid[:128, :140]
    line = line_of(stroke)
    shapely.prepare(line)
    np.testing.assert_array_equal(rasterise(stroke, (128, 140)), shapely.dwithin(line, shapely.points(x, y), radius))


@pytest.mark.parametrize("tip", [(3.0, 4.0), (13.0, 4.0), (3.0, 12.0), (13.0, 12.0)])
def test_a_pixel_whose_middle_lies_just_on_the_radius_belongs_to_the_stroke(tip):
    """The corners of 3-4-5 triangles around both ends."""
    assert rasterise(brush((6, 8), (10, 8), radius=5.0), (20, 20))[int(tip[1]), int(tip[0])]
    assert not rasterise(brush((6, 8), (10, 8), radius=4.999), (20, 20))[int(tip[1]), int(tip[0])]


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


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.95))
def test_erased_wall_becomes_one_of_the_nearest_others_wherever_the_wall_lies(seed, share):
    """Against the distance to every other pixel, written out; the wall may reach the edges of the image."""
    random = np.random.default_rng(seed)
    compartments = random.choice([0, FAT, BONE], (7, 9)).astype(np.uint8)
    compartments[random.random((7, 9)) < share] = WALL
    compartments[random.integers(7), random.integers(9)] = FAT
    maps = CompartmentMap(compartments, compartments == WALL, np.zeros((7, 9), np.float32))
    everything = polygon((-1, -1), (9, -1), (9, 7), (-1, 7), tool=StrokeTool.POLYGON_REMOVE)
    mended = fold(maps, np.zeros((7, 9), np.int16), [everything])
    assert not mended.muscle_yx.any()
    others = np.argwhere(compartments != WALL)
    for y, x in np.ndindex(7, 9):
        far = ((others - (y, x)) ** 2).sum(axis=1)
        nearest = {int(compartments[tuple(place)]) for place in others[far == far.min()]}
        assert int(mended.compartments_yx[y, x]) in nearest


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


def test_a_correction_that_is_taken_back_is_the_models_own_measurement_with_a_word_about_it(assessment):
    back = taken_back(assessment.measurement)
    assert back.flags[:-1] == assessment.measurement.flags
    assert (back.flags[-1].code, back.flags[-1].severity) == ("mask_reset", Severity.INFO)
    assert replace(back, flags=assessment.measurement.flags) == assessment.measurement


def test_there_must_be_something_to_mend(assessment):
    with pytest.raises(ValueError, match="stroke"):
        corrected(assessment.measurement, assessment.arrays, [])
    nothing = replace(assessment.measurement, composition=None)
    arrays = assessment.arrays
    with pytest.raises(ValueError, match="no mask"):
        corrected(nothing, AssessmentArrays(arrays.hu_yx, arrays.compartments, arrays.plane), [brush((1, 1))])
