import numpy as np
import pytest

from sarcopenia.assessment.quality import cut_edge, hole_fraction, muscle_is_cut, noise_sd_hu
from sarcopenia.assessment.slices import averaging_weights, resolve_slice, slab_slices, slice_hu
from sarcopenia.domain.errors import SliceNotFoundError
from sarcopenia.domain.geometry import PlaneGeometry, regular_geometry
from sarcopenia.domain.results import Compartment
from sarcopenia.domain.volume import CtVolume, SeriesHeader

PLANE = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (2.0, 2.0), (100, 100))


def volume(count, spacing_mm):
    hu = np.arange(count, dtype=np.int16)[:, None, None] * np.ones((1, 3, 3), np.int16) * 10
    geometry = regular_geometry(hu.shape, (spacing_mm, 1.0, 1.0))
    return CtVolume(hu, geometry, SeriesHeader(), tuple(f"1.2.{i}" for i in range(count)), "")


def test_a_slice_is_given_by_index_or_uid():
    scan = volume(5, 5.0)
    assert resolve_slice(scan, 3) == 3
    assert resolve_slice(scan, "1.2.4") == 4


@pytest.mark.parametrize("choice", [-1, 5, "1.2.9"])
def test_a_slice_that_is_not_there_is_an_input_error(choice):
    with pytest.raises(SliceNotFoundError, match=r"slice"):
        resolve_slice(volume(5, 5.0), choice)


@pytest.mark.parametrize(
    ("spacing_mm", "expected"),
    [(5.0, {18, 19, 20, 21, 22}), (2.5, {16, 18, 20, 22, 24}), (10.0, {19, 20, 21}), (1.0, {10, 15, 20, 25, 30})],
)
def test_the_slab_reaches_ten_millimetres_both_ways(spacing_mm, expected):
    found = slab_slices(volume(41, spacing_mm), 20)
    assert found[0] == 20
    assert set(found) == expected


def test_the_slab_ends_with_the_series():
    assert set(slab_slices(volume(5, 5.0), 0)) == {0, 1, 2}
    assert slab_slices(volume(1, 5.0), 0) == (0,)


@pytest.mark.parametrize(("spacing_mm", "count"), [(5.0, 1), (2.0, 1), (1.0, 3), (0.625, 5), (1.5, 3), (1.9, 3)])
def test_thin_series_are_averaged_over_three_millimetres(spacing_mm, count):
    weights = averaging_weights(volume(20, spacing_mm), 10)
    assert np.count_nonzero(weights) == count
    assert weights.sum() == pytest.approx(1)
    if count > 1:
        assert weights[10] == pytest.approx(spacing_mm / 3)


def test_averaging_is_the_mean_of_the_neighbours():
    scan = volume(9, 1.0)
    assert np.all(slice_hu(scan, averaging_weights(scan, 4)) == 40)
    assert np.all(slice_hu(scan, averaging_weights(scan, 0)) == 5)
    thick = volume(9, 5.0)
    assert np.all(slice_hu(thick, averaging_weights(thick, 4)) == 40)


def test_holes_are_small_specks_and_not_fat():
    hu = np.full((100, 100), 50, np.int16)
    compartments = np.full((100, 100), Compartment.MUSCLE_WALL, np.uint8)
    hu[10, 10], hu[20, 20:22], hu[50:60, 50:60] = 300, -100, -100
    assert hole_fraction(hu, compartments, 1.0) == pytest.approx(3 / 10_000)


def test_noise_in_muscle_is_measured():
    noise = np.random.default_rng(0).normal(0, 20, (100, 100))
    hu = np.round(50 + noise).astype(np.int16)
    assert noise_sd_hu(hu, np.ones((100, 100), bool)) == pytest.approx(20, rel=0.08)
    assert noise_sd_hu(hu, np.zeros((100, 100), bool)) is None


def test_a_body_that_reaches_the_image_edge_is_cut():
    hu = np.full((100, 100), -1000, np.int16)
    hu[20:80, 0:70] = 40
    compartments = np.where(hu > 0, Compartment.MUSCLE_WALL, Compartment.OUTSIDE).astype(np.uint8)
    edge = cut_edge(hu, PLANE)
    assert edge[:, 0].sum() == 60
    assert muscle_is_cut(edge, compartments, PLANE)
    fat_first = compartments.copy()
    fat_first[:, :15] = Compartment.SUBCUTANEOUS
    assert not muscle_is_cut(edge, fat_first, PLANE)


def test_a_body_inside_the_image_is_not_cut():
    hu = np.full((100, 100), -1000, np.int16)
    hu[20:80, 20:80] = 40
    assert not cut_edge(hu, PLANE).any()


def test_a_table_that_reaches_the_image_edge_is_no_cut():
    hu = np.full((100, 100), -1000, np.int16)
    hu[10:70, 20:80] = 40
    hu[80:84] = 100
    assert not cut_edge(hu, PLANE).any()


def test_a_circular_field_of_view_that_cuts_the_body_is_seen():
    y, x = np.ogrid[:100, :100]
    hu = np.full((100, 100), 40, np.int16)
    hu[(y - 50) ** 2 + (x - 50) ** 2 > 45**2] = -1024
    assert cut_edge(hu, PLANE).any()
