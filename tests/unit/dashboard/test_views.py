from dataclasses import replace

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
from sarcopenia.domain.results import AcceptanceRule, Flag, LevelRule, Severity, Verdict
from sarcopenia.domain.volume import ContrastPhase, SeriesHeader, Sex
from tests.unit.dashboard.measurements import MEASURED, PROVENANCE, WITHOUT_L3

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


def test_pregnancy_forbids_every_comparison_and_is_a_flag():
    pregnant = replace(MAN, sex=Sex.FEMALE, answers=(("pregnancy", True), ("dialysis", False)))
    found = comparisons(MEASURED, pregnant, HEADER)
    assert all("Pregnancy" in comparison.reason for comparison in found)
    assert "asked_pregnancy" in {flag.code for flag in sorted_flags(MEASURED, pregnant)}
