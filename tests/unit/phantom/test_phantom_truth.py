from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.domain.results import Compartment
from sarcopenia.domain.volume import Sex
from sarcopenia.phantom import make_phantom

BODY = [c for c in Compartment if c is not Compartment.OUTSIDE]


def slice_of(phantom, level):
    return phantom.volume.geometry.nearest_slice(phantom.level_z_mm[level])


def compartment_at(phantom, level, x_mm, y_mm):
    """Compartment at an offset from the middle of a vertebral body, in mm to the left and to the back."""
    index = slice_of(phantom, level)
    plane = phantom.volume.geometry.plane(index)
    x, y, _ = plane.origin_lps_mm
    spine = np.argwhere(phantom.compartments_zyx[index] == Compartment.SPINE_BONE)
    assert len(spine)
    row, column = round((y_mm - y) / plane.spacing_mm_yx[0]), round((x_mm - x) / plane.spacing_mm_yx[1])
    return Compartment(int(phantom.compartments_zyx[index, row, column]))


def test_every_compartment_is_present_on_every_slice_between_t12_and_s1(abdomen):
    first, last = slice_of(abdomen, "S1"), slice_of(abdomen, "T12")
    for compartments in abdomen.compartments_zyx[first : last + 1]:
        assert set(np.unique(compartments)) == set(Compartment)


@pytest.mark.parametrize(
    ("x_mm", "y_mm", "expected"),
    [
        (0, 0, Compartment.SPINE_BONE),  # vertebral body
        (0, 26, Compartment.SPINE_BONE),  # spinal canal
        (38, 3, Compartment.MUSCLE_WALL),  # left psoas
        (-38, 3, Compartment.MUSCLE_WALL),  # right psoas
        (66, 29, Compartment.MUSCLE_WALL),  # quadratus lumborum
        (35, 52, Compartment.MUSCLE_WALL),  # erector spinae
        (5, -27, Compartment.VISCERAL_CAVITY),  # aorta
        (70, -40, Compartment.VISCERAL_CAVITY),  # bowel and fat
        (200, 0, Compartment.OUTSIDE),
    ],
)
def test_landmarks_at_l3_belong_to_the_compartment_of_the_labelling_rules(abdomen, x_mm, y_mm, expected):
    assert compartment_at(abdomen, "L3", x_mm, y_mm) is expected


def test_true_areas_equal_a_pixel_by_pixel_count(abdomen):
    index = slice_of(abdomen, "L3")
    pixels = zip(
        abdomen.compartments_zyx[index].ravel().tolist(), abdomen.volume.hu_zyx[index].ravel().tolist(), strict=True
    )
    counts = dict.fromkeys(("sma", "lama", "imat", "sat", "vat"), 0)
    muscle_hu = []
    for compartment, hu in pixels:
        if compartment == 2 and -29 <= hu <= 150:
            counts["sma"] += 1
            muscle_hu.append(hu)
            counts["lama"] += hu <= 29
        counts["imat"] += compartment == 2 and -190 <= hu <= -30
        counts["sat"] += compartment == 1 and -190 <= hu <= -30
        counts["vat"] += compartment == 3 and -150 <= hu <= -50
    truth = abdomen.true_composition(index)
    for name, count in counts.items():
        assert getattr(truth, f"{name}_cm2") == pytest.approx(count * 9 / 100)
    assert truth.smd_hu == pytest.approx(np.mean(muscle_hu))


def test_noise_hardly_changes_the_areas_of_a_quiet_scan(abdomen):
    index = slice_of(abdomen, "L3")
    noisy, clean = abdomen.true_composition(index), abdomen.noise_free_composition(index)
    assert noisy.sma_cm2 == pytest.approx(clean.sma_cm2, rel=0.02)
    assert noisy.sma_cm2 != clean.sma_cm2 or noisy.smd_hu != clean.smd_hu


