import numpy as np
import pytest

from sarcopenia.phantom.canvas import Canvas, Patch
from sarcopenia.phantom.composition import count_composition
from sarcopenia.phantom.fields import SmoothField
from sarcopenia.phantom.shapes import ellipse, ellipsoid, smooth_max, smooth_min, superellipse, tapered_chain

X = np.linspace(-60, 60, 121, dtype=np.float32)
Y = np.zeros_like(X)


def test_distances_are_exact_on_the_axis_near_the_border():
    near = np.abs(np.abs(X) - 30) < 2
    expected = (np.abs(X) - 30)[near]
    np.testing.assert_allclose(ellipse(X, Y, 30, 20)[near], expected, atol=0.05)
    np.testing.assert_allclose(superellipse(X, Y, 30, 20, 2.4)[near], expected, atol=0.05)
    np.testing.assert_allclose(ellipsoid((X, Y, 0.0), (30, 20, 10))[near], expected, atol=0.15)


def test_a_tapered_chain_is_as_thick_as_its_radii():
    points, radii = np.array([(-20.0, 0.0), (20.0, 0.0)]), np.array([4.0, 8.0])
    x = np.array([-20.0, 0.0, 20.0], dtype=np.float32)
    np.testing.assert_allclose(tapered_chain(x, np.zeros_like(x), points, radii), [-4, -6, -8], atol=0.01)


def test_smooth_union_and_intersection_meet_their_sharp_versions_away_from_the_joint():
    a, b = np.array([-20.0, 3.0]), np.array([5.0, 30.0])
    np.testing.assert_allclose(smooth_min(a, b, 4.0), np.minimum(a, b))
    np.testing.assert_allclose(smooth_max(a, b, 4.0), np.maximum(a, b))


def test_a_field_is_the_same_on_every_grid_and_normalised():
    field = SmoothField.random(np.random.default_rng(1), (10.0, 8.0, 8.0))
    fine = field.on_grid(np.arange(0, 384, 1.0), np.arange(0, 384, 1.0)).slice_at(17.0)
    coarse = field.on_grid(np.arange(0, 384, 4.0), np.arange(0, 384, 4.0)).slice_at(17.0)
    np.testing.assert_allclose(fine[::4, ::4], coarse, atol=1e-5)
    assert fine.std() == pytest.approx(1.0, abs=0.2)
    neighbours = np.abs(np.diff(fine, axis=1)).max()
    assert neighbours < 0.25 * np.ptp(fine)


def canvas(rotation_deg=0.0):
    position = np.arange(-50.0, 51.0)
    x, y = np.meshgrid(position.astype(np.float32), position.astype(np.float32))
    hu, compartment = np.full(x.shape, -1000, np.float32), np.zeros(x.shape, np.uint8)
    whole = Patch(x, y, hu, compartment, 1.0, (slice(None), slice(None)))
    return Canvas(whole, position, position, rotation_deg, 0.0)


def test_painting_mixes_border_pixels_by_the_share_that_is_covered():
    c = canvas()
    c.whole.paint(ellipse(c.whole.x_mm_yx, c.whole.y_mm_yx, 20.0, 20.0), 50.0)
    covered = (c.whole.hu_yx + 1000).sum() / 1050
    assert covered == pytest.approx(np.pi * 20**2, rel=0.005)


def test_a_patch_paints_the_canvas_and_is_none_outside():
    c = canvas()
    patch = c.patch((30.0, -10.0), (5.0, 5.0))
    patch.paint(np.full_like(patch.hu_yx, -5.0), 10.0)
    assert c.whole.hu_yx[40, 80] == pytest.approx(10.0)
    assert (c.whole.hu_yx == 10).sum() == patch.hu_yx.size == 100
    assert c.patch((200.0, 0.0), (5.0, 5.0)) is None


def test_a_patch_of_a_turned_body_is_where_the_body_is():
    patch = canvas(rotation_deg=90.0).patch((30.0, 0.0), (4.0, 4.0))
    rows, columns = patch.window
    assert rows.start < 50 + 30 < rows.stop
    assert columns.start < 50 < columns.stop


def test_a_thin_sheet_covers_its_thickness_once():
    c = canvas()
    cover = c.whole.sheet_cover(c.whole.x_mm_yx - 0.3, 0.6)
    np.testing.assert_allclose(cover.sum(axis=1), 1.2, atol=1e-4)


def test_composition_counts_pixels_in_their_hu_ranges():
    hu = np.array([[-30, -29, 29, 30, 150, 151], [-190, -191, -100, -150, -151, -50]], dtype=np.int16)
    wall = np.full(hu.shape, 2, dtype=np.uint8)
    found = count_composition(hu, wall, 100.0)
    assert (found.sma_cm2, found.lama_cm2, found.imat_cm2) == (4, 2, 6)
    assert found.smd_hu == pytest.approx(45.0)
    assert count_composition(hu, np.full(hu.shape, 3, dtype=np.uint8), 100.0).vat_cm2 == 3
    assert count_composition(hu, np.zeros(hu.shape, dtype=np.uint8), 100.0).smd_hu is None
