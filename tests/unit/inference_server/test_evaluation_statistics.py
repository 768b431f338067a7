"""Agreement of masks and the statistics of method comparison, against values that can be worked out by hand."""

import numpy as np
import pytest
from scipy import stats

pytest.importorskip("torch", reason="the extra `train` is not installed")

from inference_server.evaluation.agreement import muscle_agreement, surface_distance
from inference_server.training.datasets.compartment_data import UNLABELLED, NativeSlice
from sarcopenia.clinical.method_comparison import (
    bland_altman,
    dice_of,
    icc_2_1,
    mean_by_person,
    mean_with_bootstrap,
    spearman,
    spearman_within,
)
from sarcopenia.domain.geometry import PlaneGeometry
from sarcopenia.domain.results import Compartment

SPACING = (2.0, 1.0)


def square(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((40, 40), dtype=bool)
    mask[rows, columns] = True
    return mask


def native_slice(labels: np.ndarray, hu: np.ndarray) -> NativeSlice:
    plane = PlaneGeometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), SPACING, labels.shape)
    return NativeSlice("someone", 3, hu.astype(np.int16), labels.astype(np.uint8), plane, True)


def test_borders_shifted_by_three_columns_are_three_millimetres_apart():
    found = surface_distance(square(slice(10, 30), slice(13, 33)), square(slice(10, 30), slice(10, 30)), SPACING)
    assert found.hd95_mm == pytest.approx(3.0)
    assert 1.0 < found.mean_mm < 3.0


def test_borders_shifted_by_three_rows_know_the_spacing_of_rows():
    found = surface_distance(square(slice(13, 33), slice(10, 30)), square(slice(10, 30), slice(10, 30)), SPACING)
    assert found.hd95_mm == pytest.approx(6.0)


def test_an_empty_mask_is_infinitely_far():
    assert surface_distance(square(slice(0, 0), slice(0, 0)), square(slice(1, 5), slice(1, 5)), SPACING).hd95_mm == (
        float("inf")
    )


def test_dice_of_half_overlapping_masks():
    assert dice_of(square(slice(0, 10), slice(0, 10)), square(slice(0, 10), slice(5, 15))) == pytest.approx(0.5)


def test_agreement_counts_muscle_pixels_and_leaves_unlabelled_ones_out():
    labels = np.full((40, 40), int(Compartment.VISCERAL_CAVITY))
    labels[10:20, 10:20] = Compartment.MUSCLE_WALL
    labels[0:5] = UNLABELLED
    hu = np.full((40, 40), 50)
    hu[10:12, 10:20] = -100  # fat inside the wall is no muscle
    found = labels.copy()
    found[0:5] = Compartment.MUSCLE_WALL
    found[20:22, 10:20] = Compartment.MUSCLE_WALL
    hu[20:22, 10:20] = 10
    agreement = muscle_agreement(native_slice(labels, hu), found.astype(np.uint8))
    assert agreement.reference_sma_cm2 == pytest.approx(80 * 2 / 100)
    assert agreement.sma_error_percent == pytest.approx(25.0)
    assert agreement.sma_error_cm2 == pytest.approx(0.4)
    assert agreement.dice == pytest.approx(2 * 80 / 180)
    assert agreement.smd_error_hu == pytest.approx((80 * 50 + 20 * 10) / 100 - 50)
    assert agreement.wall is not None
    assert agreement.wall.hd95_mm == pytest.approx(4.0)


def test_another_readers_mask_has_no_wall():
    labels = np.full((40, 40), int(Compartment.MUSCLE_WALL))
    agreement = muscle_agreement(native_slice(labels, np.full((40, 40), 50)), labels.astype(np.uint8), labels == 2)
    assert agreement.wall is None
    assert agreement.dice == 1.0


def test_a_reference_without_muscle_is_refused():
    labels = np.zeros((40, 40))
    with pytest.raises(ValueError, match="no muscle"):
        muscle_agreement(native_slice(labels, np.full((40, 40), 50)), labels.astype(np.uint8))


def test_means_are_taken_by_person():
    assert mean_by_person(["b", "a", "b"], [1.0, 5.0, 3.0]).tolist() == [2.0, 5.0]


def test_bland_altman_of_known_differences():
    found = bland_altman([-1.0, 0.0, 1.0, 2.0, 3.0])
    sd = np.sqrt(2.5)
    assert found.bias.value == pytest.approx(1.0)
    assert found.upper.value == pytest.approx(1 + 1.96 * sd)
    reference = stats.ttest_1samp([-1.0, 0.0, 1.0, 2.0, 3.0], 0).confidence_interval(0.95)
    assert (found.bias.low, found.bias.high) == pytest.approx((reference.low, reference.high))
    assert found.lower.high - found.lower.low > found.bias.high - found.bias.low


def test_limits_of_two_differences_are_refused():
    with pytest.raises(ValueError, match="three"):
        bland_altman([1.0, 2.0])


def test_icc_is_that_of_shrout_and_fleiss():
    """Judges 1 and 2 of table 2 of the paper, by its formula worked out with the sums of squares."""
    first, second = [9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2]
    values = np.array([first, second], dtype=float).T
    between = 2 * values.mean(1).var(ddof=1)
    judges = 6 * values.mean(0).var(ddof=1)
    error = ((values.var() * 12) - between * 5 - judges) / 5
    assert icc_2_1(first, second) == pytest.approx((between - error) / (between + error + 2 * (judges - error) / 6))
    assert icc_2_1(first, second) < 0.2


def test_a_constant_offset_lowers_the_icc_but_no_rank_correlation():
    values = np.array([90.0, 110.0, 130.0, 150.0])
    assert icc_2_1(values, values) == pytest.approx(1.0)
    assert icc_2_1(values, values + 40) < 0.5
    assert spearman(values, values + 40) == pytest.approx(1.0)


def test_bootstrap_brackets_the_mean_and_follows_its_seed():
    found = mean_with_bootstrap([1.0, 2.0, 3.0, 4.0])
    assert found.low < found.value == 2.5 < found.high
    assert found == mean_with_bootstrap([1.0, 2.0, 3.0, 4.0])


def test_rank_correlation_inside_groups_ignores_their_levels():
    groups = ["a"] * 3 + ["b"] * 3 + ["constant"] * 3
    first = [1, 2, 3, 101, 102, 103, 5, 5, 5]
    second = [3, 2, 1, 103, 102, 101, 1, 2, 3]
    assert spearman(first[:6], second[:6]) > 0
    assert spearman_within(groups, first, second) == pytest.approx(-1.0)
    assert np.isnan(spearman(first[6:], second[6:]))
