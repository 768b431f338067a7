from dataclasses import replace
from datetime import date

import pytest

from dashboard.trend_view import (
    MEASURES,
    SMA,
    SMI,
    VAT,
    build_trend,
    change_words,
    csv_rows,
    error_words,
    rate_words,
    trend_rows,
    trend_scans,
    trend_words,
)
from sarcopenia.clinical.trend import Outcome
from sarcopenia.domain.results import LevelRule, ModelIdentity, Verdict
from sarcopenia.domain.volume import ContrastPhase
from sarcopenia.records import ReviewState
from tests.unit.dashboard.measurements import PROVENANCE, WITHOUT_L3, with_sma
from tests.unit.dashboard.trend_samples import HEADER, REJECTED, SCANS, SIGNED, event, mended, scan, stored

SMD = next(measure for measure in MEASURES if measure.name == "SMD")


def trend_of(scans, measure=SMA, height_m=1.80, events=()):
    return build_trend(trend_scans(scans)[0], measure, height_m, events)


def values(trend):
    return [point.value.value for point in trend.points]


def test_points_are_in_order_of_time():
    assert values(trend_of(SCANS)) == [160.0, 150.0, 130.0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"measurement": WITHOUT_L3}, "L3 is not in the scan"),
        ({"measurement": with_sma(150.0, level="L4")}, "measured at L4, not at L3"),
        ({"measurement": with_sma(150.0, level=None)}, "an unknown level"),
        ({"measurement": with_sma(150.0, verdict=Verdict.REJECT)}, "must not be used"),
        ({"measurement": with_sma(150.0, verdict=Verdict.AMBIGUOUS_LEVEL)}, "ambiguous"),
        ({"state": REJECTED}, "rejected by Dr A"),
    ],
)
def test_a_scan_without_a_usable_number_at_l3_is_left_out_and_says_why(changes, reason):
    left = replace(SCANS[0], stored=stored(**changes))
    chosen, reasons = trend_scans((left, SCANS[1]))
    assert chosen == (SCANS[1],)
    assert len(reasons) == 1
    assert reasons[0].startswith("2025-06-01")
    assert reason in reasons[0]


def test_a_study_has_one_point_a_signed_one_before_a_newer_one():
    first, again = SCANS[1], replace(SCANS[1], scan_id=SCANS[1].scan_id + 1, stored=stored(measurement=with_sma(161.0)))
    assert trend_scans((again, first))[0] == (again,)
    signed = replace(first, stored=stored(measurement=with_sma(160.0), state=SIGNED))
    chosen, reasons = trend_scans((again, signed))
    assert chosen == (signed,)
    assert "another series of the study" in reasons[0]


def test_a_withdrawn_signature_leaves_an_unreviewed_point():
    (point,) = trend_of([scan(date(2025, 1, 1), 150.0, state=ReviewState.WITHDRAWN)]).points
    assert not point.scan.signed


def test_the_error_bar_is_that_of_the_ensemble_and_scales_with_the_height():
    area, index = trend_of(SCANS).points[0], trend_of(SCANS, SMI).points[0]
    assert area.half_bar == pytest.approx(1.96 * 0.01 * 160.0)  # the CoV of the samples is 1 %
    assert index.half_bar == pytest.approx(area.half_bar / 1.80**2)
    assert trend_of(SCANS, SMD).points[0].half_bar is None


def test_one_height_makes_every_smi():
    assert values(trend_of(SCANS, SMI)) == pytest.approx([sma / 3.24 for sma in (160.0, 150.0, 130.0)])
    assert trend_of(SCANS, SMI, height_m=None).points == ()


def test_every_measure_reads_its_own_number():
    found = {measure.name: values(trend_of(SCANS[:1], measure))[0] for measure in MEASURES}
    assert found == pytest.approx(
        {"SMA": 150.0, "SMI": 150 / 3.24, "SMD": 38.0, "SAT": 200.0, "VAT": 120.0, "IMAT": 10.0}
    )


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (scan(date(2025, 6, 1), 150.0, replace(HEADER, kvp=80.0)), "tube voltage"),
        (scan(date(2025, 6, 1), 150.0, replace(HEADER, contrast_phase=ContrastPhase.PORTAL_VENOUS)), "contrast phase"),
        (mended(SCANS[0]), "correction by a person"),
        (scan(date(2025, 6, 1), 150.0, provenance=replace(PROVENANCE, level_rule=LevelRule.PERSON)), "level rule"),
    ],
)
def test_the_line_breaks_where_scans_are_not_comparable(other, reason):
    trend = trend_of((SCANS[1], other))
    assert trend.points[1].broken_because == (reason,)
    assert len(trend.runs) == 2
    assert trend.change(*trend.points).outcome is Outcome.NOT_COMPARABLE


def test_another_range_breaks_the_line_of_visceral_fat_alone():
    other = scan(date(2025, 6, 1), 150.0, provenance=replace(PROVENANCE, vat_range_hu=(-190, -30)))
    assert len(trend_of((SCANS[1], other), VAT).runs) == 2
    assert len(trend_of((SCANS[1], other)).runs) == 1


def test_another_quality_model_does_not_break_the_line():
    rater = ModelIdentity("scan_quality", "1", "ef" * 32, "FP32", "fake")
    rated = scan(date(2025, 6, 1), 150.0, provenance=replace(PROVENANCE, models=(*PROVENANCE.models, rater)))
    assert len(trend_of((SCANS[1], rated)).runs) == 1