def test_area_does_not_depend_on_the_grid(at_l3):
    fine = at_l3(pixel_spacing_mm=1.5, shape_yx=(224, 288)).noise_free_composition(0)
    coarse = at_l3().noise_free_composition(0)
    assert coarse.sma_cm2 == pytest.approx(fine.sma_cm2, rel=0.03)
    assert coarse.sat_cm2 == pytest.approx(fine.sat_cm2, rel=0.04)


@pytest.mark.parametrize(("sex", "height_m", "low", "high"), [(Sex.MALE, 1.76, 130, 190), (Sex.FEMALE, 1.63, 90, 140)])
def test_muscle_area_of_an_average_person_is_plausible(at_l3, sex, height_m, low, high):
    scale = 1.0 if sex is Sex.MALE else 0.92
    phantom = at_l3(sex=sex, height_m=height_m, muscle_scale=scale)
    assert low < phantom.true_composition(0).sma_cm2 < high


def test_wasting_shrinks_muscle_monotonically_and_leaves_bone_alone(at_l3):
    scans = [at_l3(muscle_scale=scale) for scale in (1.2, 1.0, 0.8, 0.6)]
    areas = [scan.noise_free_composition(0).sma_cm2 for scan in scans]
    assert areas == sorted(areas, reverse=True)
    assert areas[3] < 0.7 * areas[0]
    bone = [int((scan.compartments_zyx[0] == Compartment.SPINE_BONE).sum()) for scan in scans]
    assert max(bone) - min(bone) <= 0.1 * max(bone)


def test_fat_infiltration_lowers_density_and_raises_intermuscular_fat(at_l3):
    lean, fatty = (at_l3(fat_infiltration=share).noise_free_composition(0) for share in (0.02, 0.4))
    assert fatty.smd_hu < lean.smd_hu - 8
    assert fatty.imat_cm2 > lean.imat_cm2 + 5


def test_subcutaneous_and_visceral_fat_follow_the_habitus(at_l3):
    thin, thick = at_l3(subcutaneous_mm=8.0), at_l3(subcutaneous_mm=35.0)
    assert thick.noise_free_composition(0).sat_cm2 > 2 * thin.noise_free_composition(0).sat_cm2
    flat, round_ = at_l3(visceral_fat=0.2), at_l3(visceral_fat=2.0)
    assert round_.noise_free_composition(0).vat_cm2 > 1.5 * flat.noise_free_composition(0).vat_cm2


def test_arms_and_couch_stay_outside(at_l3):
    wide = {"shape_yx": (112, 176)}
    bare = at_l3(**wide, table=False)
    full = at_l3(**wide, arms=True)
    np.testing.assert_array_equal(bare.compartments_zyx, full.compartments_zyx)
    outside = full.compartments_zyx == Compartment.OUTSIDE
    added = outside & (full.noise_free_hu_zyx > bare.noise_free_hu_zyx + 200)
    muscle_like = outside & (np.abs(full.noise_free_hu_zyx - 60) < 20)
    assert added.sum() > 400
    assert muscle_like.sum() > 200


def test_a_shifted_field_of_view_cuts_the_body(at_l3):
    whole, cut = at_l3(), at_l3(centre_offset_mm_yx=(0.0, 110.0))
    assert not (whole.compartments_zyx[:, :, [0, -1]] > 0).any()
    assert (cut.compartments_zyx[:, :, [0, -1]] > 0).any()


def test_metal_is_bone_and_makes_streaks(coarse):
    spec = replace(coarse, bottom_coordinate=16.3, top_coordinate=15.7)
    plain, metal = make_phantom(spec), make_phantom(replace(spec, spine_metal=True))
    assert plain.volume.hu_zyx.max() < 2000
    screws = metal.volume.hu_zyx > 2000
    assert screws.any()
    assert (metal.compartments_zyx[screws] == Compartment.SPINE_BONE).mean() > 0.9
    muscle = (metal.compartments_zyx == Compartment.MUSCLE_WALL) & (plain.compartments_zyx == Compartment.MUSCLE_WALL)
    assert metal.volume.hu_zyx[muscle].std() > 1.5 * plain.volume.hu_zyx[muscle].std()
