from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.phantom import make_phantom
from sarcopenia.phantom.spine import build_spine

LUMBAR = {
    4: ["L1", "L2", "L3", "L4", "S1"],
    5: ["L1", "L2", "L3", "L4", "L5", "S1"],
    6: ["L1", "L2", "L3", "L4", "L5", "L6", "S1"],
}


def thin(coarse, **changes):
    """A scan of few, small slices: levels need no pixels."""
    return make_phantom(replace(coarse, shape_yx=(24, 32), pixel_spacing_mm=14.0, slice_spacing_mm=6.0, **changes))


def test_levels_run_from_head_to_feet_with_the_pitch_of_a_spine(abdomen):
    names = list(abdomen.level_z_mm)
    assert names[:10] == ["T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1", "S2"]
    gaps = -np.diff([abdomen.level_z_mm[name] for name in names])
    assert (gaps > 0).all()
    pitch = dict(zip(names, gaps, strict=False))
    assert all(30 < pitch[name] < 42 for name in ("L1", "L2", "L3", "L4"))
    assert all(22 < pitch[name] < 33 for name in ("T10", "T11"))


def test_coordinate_is_an_integer_at_mid_body_and_falls_towards_the_head(abdomen):
    slice_z = abdomen.volume.geometry.slice_z_mm
    assert (np.diff(slice_z) > 0).all()
    assert (np.diff(abdomen.vertebral_coordinate_z) < 0).all()
    for name, expected in (("T11", 11), ("T12", 12), ("L1", 13), ("L3", 15), ("L5", 17), ("S1", 18)):
        found = np.interp(abdomen.level_z_mm[name], slice_z, abdomen.vertebral_coordinate_z)
        assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("count", [4, 5, 6])
def test_vertebrae_are_counted_from_t12_and_from_the_sacrum(coarse, count):
    phantom = thin(coarse, lumbar_count=count, bottom_coordinate=13.4 + count, top_coordinate=11.5)
    assert [name for name in phantom.level_z_mm if name not in ("T12", "T11")] == LUMBAR[count]
    slice_z = phantom.volume.geometry.slice_z_mm
    at_s1 = phantom.level_z_mm["S1"]
    assert np.interp(at_s1, slice_z, phantom.vertebral_coordinate_z) == pytest.approx(13 + count, abs=0.05)
    assert np.interp(at_s1, slice_z, phantom.coordinate_from_sacrum_z) == pytest.approx(18, abs=0.05)


@pytest.mark.parametrize(("bottom", "top"), [(13.4, 6.5), (21.0, 16.2)])
def test_chest_and_pelvis_alone_have_no_l3(coarse, bottom, top):
    phantom = thin(coarse, bottom_coordinate=bottom, top_coordinate=top)
    assert phantom.level_z_mm
    assert "L3" not in phantom.level_z_mm
    assert (phantom.vertebral_coordinate_z > top - 0.3).all()
    assert (phantom.vertebral_coordinate_z < bottom + 0.3).all()


def test_lordosis_and_scoliosis_bend_the_spine(coarse):
    flat, curved = (build_spine(replace(coarse, lordosis_deg=angle)) for angle in (20.0, 65.0))
    tilt = [np.degrees(np.arcsin(-spine.vertebra_at(18).axes[2][1])) for spine in (flat, curved)]
    assert tilt[1] > tilt[0] + 25
    straight, bent = (build_spine(replace(coarse, scoliosis_deg=angle)) for angle in (0.0, 30.0))
    spread = [
        np.ptp([v.centre_mm[0] for v in spine.vertebrae if 12 <= v.coordinate <= 17]) for spine in (straight, bent)
    ]
    assert spread[1] > spread[0] + 8


def test_size_of_the_third_lumbar_body_is_that_of_an_adult_man(coarse):
    vertebra = build_spine(coarse).vertebra_at(15)
    assert 40 < 2 * vertebra.half_width_mm < 50
    assert 29 < 2 * vertebra.half_depth_mm < 38
    assert 24 < vertebra.height_mm < 32


def test_a_short_last_rib_leaves_less_bone_beside_t12_and_l1(coarse):
    spec = replace(coarse, bottom_coordinate=13.6, top_coordinate=12.4)
    usual, stub = (make_phantom(replace(spec, last_rib_scale=scale)) for scale in (1.0, 0.3))
    columns = np.abs(np.arange(144) - 71.5) * 3.0 > 55
    bone = [int((p.compartments_zyx[:, :, columns] == 4).sum()) for p in (usual, stub)]
    assert bone[1] < bone[0]
