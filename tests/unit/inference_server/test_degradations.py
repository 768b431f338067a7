"""Degradations are made in the projections; on an ellipse and on a phantom, no real CT."""

import numpy as np
import pytest

pytest.importorskip("skimage", reason="the extra `train` is not installed")

from scipy import ndimage

from inference_server.training.quality.degradations import (
    BodyBox,
    BodyMotion,
    beam_hardening,
    degrade,
    degrade_projected,
    photon_noise,
    project_moving,
)
from inference_server.training.quality.pasted_arm import paste_arm
from inference_server.training.quality.projections import ANGLE_COUNT, SliceProjections, directions
from sarcopenia.domain.results import Degradation

pytestmark = pytest.mark.training

SPACING_MM = 3.0
SPOILING = [kind for kind in Degradation if kind is not Degradation.NONE]
Y, X = np.mgrid[:96, :128].astype(np.float32)


def ellipse(centre_yx, half_axes_yx, hu=40.0):
    inside = ((Y - centre_yx[0]) / half_axes_yx[0]) ** 2 + ((X - centre_yx[1]) / half_axes_yx[1]) ** 2 < 1
    return np.where(inside, hu, -1000.0).astype(np.float32)


@pytest.fixture(scope="module")
def body():
    """A trunk of muscle with a vertebra, 300 × 204 mm."""
    hu = ellipse((48, 64), (34, 50))
    hu[np.hypot(Y - 60, X - 64) < 6] = 400
    return hu


@pytest.fixture(scope="module")
def projections(body):
    return SliceProjections.of(body, SPACING_MM)


