import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sarcopenia.assessment.composition import FAT_HU, body_composition, muscle_mask
from sarcopenia.domain.results import Compartment
from sarcopenia.phantom import PhantomSpec, make_phantom

COARSE = PhantomSpec(
    seed=3,
    pixel_spacing_mm=2.5,
    shape_yx=(144, 192),
    slice_spacing_mm=10.0,
    slice_thickness_mm=3.0,
    bottom_coordinate=17.5,
    top_coordinate=12.5,
)


def test_areas_of_a_phantom_are_exact_on_every_slice():
    phantom = make_phantom(COARSE)
    for index in range(phantom.volume.hu_zyx.shape[0]):
        area = phantom.volume.geometry.plane(index).pixel_area_mm2
        found = body_composition(phantom.volume.hu_zyx[index], phantom.compartments_zyx[index], area)
        truth = phantom.true_composition(index)
        for name in ("sma_cm2", "lama_cm2", "sat_cm2", "vat_cm2", "imat_cm2"):
            assert getattr(found, name) == pytest.approx(getattr(truth, name), abs=1e-9)
        assert found.smd_hu == pytest.approx(truth.smd_hu, abs=1e-9)
        assert found.sma_cm2 > 20


def test_hand_worked_areas():
    hu = np.array([[-29, 150, -30, 151], [29, 30, -190, -191], [-50, -150, -49, -151]], dtype=np.int16)
    wall, cavity = Compartment.MUSCLE_WALL, Compartment.VISCERAL_CAVITY
    compartments = np.array([[wall] * 4, [wall] * 4, [cavity] * 4], dtype=np.uint8)
    found = body_composition(hu, compartments, pixel_area_mm2=50.0)
    assert found.sma_cm2 == 2.0  # −29, 150, 29, 30
    assert found.lama_cm2 == 1.0  # −29, 29
    assert found.imat_cm2 == 1.0  # −30, −190
    assert found.vat_cm2 == 1.0  # −50, −150
    assert found.smd_hu == (-29 + 150 + 29 + 30) / 4
    assert body_composition(hu, compartments, 50.0, FAT_HU).vat_cm2 == 2.0  # −50, −150, −49, −151


def test_no_muscle_has_no_density():
    found = body_composition(np.zeros((4, 4), np.int16), np.zeros((4, 4), np.uint8), 1.0)
    assert found.sma_cm2 == 0.0
    assert found.smd_hu is None


@given(st.integers(0, 2**31), st.floats(0.2, 4.0), st.floats(0.2, 4.0))
def test_area_is_pixel_count_times_pixel_area_whatever_the_orientation(seed, row_mm, column_mm):
    random = np.random.default_rng(seed)
    hu = random.integers(-300, 300, (9, 13)).astype(np.int16)
    compartments = random.integers(0, 5, (9, 13)).astype(np.uint8)
    area = row_mm * column_mm
    straight = body_composition(hu, compartments, area)
    turned = body_composition(hu.T[::-1], compartments.T[::-1], area)
    assert straight == turned
    assert straight.sma_cm2 == pytest.approx(muscle_mask(hu, compartments).sum() * area / 100)
