import numpy as np
import pytest

from sarcopenia.assessment.uncertainty import (
    BAND_MM,
    WALL_LEVELS,
    area_cov_percent,
    plausible_areas_cm2,
    wall_band,
    wall_entropy,
    wall_variance,
)
from sarcopenia.domain.results import Compartment
from sarcopenia.inference.contract import AXIAL_GRID_MM, COMPARTMENT_COUNT


def members(*columns, doubt=0.0):
    """Members (m, 5, 40, 40) whose wall ends at a column each; ``doubt`` goes from the winner to the cavity or wall."""
    found = np.zeros((len(columns), COMPARTMENT_COUNT, 40, 40), np.float32)
    for member, end in zip(found, columns, strict=True):
        wall = np.arange(40) < end
        member[Compartment.MUSCLE_WALL] = np.where(wall, 1 - doubt, doubt)
        member[Compartment.VISCERAL_CAVITY] = np.where(wall, doubt, 1 - doubt)
    return found


def test_sure_members_that_agree_have_no_uncertainty():
    assert wall_entropy(members(10, 10)) == 0
    assert wall_variance(members(10, 10)) == 0


def test_disagreement_is_counted_over_wall_and_band():
    """Two of four columns of doubt: half a bit where one of two members sees a wall."""
    found = members(10, 14)
    columns = 14 + int(BAND_MM / AXIAL_GRID_MM)
    assert wall_band(found).sum() == 40 * columns
    assert wall_variance(found) == pytest.approx(0.25 * 4 / columns)
    assert wall_entropy(found) == pytest.approx(np.log(2) * 4 / columns)


def test_doubt_that_all_members_share_is_entropy_but_no_variance():
    found = members(10, 10, doubt=0.2)
    expected = -0.2 * np.log(0.2) - 0.8 * np.log(0.8)
    assert wall_entropy(found) == pytest.approx(expected, rel=1e-5)
    assert wall_variance(found) == pytest.approx(0, abs=1e-10)


def test_probabilities_that_do_not_sum_to_one_are_brought_there():
    found = members(10, 10, doubt=0.2)
    assert wall_entropy(found * np.float32(0.98)) == pytest.approx(wall_entropy(found), rel=1e-5)


def test_one_member_has_no_variance_and_no_wall_no_band():
    assert wall_variance(members(10, doubt=0.3)) == 0
    without = members(0, 0)
    assert not wall_band(without).any()
    assert (wall_entropy(without), wall_variance(without)) == (0, 0)


def test_coefficient_of_variation_of_areas():
    assert area_cov_percent((99.0, 101.0)) == pytest.approx(np.sqrt(2))
    assert area_cov_percent((120.0,)) == 0
    assert area_cov_percent((0.0, 0.0)) == 0


def test_plausible_areas_shrink_with_the_probability_and_count_the_muscle_range_only():
    probability = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (10, 1))
    everything = np.ones(probability.shape, bool)
    areas = plausible_areas_cm2(everything, probability, 100.0)
    expected = [10 * np.count_nonzero(probability[0] > level) for level in WALL_LEVELS]
    assert areas == tuple(expected)
    assert areas[0] > areas[1] > areas[2]
    half = everything.copy()
    half[:5] = False
    assert plausible_areas_cm2(half, probability, 100.0) == tuple(area / 2 for area in areas)


def test_a_sharp_border_has_no_plausible_spread():
    probability = np.zeros((10, 10), np.float32)
    probability[:5] = 1
    assert area_cov_percent(plausible_areas_cm2(probability >= 0, probability, 1.0)) == 0
