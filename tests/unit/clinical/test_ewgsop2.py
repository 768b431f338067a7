"""EWGSOP2, table 3: every limit on both of its sides, and no diagnosis from CT alone."""

import pytest

from sarcopenia.clinical.ewgsop2 import FunctionTests, ewgsop2_words
from sarcopenia.domain.volume import Sex

UNTESTED = FunctionTests(None, None, None)


@pytest.mark.parametrize(
    ("grip_kg", "sex", "words"),
    [
        (26.9, Sex.MALE, "(< 27): sarcopenia is probable"),
        (27.0, Sex.MALE, "(≥ 27): not low"),
        (15.9, Sex.FEMALE, "(< 16): sarcopenia is probable"),
        (16.0, Sex.FEMALE, "(≥ 16): not low"),
        (10.0, Sex.UNKNOWN, "needs a sex"),
        (10.0, Sex.OTHER, "needs a sex"),
        (None, Sex.MALE, "not tested: without low strength EWGSOP2 does not speak of sarcopenia"),
    ],
)
def test_strength(grip_kg, sex, words):
    assert words in ewgsop2_words(FunctionTests(grip_kg, None, None), sex)[1]


@pytest.mark.parametrize(("speed", "words"), [(0.8, "severe"), (0.81, "not low"), (None, "not tested")])
def test_performance(speed, words):
    assert words in ewgsop2_words(FunctionTests(None, speed, None), Sex.MALE)[2]


@pytest.mark.parametrize(("points", "words"), [(4, "positive"), (3, "negative"), (0, "negative"), (None, "not asked")])
def test_screening(points, words):
    assert words in ewgsop2_words(FunctionTests(None, None, points), Sex.FEMALE)[0]


def test_low_strength_alone_is_probable_and_ct_has_no_number():
    assert "gives no CT number" in ewgsop2_words(FunctionTests(20.0, None, None), Sex.MALE)[1]
    assert len(ewgsop2_words(UNTESTED, Sex.MALE)) == 3
