"""Questions that are asked: a "yes" acts, "not asked" is told and never taken for "no"."""

from dataclasses import replace

from sarcopenia.clinical import CONFOUNDERS, NOT_DETECTED, confounder_flags, looked_for, not_asked
from sarcopenia.clinical.confounders import DETECTED_CONFOUNDERS, codes_to_look_for
from sarcopenia.domain.results import LevelRule, Severity
from sarcopenia.records import ContextKind
from tests.unit.dashboard.measurements import MEASURED


def test_every_question_has_a_place_in_the_records():
    assert {each.key for each in CONFOUNDERS} <= {kind.value for kind in ContextKind}


def test_pregnancy_blocks_and_the_others_ask_for_a_look():
    flags = {flag.code: flag.severity for flag in confounder_flags({each.key: True for each in CONFOUNDERS})}
    assert flags.pop("asked_pregnancy") is Severity.BLOCK
    assert len(flags) == 4
    assert set(flags.values()) == {Severity.REVIEW}


def test_no_and_not_asked_raise_nothing_but_are_told_apart():
    answers = {"pregnancy": False, "dialysis": None}
    assert confounder_flags(answers) == ()
    assert "Pregnant at the scan?" not in not_asked(answers)
    assert "On dialysis?" in not_asked(answers)
    assert len(not_asked({})) == len(CONFOUNDERS)


def test_what_can_be_looked_for_follows_from_the_slice():
    assert {"metal", "subcutaneous_oedema", "spine_curved"} <= set(codes_to_look_for("L3", LevelRule.MID_L3))
    chest = codes_to_look_for("T10", LevelRule.GIVEN_SLICE)
    assert "metal" in chest
    assert "subcutaneous_oedema" not in chest
    assert "spine_curved" not in codes_to_look_for(None, LevelRule.SINGLE_SLICE)


def test_a_measurement_tells_what_was_looked_for_and_one_of_earlier_software_nothing():
    provenance = replace(MEASURED.provenance, looked_for=("metal", "hernia"))
    assert looked_for(replace(MEASURED, provenance=provenance)) == ("metal", "large hernia")
    assert looked_for(MEASURED) == ()


def test_what_is_looked_for_is_neither_asked_nor_said_to_be_undetected():
    words = {each.words for each in DETECTED_CONFOUNDERS}
    assert not words & set(NOT_DETECTED)
    assert not words & {each.question for each in CONFOUNDERS}
