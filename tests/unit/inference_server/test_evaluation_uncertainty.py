"""Choice of the acceptance rule and what it does, on stress results whose answer can be counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from inference_server.evaluation.uncertainty_analysis import (
    CovLimits,
    QualityLimits,
    StressResult,
    choose_limits,
    cov_above,
    flag_quality,
    leave_one_person_out,
    product_flags,
    rank_correlations,
    risk_coverage,
)
from sarcopenia.domain.results import Degradation


def result(cov: float, error: float, person: str = "a") -> StressResult:
    return StressResult(
        person=person,
        kind="noise",
        severity=0.5,
        sma_error_percent=error,
        sma_change_percent=error,
        dice=0.9,
        cov_percent=cov,
        entropy=cov / 10,
        variance=-cov,
        predicted_ssim=1 - cov / 100,
        predicted_kind=Degradation.NOISE,
    )


@pytest.fixture
def results():
    """CoV of 0.5 to 20 %, error equal to the CoV with changing sign."""
    return [
        result(cov, cov * sign, "abc"[i % 3]) for i, cov in enumerate(np.arange(0.5, 20.5, 0.5)) for sign in (1, -1)
    ]


def test_a_perfect_measure_has_rank_correlation_one_and_an_inverted_one_minus_one(results):
    cov, entropy, variance, dissimilarity = rank_correlations(results)
    assert (cov.pooled, entropy.within_person, dissimilarity.pooled) == pytest.approx((1.0, 1.0, 1.0))
    assert variance.pooled == pytest.approx(-1.0)


def test_risk_rises_with_coverage_when_the_measure_is_right(results):
    curve = risk_coverage(results, "cov_percent")
    assert np.all(np.diff(curve.risk_percent) >= -1e-12)
    assert curve.risk_percent[-1] == pytest.approx(np.mean(np.arange(0.5, 20.5, 0.5)))
    assert curve.area < risk_coverage(results, "variance").area


def test_limits_flag_nine_of_ten_wrong_slices_and_no_more_than_needed(results):
    limits = choose_limits(results)
    review = flag_quality(results, cov_above(results, limits.review_percent), 6.0)
    assert review.recall >= 0.9
    assert flag_quality(results, cov_above(results, limits.review_percent + 0.5), 6.0).recall < 0.9
    assert flag_quality(results, cov_above(results, limits.reject_percent), 15.0).recall >= 0.9
    assert limits.reject_percent > limits.review_percent


def test_a_budget_of_false_alarms_wins_over_a_spread_that_says_nothing():
    """Wrong slices with a CoV of 0.1 %, ordinary ones with up to 2 %: catching 90 % would flag everything."""
    blind = [result(0.1, error) for error in (8.0, 9.0, 20.0, 30.0)]
    ordinary = [replace(result(0.2 * i, 1.0), kind="none") for i in range(1, 11)]
    limits = choose_limits([*blind, *ordinary])
    assert limits == CovLimits(1.6, 2.0)
    assert sum(r.cov_percent > limits.review_percent for r in ordinary) == 2


def test_what_a_limit_does():
    results = [result(1, 1), result(1, 9), result(5, 2), result(5, 8)]
    found = flag_quality(results, cov_above(results, 3.0), 6.0)
    assert (found.flagged, found.recall, found.precision, found.worst_kept) == (0.5, 0.5, 0.5, 9.0)
    right = [result(1, 1)]
    assert np.isnan(flag_quality(right, cov_above(right, 3.0), 6.0).precision)
    assert np.isnan(flag_quality(right, cov_above(right, 3.0), 6.0).recall)


@pytest.mark.parametrize(
    ("change", "flagged"),
    [
        ({}, False),
        ({"cov_percent": 5.1}, True),
        ({"predicted_ssim": 0.7}, True),
        ({"predicted_ssim": 0.7, "predicted_kind": Degradation.NONE}, False),
        ({"predicted_ssim": 0.4, "predicted_kind": Degradation.NONE}, True),
        ({"muscle_is_cut": True}, True),
    ],
)
def test_the_product_flags_for_any_of_its_reasons(change, flagged):
    found = product_flags([replace(result(1, 1), **change)], CovLimits(5, 8), QualityLimits(0.8, 0.5))
    assert found.tolist() == [flagged]


def test_a_mild_stress_set_is_refused():
    with pytest.raises(ValueError, match="too mild"):
        choose_limits([result(1, 1), result(2, 7)])


def test_the_rule_is_tried_on_people_it_was_not_chosen_on(results):
    found = leave_one_person_out([*results, result(0.1, 30, "blind")])
    by_person = {item.person: item for item in found}
    assert by_person["blind"].review.recall == 0.0
    assert by_person["a"].review.recall > 0.8
