from dataclasses import replace

import numpy as np
import pytest

from sarcopenia.domain.results import Compartment
from sarcopenia.domain.volume import ContrastPhase, Sex
from sarcopenia.phantom import PhantomSpec, make_phantom
from sarcopenia.phantom.scanner import NoiseFilter
from sarcopenia.phantom.tissues import tissue_hu


def median_hu(phantom, compartment, low=-1100, high=3100):
    hu = phantom.noise_free_hu_zyx[phantom.compartments_zyx == compartment]
    return float(np.median(hu[(hu > low) & (hu < high)]))


def test_tissues_have_the_hu_of_ct(abdomen):
    assert median_hu(abdomen, Compartment.OUTSIDE) == pytest.approx(-1000, abs=5)
    assert median_hu(abdomen, Compartment.SUBCUTANEOUS) == pytest.approx(-98, abs=6)
    assert median_hu(abdomen, Compartment.MUSCLE_WALL, -29, 150) == pytest.approx(52 + 8, abs=8)
    middle = abdomen.volume.geometry.nearest_slice(abdomen.level_z_mm["L3"])
    row, column = (round(-edge / 3.0) for edge in abdomen.volume.geometry.slice_origins_lps_mm[0][1::-1])
    spongy = abdomen.noise_free_hu_zyx[middle, row - 2 : row + 3, column - 2 : column + 3]
    assert spongy.mean() == pytest.approx(abdomen.spec.bone_hu, abs=30)
    assert abdomen.noise_free_hu_zyx.max() > 400
    assert (abdomen.noise_free_hu_zyx[abdomen.compartments_zyx == Compartment.VISCERAL_CAVITY] < -700).any()


def test_contrast_lifts_organs_and_vessels_and_lower_voltage_lifts_them_further(coarse):
    plain = tissue_hu(replace(coarse, phase=ContrastPhase.NONE))
    portal = tissue_hu(coarse)
    arterial = tissue_hu(replace(coarse, phase=ContrastPhase.ARTERIAL))
    low_voltage = tissue_hu(replace(coarse, kvp=80.0))
    assert portal.liver > plain.liver + 30
    assert arterial.artery > portal.artery > plain.artery
    assert low_voltage.liver > portal.liver
    assert low_voltage.fat < portal.fat
    assert low_voltage.cortical > portal.cortical


def test_contrast_raises_muscle_density_but_not_its_area(at_l3):
    plain = at_l3(phase=ContrastPhase.NONE).noise_free_composition(0)
    portal = at_l3(phase=ContrastPhase.PORTAL_VENOUS).noise_free_composition(0)
    assert 4 < portal.smd_hu - plain.smd_hu < 12
    assert portal.sma_cm2 == pytest.approx(plain.sma_cm2, rel=0.02)


@pytest.mark.parametrize("sharpness", [0.1, 0.5, 0.9])
def test_noise_has_unit_deviation_and_sharp_kernels_make_it_finer(coarse, sharpness):
    spec = replace(coarse, sharpness=sharpness, shape_yx=(256, 256), pixel_spacing_mm=0.8)
    noise = NoiseFilter.of(spec).draw(np.random.default_rng(0))
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    assert abs(noise.mean()) < 0.1


def test_noise_in_the_body_is_about_what_was_asked_for(at_l3):
    phantom = at_l3(noise_sd_hu=20.0)
    difference = (phantom.volume.hu_zyx.astype(int) - phantom.noise_free_hu_zyx)[phantom.compartments_zyx >= 2]
    assert difference.std() == pytest.approx(20, rel=0.2)


def test_a_sharper_kernel_correlates_neighbouring_noise_less(coarse):
    def neighbour_correlation(sharpness):
        spec = replace(coarse, sharpness=sharpness, shape_yx=(256, 256), pixel_spacing_mm=0.8)
        noise = NoiseFilter.of(spec).draw(np.random.default_rng(1))
        return np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]

    assert neighbour_correlation(0.9) < neighbour_correlation(0.1)


def test_the_same_spec_makes_the_same_scan(at_l3):
    first, second = at_l3(), at_l3()
    np.testing.assert_array_equal(first.volume.hu_zyx, second.volume.hu_zyx)
    np.testing.assert_array_equal(first.compartments_zyx, second.compartments_zyx)
    assert first.volume.series_hash == second.volume.series_hash
    assert first.header == second.header


def test_another_seed_makes_another_person(at_l3):
    first, second = at_l3(seed=5), at_l3(seed=6)
    assert (first.compartments_zyx[0] != second.compartments_zyx[0]).mean() > 0.02


def test_a_second_scan_of_the_same_person_differs_in_noise_but_not_in_muscle(at_l3):
    first, second = at_l3(), at_l3(scan_seed=9)
    assert first.volume.series_hash != second.volume.series_hash
    assert second.true_composition(0).sma_cm2 == pytest.approx(first.true_composition(0).sma_cm2, rel=0.04)


def test_the_volume_is_consistent_and_says_that_it_is_a_phantom(abdomen):
    volume = abdomen.volume
    assert volume.hu_zyx.dtype == np.int16
    assert volume.hu_zyx.shape == abdomen.compartments_zyx.shape == volume.geometry.shape_zyx
    assert len(set(volume.sop_instance_uids)) == volume.hu_zyx.shape[0]
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in volume.sop_instance_uids)
    assert "not a patient" in volume.header.series_description
    assert (volume.header.kvp, volume.header.sex, volume.header.height_m) == (120.0, Sex.MALE, 1.75)
    assert volume.header.contrast_phase is ContrastPhase.PORTAL_VENOUS


def test_thick_slices_average_what_they_contain(coarse):
    level = {"bottom_coordinate": 15.56, "top_coordinate": 15.44, "slice_spacing_mm": 12.0}
    thin = make_phantom(replace(coarse, slice_thickness_mm=1.0, **level))
    thick = make_phantom(replace(coarse, slice_thickness_mm=9.0, **level))
    spine = thin.compartments_zyx[0] == Compartment.SPINE_BONE
    assert thick.noise_free_hu_zyx[0][spine].std() < thin.noise_free_hu_zyx[0][spine].std()


@pytest.mark.parametrize(
    "wrong",
    [{"lumbar_count": 3}, {"bottom_coordinate": 9.0}, {"pixel_spacing_mm": 0.0}, {"muscle_scale": -1.0}],
)
def test_impossible_specs_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        PhantomSpec(**{"seed": 1, **wrong})
