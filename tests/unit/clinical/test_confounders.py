"""Questions that are asked: a "yes" acts, "not asked" is told and never taken for "no"."""

from sarcopenia.clinical import CONFOUNDERS, confounder_flags, not_asked
from sarcopenia.domain.results import Severity
from sarcopenia.records import ContextKind


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
