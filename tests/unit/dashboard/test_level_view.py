"""Words of the level choice, on a spine of 40 mm pitch with L3 at z = 0."""

import pytest

from dashboard.level_view import (
    candidate_words,
    counted_words,
    drawn_levels,
    nearest_to_target,
    proposal_at,
    vertebra_words,
)
from sarcopenia.domain.results import LevelAnchor, LevelFinding, VertebraPosition, vertebra_label


def vertebra(coordinate, z_mm):
    return VertebraPosition(vertebra_label(coordinate), z_mm, round(z_mm / 5) + 40, 2.0)


def finding(coordinates=range(18, 10, -1), count=5, candidates=(), anchor=LevelAnchor.BOTH):
    vertebrae = tuple(vertebra(c, (15 - c) * 40.0) for c in coordinates)
    return LevelFinding(vertebrae, None, candidates, anchor, count, 1.0)


@pytest.mark.parametrize(
    ("z_mm", "label", "words"),
    [
        (0.0, "L3", "at its middle"),
        (-19.0, "L3", "19 mm below its middle"),
        (-21.0, "L4", "19 mm above its middle"),
        (900.0, "T11", "740 mm above its middle"),
    ],
)
def test_the_nearest_vertebra_is_proposed_with_its_distance(z_mm, label, words):
    proposal = proposal_at(finding(), z_mm)
    assert proposal.label == label
    assert words in proposal.words
    assert "as counted by the model" in proposal.words


def test_without_vertebrae_nothing_is_proposed():
    assert proposal_at(None, 0.0) is None
    assert proposal_at(finding(coordinates=()), 0.0) is None
    assert nearest_to_target(finding(coordinates=())) is None
    assert "No vertebra" in counted_words(None)


@pytest.mark.parametrize(("coordinates", "label"), [(range(14, 6, -1), "L2"), (range(18, 15, -1), "L4")])
def test_a_scan_without_l3_offers_the_vertebra_nearest_to_it(coordinates, label):
    assert nearest_to_target(finding(coordinates)).label == label


def test_a_scan_high_above_offers_nothing_that_has_no_name_in_the_list():
    assert nearest_to_target(finding(range(8, 4, -1))) is None


@pytest.mark.parametrize(
    ("count", "label", "words"),
    [
        (5, "L3", "L3"),
        (None, "L3", "L3"),
        (6, "L3", "L3 (transitional anatomy: six lumbar)"),
        (4, "L4", "L4 (transitional anatomy: four lumbar)"),
        (6, "T12", "T12"),
        (6, "S1", "S1"),
    ],
)
def test_lumbar_names_say_where_not_five_were_counted(count, label, words):
    assert vertebra_words(label, finding(count=count)) == words


@pytest.mark.parametrize(
    ("count", "upper", "lower"),
    [
        # Of six the third from the rib is the fourth from the sacrum; of four it is the second.
        (
            6,
            "Third vertebra below the last rib, fourth above the sacrum.",
            "Third vertebra above the sacrum, fourth below the last rib.",
        ),
        (
            4,
            "Third vertebra above the sacrum, second below the last rib.",
            "Third vertebra below the last rib, second above the sacrum.",
        ),
    ],
)
def test_candidates_say_from_which_end_they_are_the_third(count, upper, lower):
    candidates = vertebra(15, -20.0), vertebra(15, 20.0)
    level = finding(count=count, candidates=candidates)
    assert candidate_words(level, candidates[0]) == lower
    assert candidate_words(level, candidates[1]) == upper


def test_the_count_says_what_it_leans_on():
    words = counted_words(finding(count=6))
    assert "T11 to S1" in words
    assert "between the last rib and the sacrum" in words
    assert words.endswith("Lumbar vertebrae: six.")
    assert "sacrum is not in view" in counted_words(finding(count=None, anchor=LevelAnchor.LAST_RIB))


def test_an_ambiguous_count_draws_both_candidates_instead_of_the_names_at_their_place():
    candidates = vertebra(15, -38.0), vertebra(15, 1.0)
    level = finding(count=6, candidates=candidates)
    drawn = {(each.label, each.z_mm) for each in drawn_levels(level, ambiguous=True)}
    assert {("L3?", -38.0), ("L3?", 1.0), ("L2", 40.0), ("L5", -80.0)} <= drawn
    assert not {"L3", "L4"} & {label for label, _ in drawn}
    assert drawn_levels(level, ambiguous=False) == level.vertebrae
    assert drawn_levels(None, ambiguous=True) == ()
