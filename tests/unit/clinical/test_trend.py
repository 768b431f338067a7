import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit

from sarcopenia.clinical.trend import (
    ErrorSource,
    MeasurementErrors,
    Outcome,
    RepeatPairs,
    TrendProtocol,
    TrendValue,
    annual_change,
    comparable_runs,
    is_post_operative,
    judge_change,
    mdc95,
    sma_errors,
    standard_error,
    why_not_comparable,
)
from sarcopenia.domain.results import Landmark, LevelRule
from sarcopenia.domain.volume import ContrastPhase

EVIDENCE = Path(__file__).resolve().parents[3] / "docs" / "evidence" / "repeatability.md"
PROTOCOL = TrendProtocol(
    "L3", LevelRule.MID_L3, Landmark.MID_BODY, ContrastPhase.PORTAL_VENOUS, 120.0, "", ("ab" * 32,), corrected=False
)
START = date(2024, 1, 1)
EXACT = MeasurementErrors(5.6, 19.9, "", RepeatPairs((1.0,), ""))
"""A product that repeats to 1 %, so that other sources of error can decide."""


def point(value, days=0, sd=1.0, **changes):
    return TrendValue(START + timedelta(days=days), value, sd, replace(PROTOCOL, **changes))


def test_the_published_numbers_are_those_of_the_paper_and_their_own_sem_gives_them():
    errors = sma_errors()
    assert (errors.same_kv, errors.other_kv) == (5.6, 19.9)
    assert "van der Werf" in errors.citation
    for sdd95, sem in ((errors.same_kv, 2.0), (errors.other_kv, 7.2)):
        assert sdd95 == pytest.approx(1.96 * 2**0.5 * sem, abs=0.14)  # SEM is printed with one decimal


def test_the_products_own_repeat_pairs_are_those_of_the_evidence():
    rows = re.findall(r"\| \w+ \| L3 \| ([\d.]+) \| ([\d.]+) \| ([-+][\d.]+) \|", EVIDENCE.read_text(encoding="utf-8"))
    assert sma_errors().repeats.differences_percent == tuple(float(percent) for *_, percent in rows)
    for first, second, percent in (map(float, row) for row in rows):
        assert 100 * (second - first) / ((first + second) / 2) == pytest.approx(percent, abs=0.05)


def test_the_sd_of_repeat_pairs():
    one = RepeatPairs((-6.8,), "")
    assert one.sd_percent == pytest.approx(6.8 / 2**0.5)
    assert one.mdc95_percent == pytest.approx(1.96 * 6.8)
    assert RepeatPairs((3.0, -4.0), "").sd_percent == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("pair", "errors", "decided_by", "value"),
    [
        ((point(140.0), point(140.0)), sma_errors(), ErrorSource.REPEATABILITY, 18.659),  # 1.96 * 6.8 % of 140
        ((point(140.0), point(140.0)), EXACT, ErrorSource.PUBLISHED, 5.6),
        ((point(140.0, sd=3.0), point(140.0, sd=4.0)), EXACT, ErrorSource.COMBINED, 9.8),  # 1.96 * 5
        ((point(140.0, sd=None), point(140.0, sd=4.0)), EXACT, ErrorSource.PUBLISHED, 5.6),
        ((point(140.0, kvp=None), point(140.0, kvp=None)), EXACT, ErrorSource.PUBLISHED, 19.9),
        ((point(140.0, kvp=100.0), point(140.0)), EXACT, ErrorSource.PUBLISHED, 19.9),
    ],
)
def test_the_largest_of_three_decides(pair, errors, decided_by, value):
    found = mdc95(*pair, errors)
    assert (found.decided_by, found.repeat_pairs) == (decided_by, 1)
    assert found.value == pytest.approx(value, abs=1e-3)


def test_an_unknown_uncertainty_is_not_taken_for_none():
    assert mdc95(point(140.0, sd=None), point(140.0), EXACT).combined is None


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (134.4, Outcome.WITHIN),
        (134.3, Outcome.LOSS),
        (145.6, Outcome.WITHIN),
        (145.7, Outcome.GAIN),
    ],
)
def test_the_words_turn_at_the_mdc95(after, outcome):
    found = judge_change(point(140.0), point(after), EXACT)
    assert found.outcome is outcome
    assert found.difference == pytest.approx(after - 140.0)
    assert found.percent == pytest.approx(100 * (after - 140.0) / 140.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"level": "L4"}, "measured at L4"),
        ({"level": None}, "unknown level"),
        ({"level_rule": LevelRule.GIVEN_SLICE}, "level rule"),
        ({"landmark": Landmark.INFERIOR_ENDPLATE}, "landmark"),
        ({"contrast_phase": ContrastPhase.NONE}, "contrast phase"),
        ({"kvp": 110.0}, "tube voltage"),
        ({"kvp": None}, "tube voltage"),
        ({"spectral": "VMI 70 keV"}, "spectral"),
        ({"model_sha256": ("cd" * 32,)}, "models"),
        ({"corrected": True}, "correction"),
        ({"range_hu": (-190, -30)}, "HU range"),
    ],
)
def test_scans_that_differ_are_not_comparable_and_say_why(changes, reason):
    found = judge_change(point(140.0), point(100.0, **changes), EXACT)
    assert (found.outcome, found.mdc95) == (Outcome.NOT_COMPARABLE, None)
    assert any(reason in each for each in found.reasons)


def test_two_slices_at_l4_are_no_l3_trend():
    pair = (point(140.0, level="L4"), point(130.0, level="L4"))
    assert why_not_comparable(*pair) == ("measured at L4, not at L3",)


