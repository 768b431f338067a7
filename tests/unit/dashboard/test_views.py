from dataclasses import replace
from datetime import date

import pytest

from dashboard.result_view import (
    MISSING,
    PersonAtScan,
    acceptance_words,
    certainty_words,
    comparison_rows,
    comparisons,
    figures,
    place_words,
    provenance_rows,
    sorted_flags,
)
from dashboard.trend_view import (
    MEASURES,
    TrendScan,
    trend_figure,
    trend_points,
    trend_rows,
    trend_words,
    why_not_comparable,
)
from sarcopenia.domain.results import AcceptanceRule, Flag, LevelRule, ModelIdentity, Severity, Verdict
from sarcopenia.domain.volume import ContrastPhase, SeriesHeader, Sex
from tests.unit.dashboard.measurements import MEASURED, PROVENANCE, WITHOUT_L3, with_sma

MAN = PersonAtScan(1.80, 80.0, Sex.MALE)
NOBODY = PersonAtScan(None, None, Sex.UNKNOWN)
HEADER = SeriesHeader(contrast_phase=ContrastPhase.NONE, kvp=120.0)


def text_of(name, measurement=MEASURED, person=MAN):
    return next(f"{f.text} {f.unit}" for f in figures(measurement, person) if f.name == name)


def test_the_card_shows_numbers_with_units():
    assert text_of("SMA") == "140.0 cm²"
    assert text_of("SMI") == "43.2 cm²/m²"
    assert text_of("SMD") == "38.0 HU"
    assert text_of("VAT") == "120.0 cm²"


def test_smi_is_blank_without_a_height_and_says_so():
    assert text_of("SMI", person=NOBODY) == f"{MISSING} cm²/m²"
    hint = next(figure.hint for figure in figures(MEASURED, NOBODY) if figure.name == "SMI")
    assert "height" in hint


def test_no_l3_has_no_numbers_and_no_comparisons():
    assert figures(WITHOUT_L3, MAN) == ()
    assert comparisons(WITHOUT_L3, MAN, HEADER) == ()
    assert place_words(WITHOUT_L3) == "No slice was measured."


@pytest.mark.parametrize(
    ("rule", "words"),
    [(LevelRule.MID_L3, "middle of L3"), (LevelRule.GIVEN_SLICE, "given"), (LevelRule.SINGLE_SLICE, "not known")],
)
def test_the_place_names_its_rule(rule, words):
    assert words in place_words(replace(MEASURED, provenance=replace(PROVENANCE, level_rule=rule)))


def test_the_limits_of_acceptance_stand_in_the_provenance():
    rule = AcceptanceRule(2.8, 9.0, 1.1, 0.8, 0.6)
    measurement = replace(MEASURED, provenance=replace(PROVENANCE, acceptance=rule))
    (row,) = [row for row in provenance_rows(measurement) if row["Fact"] == "Limits of acceptance"]
    assert row["Value"] == acceptance_words(rule)
    assert all(number in row["Value"] for number in ("2.8 %", "9 %", "0.8", "0.6"))
    assert "SSIM" not in acceptance_words(replace(rule, ssim_review=None, ssim_reject=None))


def test_the_rating_of_the_image_is_told_where_there_is_one():
    assert "SSIM" not in certainty_words(MEASURED)
    rated = replace(MEASURED, quality=replace(MEASURED.quality, predicted_ssim=0.87))
    assert "predicted SSIM) 0.87" in certainty_words(rated)


def test_the_gravest_flag_comes_first():
    flags = (Flag("a", "a", Severity.INFO), Flag("b", "b", Severity.BLOCK), Flag("c", "c", Severity.REVIEW))
    assert [flag.code for flag in sorted_flags(replace(MEASURED, flags=flags), NOBODY)] == ["b", "c", "a"]


def test_a_blocking_flag_forbids_every_comparison_and_is_the_reason():
    flag = Flag("muscle_cut", "The field of view cuts through muscle.", Severity.BLOCK)
    found = comparisons(replace(MEASURED, flags=(flag,)), MAN, HEADER)
    assert {comparison.distance for comparison in found} == {None}
    assert all("cuts through muscle" in comparison.reason for comparison in found)


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.AMBIGUOUS_LEVEL])
def test_a_verdict_forbids_comparisons_also_without_a_flag(verdict):
    found = comparisons(replace(MEASURED, verdict=verdict), MAN, HEADER)
    assert {comparison.distance for comparison in found} == {None}


def test_a_slice_that_is_not_at_l3_is_named():
    assert text_of("SMA at L4", replace(MEASURED, level="L4")) == "140.0 cm²"
    assert text_of("SMA at unknown level", replace(MEASURED, level=None)) == "140.0 cm²"


