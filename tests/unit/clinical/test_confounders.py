"""Questions that are asked: a "yes" acts, "not asked" is told and never taken for "no"."""

from dataclasses import replace

from sarcopenia.clinical import CONFOUNDERS, NOT_DETECTED, confounder_flags, looked_for, not_asked
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


def test_what_was_looked_for_follows_from_what_was_measured():
    lumbar = looked_for(MEASURED)
    assert {"metal", "oedema under the skin", "curved spine"} <= set(lumbar)
    chest = looked_for(replace(MEASURED, level="T10"))
    assert "metal" in chest
    assert "oedema under the skin" not in chest
    single = replace(MEASURED.provenance, level_rule=LevelRule.SINGLE_SLICE)
    assert "curved spine" not in looked_for(replace(MEASURED, level=None, provenance=single))
    assert looked_for(replace(MEASURED, composition=None)) == ()


def test_what_is_looked_for_is_neither_asked_nor_said_to_be_undetected():
    assert not set(looked_for(MEASURED)) & set(NOT_DETECTED)
    assert not set(looked_for(MEASURED)) & {each.question for each in CONFOUNDERS}