def test_a_rejected_number_is_compared_with_nothing():
    rejected = replace(point(100.0), unusable_because="rejected by Dr A")
    assert judge_change(point(140.0), rejected, EXACT).reasons == ("rejected by Dr A",)


def test_the_same_tube_voltage_written_differently_is_one_class():
    assert why_not_comparable(point(140.0), point(140.0, kvp=119.0)) == ()


def test_a_measure_of_unknown_error_is_not_judged():
    found = judge_change(point(38.0), point(20.0), None)
    assert (found.outcome, found.mdc95) == (Outcome.NOT_JUDGED, None)
    assert "not known" in found.reasons[0]


def test_there_is_no_percent_of_nothing():
    assert judge_change(point(0.0), point(10.0), None).percent is None
    assert judge_change(point(-5.0), point(10.0), None).percent is None


def test_runs_break_against_their_baseline():
    values = [point(140.0), point(139.0), point(120.0, kvp=80.0), point(121.0, kvp=80.0), point(138.0)]
    assert [[v.value for v in run] for run in comparable_runs(values)] == [[140.0, 139.0], [120.0, 121.0], [138.0]]
    drifting = [point(140.0, kvp=kvp) for kvp in (115.0, 119.0, 123.0)]
    assert [len(run) for run in comparable_runs(drifting)] == [2, 1]


def test_the_errors_of_the_smi_are_those_of_the_sma_over_height_squared():
    pair = point(140.0), point(120.0)
    over_height = [replace(p, value=p.value / 1.7**2, sd=p.sd / 1.7**2) for p in pair]
    index, area = mdc95(*over_height, EXACT.scaled(1.7**-2)), mdc95(*pair, EXACT)
    assert index.value == pytest.approx(area.value / 1.7**2)
    assert index.decided_by is area.decided_by


def test_two_scans_give_their_difference_with_its_error():
    found = annual_change((point(150.0), point(140.0, days=182)), EXACT)
    years = 182 / 365.25
    assert found.per_year.value == pytest.approx(-10 / years)
    assert (found.per_year.low, found.per_year.high) == pytest.approx((-15.6 / years, -4.4 / years))
    assert found.percent_per_year.value == pytest.approx(-10 / 150 * 100 / years)
    assert found.points == 2


@pytest.mark.parametrize(
    ("values", "errors", "reason"),
    [
        ((point(150.0),), EXACT, "two comparable scans"),
        ((point(150.0), point(120.0, days=89)), EXACT, "89 days are too short"),
        ((point(150.0), point(145.0, days=365)), EXACT, "within measurement error"),
        ((point(150.0), point(120.0, days=365, kvp=80.0)), EXACT, "not comparable (tube voltage)"),
        ((point(150.0), point(140.0, days=200, corrected=True), point(120.0, days=365)), EXACT, "correction"),
        ((point(38.0), point(20.0, days=365)), None, "not known"),
        ((point(0.0), point(20.0, days=365)), EXACT, "zero"),
    ],
)
def test_no_rate_where_none_is_allowed(values, errors, reason):
    found = annual_change(values, errors)
    assert (found.per_year, found.percent_per_year) == (None, None)
    assert reason in found.reason


def test_ninety_days_are_enough():
    assert annual_change((point(150.0), point(120.0, days=90)), EXACT).reason == ""


def line(years, slope, start):
    return start + slope * years


def test_three_scans_give_the_weighted_line_of_another_library():
    values = (point(150.0), point(147.0, days=200, sd=4.0), point(139.0, days=410, sd=3.0))
    sd = [standard_error(value, EXACT) for value in values]
    assert sd == pytest.approx([5.6 / 1.96 / 2**0.5, 4.0, 3.0])
    years = np.array([0, 200, 410]) / 365.25
    (slope, _), covariance = curve_fit(line, years, [150.0, 147.0, 139.0], sigma=sd, absolute_sigma=True)
    half = 1.959964 * covariance[0, 0] ** 0.5
    found = annual_change(values, EXACT)
    assert found.per_year.value == pytest.approx(slope, rel=1e-5)
    assert (found.per_year.low, found.per_year.high) == pytest.approx((slope - half, slope + half), rel=1e-4)
    assert found.percent_per_year.low == pytest.approx((slope - half) / 1.5, rel=1e-4)
    assert found.points == 3


def test_points_on_a_line_keep_the_error_of_the_scans():
    values = [point(150.0 - days / 36.525, days=days) for days in (0, 180, 360)]
    rate = annual_change(values, EXACT).per_year
    assert rate.value == pytest.approx(-10.0)
    assert rate.high - rate.low > 5.0


def test_points_that_scatter_widen_the_interval():
    values, measured = [], (150.0, 120.0, 145.0, 118.0)
    for days, value in zip((0, 120, 240, 360), measured, strict=True):
        values.append(point(value, days=days))
    years = np.array([0, 120, 240, 360]) / 365.25
    # All standard errors are equal here, so the Birge-scaled interval is that of the scatter itself.
    _, covariance = curve_fit(line, years, measured)
    rate = annual_change(values, EXACT).per_year
    assert rate.high - rate.low == pytest.approx(2 * 1.959964 * covariance[0, 0] ** 0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2025, 2, 28), False),
        (date(2025, 3, 1), False),
        (date(2025, 3, 2), True),
        (date(2025, 3, 31), True),
        (date(2025, 4, 1), False),
    ],
)
def test_the_thirty_days_after_an_operation(day, expected):
    assert is_post_operative(day, date(2025, 3, 1)) is expected


def test_after_several_operations_the_last_day_counts():
    assert is_post_operative(date(2025, 4, 5), date(2025, 3, 1), date(2025, 3, 8))