def test_certainty_is_told_in_words():
    assert "CoV) 1.0 %" in certainty_words(MEASURED)
    assert "139.0 cm²" in certainty_words(MEASURED)
    assert certainty_words(WITHOUT_L3) == ""


def test_comparisons_with_an_answer_come_first():
    rows = comparison_rows(comparisons(MEASURED, MAN, HEADER))
    answered = [row["Distance"] != MISSING for row in rows]
    assert answered == sorted(answered, reverse=True)
    assert any(answered)
    assert {row["Result"] for row in rows[: sum(answered)]} <= {"below", "not below"}
    assert all(row["Result"].startswith("not compared: ") for row in rows[sum(answered) :])


def test_provenance_names_the_weights():
    assert any("ab" * 32 in row["Value"] for row in provenance_rows(MEASURED))


def scan(day, sma, header=HEADER, person=MAN, **changes):
    return TrendScan(day.toordinal(), day, with_sma(sma, **changes), header, person, reviewed=False, corrected=False)


SCANS = (scan(date(2025, 6, 1), 150.0), scan(date(2025, 1, 1), 160.0), scan(date(2025, 12, 1), 140.0))


def test_points_are_in_order_of_time_and_leave_out_what_was_not_measured():
    unmeasured = replace(SCANS[0], measurement=WITHOUT_L3)
    assert [point.sma for point in trend_points((*SCANS, unmeasured))] == [160.0, 150.0, 140.0]


def test_the_error_bar_is_two_standard_deviations_of_the_ensemble():
    point = trend_points(SCANS)[0]
    assert point.sma_error == pytest.approx(2 * 0.01 * 160.0)
    assert point.error(MEASURES[1]) == pytest.approx(2 * 0.01 * 160.0 / 1.80**2)
    assert point.error(MEASURES[2]) == 0.0


def test_only_usable_l3_slices_stand_in_the_trend_one_per_study():
    rejected = replace(SCANS[0], measurement=with_sma(150.0, verdict=Verdict.REJECT))
    at_l4 = replace(SCANS[0], measurement=with_sma(150.0, level="L4"))
    assert [point.sma for point in trend_points((rejected, at_l4, SCANS[1]))] == [160.0]
    again = replace(SCANS[1], measurement=with_sma(161.0))
    assert [point.sma for point in trend_points((SCANS[1], again))] == [161.0]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (scan(date(2025, 6, 1), 150.0, replace(HEADER, kvp=80.0)), "tube voltage"),
        (scan(date(2025, 6, 1), 150.0, replace(HEADER, contrast_phase=ContrastPhase.PORTAL_VENOUS)), "contrast phase"),
        (replace(SCANS[0], corrected=True), "correction"),
    ],
)
def test_the_line_breaks_where_scans_are_not_comparable(other, reason):
    assert reason in why_not_comparable(SCANS[1], other)
    figure = trend_figure(trend_points((SCANS[1], other)), MEASURES[0])
    assert len(figure.data) == 2
    assert reason in figure.layout.annotations[0].text


def test_comparable_scans_are_joined_and_the_axis_starts_at_zero():
    figure = trend_figure(trend_points(SCANS), MEASURES[0])
    assert len(figure.data) == 1
    assert list(figure.data[0].y) == [160.0, 150.0, 140.0]
    assert figure.layout.yaxis.range[0] == 0.0


def test_another_quality_model_does_not_break_the_line():
    rater = ModelIdentity("scan_quality", "1", "ef" * 32, "FP32", "fake")
    models = (*PROVENANCE.models, rater)
    rated = replace(SCANS[2], measurement=replace(SCANS[2].measurement, provenance=replace(PROVENANCE, models=models)))
    assert why_not_comparable(SCANS[1], rated) == ""


def test_a_missing_height_leaves_smi_out_but_keeps_sma():
    points = trend_points(tuple(replace(s, person=NOBODY) for s in SCANS))
    assert len(trend_figure(points, MEASURES[1]).data) == 0
    assert trend_rows(points)[0]["SMI (cm²/m²)"] is None
    assert trend_rows(points)[0]["SMA (cm²)"] == 160.0


def test_the_chart_is_told_in_words():
    assert "2025-06-01: 150.0" in trend_words(trend_points(SCANS), MEASURES[0])


def test_pregnancy_forbids_every_comparison_and_is_a_flag():
    pregnant = replace(MAN, sex=Sex.FEMALE, answers=(("pregnancy", True), ("dialysis", False)))
    found = comparisons(MEASURED, pregnant, HEADER)
    assert all("Pregnancy" in comparison.reason for comparison in found)
    assert "asked_pregnancy" in {flag.code for flag in sorted_flags(MEASURED, pregnant)}