def test_the_thirty_days_after_an_operation_are_marked():
    marked = trend_of(SCANS, events=[event(date(2025, 5, 15)), event(date(2025, 11, 25), withdrawn=True)])
    assert [point.post_operative for point in marked.points] == [False, True, False]
    assert [row["Marks"] for row in trend_rows(marked)] == ["", "post-operative", ""]


def test_a_change_is_told_with_its_measurement_error_and_what_decided_it():
    trend = trend_of(SCANS)
    change = trend.change(trend.points[0], trend.points[-1])
    # 1.96 * 6.8 % of (160 + 130) / 2
    assert change_words(change, SMA) == (
        "2025-01-01 to 2025-12-01 (334 days): −30.0 cm² (−18.8 %), **loss beyond measurement error** (±19.3 cm²)"
    )
    assert "1 repeat pair:" in error_words(change, SMA)
    assert "published lower bound ±5.6" in error_words(change, SMA)
    near = trend.change(trend.points[0], trend.points[1])
    assert "**within measurement error**" in change_words(near, SMA)


def test_scans_that_are_not_comparable_have_no_difference_in_words():
    other = scan(date(2025, 6, 1), 90.0, replace(HEADER, kvp=80.0))
    trend = trend_of((SCANS[1], other))
    words = change_words(trend.change(*trend.points), SMA)
    assert words == "2025-01-01 to 2025-06-01 (151 days): **not comparable** (tube voltage)"
    assert error_words(trend.change(*trend.points), SMA) == ""


def test_a_measure_of_unknown_error_says_so_and_has_no_rate():
    trend = trend_of(SCANS, SMD)
    assert "**not judged**: its measurement error is not known" in change_words(trend.change(*trend.points[:2]), SMD)
    assert "measurement error is not known" in rate_words(trend.per_year(trend.points), SMD)


def test_the_rate_is_told_with_its_interval():
    flat = trend_of((SCANS[1], SCANS[0], scan(date(2025, 12, 1), 158.0)))
    assert "the interval includes no change" in rate_words(flat.per_year(flat.points), SMA)
    assert flat.points[2].value.value == 158.0
    assert trend_rows(flat)[1]["MDC95 of the two"] == "±20.7, the product's own repeatability"
    words = rate_words(trend_of(SCANS).per_year(trend_of(SCANS).points), SMA)
    assert "weighted regression over 3 scans" in words
    assert "95 % CI −" in words
    two = trend_of((SCANS[1], SCANS[2]))
    # −30 cm² and ±19.326 cm² in 334 days
    assert rate_words(two.per_year(two.points), SMA) == (
        "−32.8 cm² per year (95 % CI −53.9 to −11.7); −20.5 % per year (−33.7 to −7.3); two scans."
    )
    near = trend_of((SCANS[1], SCANS[0]))
    assert rate_words(near.per_year(near.points), SMA).startswith("No change per year: the difference is within")


def test_the_table_holds_the_exact_numbers_and_who_stands_for_them():
    signed = scan(date(2026, 1, 1), 149.0, state=SIGNED)
    first, second, third, fourth = trend_rows(trend_of((SCANS[1], mended(SCANS[0]), SCANS[2], signed)))
    assert (first["Study date"], first["SMA (cm²)"], first["± (ensemble)"]) == ("2025-01-01", 160.0, 3.1)
    assert first["Protocol"] == "contrast none · 120 kV · 5 mm"
    assert (first["Version"], first["Review"]) == ("Version 1: AI", "AI – not reviewed")
    assert first["Since the scan before"] == "first scan"
    assert second["Version"] == "Version 2: mask mended by Dr B"
    assert (first["MDC95 of the two"], second["MDC95 of the two"]) == ("", "")
    assert second["Since the scan before"] == "not comparable: correction by a person"
    assert third["Since the baseline of its run"] == "baseline"
    assert fourth["Since the baseline of its run"] == "+19.0 (+14.6 %), gain beyond measurement error"
    assert fourth["Review"].startswith("signed by Dr A")


def test_the_download_names_version_reviewer_and_weights():
    scans = (SCANS[1], scan(date(2026, 1, 1), 149.0, state=SIGNED))
    rows = csv_rows([trend_of(scans), trend_of(scans, SMI, height_m=None)], "P-1")
    unsigned, signed = rows
    assert {row["Measure"] for row in rows} == {"SMA"}
    assert (unsigned["Patient ID"], unsigned["Value"], unsigned["Unit"]) == ("P-1", 160.0, "cm²")
    assert (unsigned["Signed"], unsigned["Reviewer"]) == ("AI – not reviewed", "")
    assert (signed["Signed"], signed["Reviewer"]) == ("signed", "Dr A")
    assert unsigned["Models"] == f"spine_level 1 {'ab' * 32}"
    assert unsigned["Version"] == "Version 1: AI"
    assert "Research use only" in unsigned["Use"]


def test_the_chart_is_told_in_words():
    words = trend_words(trend_of(SCANS))
    assert "2025-06-01: 150.0" in words
    assert "loss beyond measurement error" in words
    assert "*" not in words
    assert "No values" in trend_words(trend_of(SCANS, SMI, height_m=None))