def seeded(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("spacing_mm", [0.9, 1.5, 3.0])
def test_a_change_comes_back_where_it_was_made(body, spacing_mm):
    spotted = body.copy()
    spotted[30:35, 90:95] += 500
    before, after = SliceProjections.of(body, spacing_mm), SliceProjections.of(spotted, spacing_mm)
    found = before.reconstruct(after.line_integrals - before.line_integrals)
    assert found.shape == body.shape
    row, column = ndimage.center_of_mass(np.where(found > 200, found, 0))
    assert (row, column) == pytest.approx((32, 92), abs=1.0)
    assert found.sum() == pytest.approx(500 * 25, rel=0.1)


def test_directions_point_along_rows_and_columns(projections, body):
    spotted = body.copy()
    spotted[30:35, 90:95] += 500
    change = SliceProjections.of(spotted, SPACING_MM).line_integrals - projections.line_integrals
    seen_at = (change * projections.positions_mm).sum(0) / change.sum(0)
    along_x, along_y = directions()
    expected = along_x[0] * (92 - 64) * SPACING_MM + along_y[0] * (32 - 48) * SPACING_MM
    np.testing.assert_allclose(seen_at, expected, atol=0.5 * SPACING_MM)


@pytest.mark.parametrize("kind", list(Degradation))
def test_without_severity_a_slice_stays_as_it_is(projections, body, kind):
    np.testing.assert_array_equal(degrade_projected(projections, kind, 0.0, seeded()), body.astype(np.int16))


@pytest.mark.parametrize("kind", SPOILING)
def test_severity_spoils_more(projections, body, kind):
    inside = body > -500

    def damage(severity):
        changes = [degrade_projected(projections, kind, severity, seeded(s))[inside] - body[inside] for s in range(12)]
        return np.mean([np.sqrt((change**2).mean()) for change in changes])

    mild, middle, strong = damage(0.2), damage(0.5), damage(1.0)
    assert 0 < mild < middle < strong


@pytest.mark.parametrize("kind", SPOILING)
def test_a_seed_fixes_the_result(projections, kind):
    first, again, other = (degrade_projected(projections, kind, 0.6, seeded(s)) for s in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("kind", SPOILING)
def test_what_comes_out_can_be_stored_as_ct(body, kind):
    spoiled = degrade(body.astype(np.int16), kind, 1.0, SPACING_MM, seeded(1))
    assert spoiled.dtype == np.int16
    assert spoiled.shape == body.shape
    assert spoiled.min() >= -1024
    assert spoiled.max() <= 3071


def test_severity_has_a_range(body):
    with pytest.raises(ValueError, match="severity"):
        degrade(body, Degradation.NOISE, 1.2, SPACING_MM, seeded())


def test_noise_of_a_wide_body_lies_along_its_long_axis(projections, body):
    noise = degrade_projected(projections, Degradation.NOISE, 0.6, seeded(2)) - body
    middle = noise[38:54, 44:84]
    along_rows, across_rows = np.diff(middle, axis=1).std(), np.diff(middle, axis=0).std()
    assert across_rows > 1.2 * along_rows


def test_starved_rays_look_denser_and_noisier_than_others():
    rays = np.repeat(np.array([[2.0], [9.0]], dtype=np.float32), 4000, axis=1)
    change = photon_noise(rays, 2000, seeded())
    assert abs(change[0].mean()) < 0.01
    assert change[1].std() > 10 * change[0].std()


def test_dense_things_behind_each_other_weigh_less_than_alone():
    tissue = np.array([[4.0]], dtype=np.float32)
    one, two = (float(beam_hardening(tissue, np.float32(dense))[0, 0]) for dense in (2.0, 4.0))
    assert float(beam_hardening(tissue, np.float32(0))[0, 0]) == pytest.approx(0)
    assert one < 2.0
    assert two < 2 * one


def poses(matrix, shift_mm):
    return BodyMotion(np.tile(matrix, (ANGLE_COUNT, 1, 1)), np.tile(shift_mm, (ANGLE_COUNT, 1)))


def test_a_body_at_rest_keeps_its_projections(projections):
    moved = project_moving(projections, poses(np.eye(2), (0.0, 0.0)))
    np.testing.assert_allclose(moved, projections.line_integrals, atol=1e-3)


@pytest.mark.parametrize(
    ("matrix", "shift_mm", "moved_body"),
    [
        (np.eye(2), (9.0, -6.0), ellipse((46, 67), (20, 30))),
        (np.diag([1.2, 0.9]), (0.0, 0.0), ellipse((48, 64), (18, 36))),
    ],
)
def test_a_moved_body_is_projected_as_if_it_had_been_drawn_there(matrix, shift_mm, moved_body):
    start = np.maximum(ellipse((48, 64), (20, 30)), ellipse((0, 0), (2, 2), -940.0))  # the corner fixes the size
    moved_body = np.maximum(moved_body, ellipse((0, 0), (2, 2), -940.0))
    clean, drawn = (SliceProjections.of(hu, SPACING_MM) for hu in (start, moved_body))
    difference = project_moving(clean, poses(matrix, shift_mm)) - drawn.line_integrals
    assert np.abs(difference).mean() < 0.02 * drawn.line_integrals.max()


def test_a_cut_field_of_view_shows_air_beyond_and_spares_the_middle(projections, body):
    cut = degrade_projected(projections, Degradation.TRUNCATION, 1.0, seeded(3))
    lost = (cut == -1024) & (body > -500)
    assert 0.05 < lost.sum() / (body > -500).sum() < 0.7
    assert np.abs(cut[44:52, 60:68] - body[44:52, 60:68]).max() < 150


def test_the_box_of_a_body_leaves_the_couch_out(body):
    couched = body.copy()
    couched[90:92, 10:118] = 200
    box = BodyBox.of(couched, SPACING_MM)
    assert box.half_width_mm == pytest.approx(50 * SPACING_MM, abs=2 * SPACING_MM)
    assert box.half_height_mm == pytest.approx(34 * SPACING_MM, abs=2 * SPACING_MM)
    assert box.centre_xy_mm == pytest.approx((0, 0), abs=2 * SPACING_MM)


@pytest.mark.parametrize("side", [-1, 1])
def test_an_arm_touches_the_trunk_on_its_side_and_leaves_the_trunk_alone(body, side):
    wide = np.pad(body, ((0, 0), (43, 43)), constant_values=-1000)
    trunk = wide > -500
    for seed in range(4):
        with_arm = paste_arm(wide, SPACING_MM, side, seeded(seed))
        arm = (with_arm > -300) & ~trunk
        columns = np.nonzero(arm & ~ndimage.binary_dilation(trunk, iterations=2))[1]
        assert np.all((columns > 64 + 43) == (side > 0))
        assert 15 < arm.sum() * SPACING_MM**2 / 100 < 110
        assert (arm & ndimage.binary_dilation(trunk, iterations=2)).any()
        assert (with_arm[arm] > 300).any()
        assert ((with_arm[arm] > 0) & (with_arm[arm] < 120)).mean() > 0.15
        assert np.median(np.abs(with_arm[trunk] - wide[trunk])) < 40
