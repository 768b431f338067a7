"""Words, versions and differences of the review page."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from dashboard.result_view import NOT_REVIEWED
from dashboard.review_view import (
    difference_rows,
    history_rows,
    mask_difference,
    previous_scan,
    review_words,
    version_number,
    version_rows,
    version_words,
    void_signature_words,
)
from sarcopenia.domain.errors import ValidationReport
from sarcopenia.domain.results import LevelRule
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.domain.volume import SeriesHeader
from sarcopenia.records import ReviewState, ScanSummary, StoredMeasurement, StoredReview
from tests.unit.dashboard.measurements import MEASURED, WITHOUT_L3, with_sma

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STROKE = Stroke(StrokeTool.BRUSH, ((1.0, 1.0),), 2.0, within_muscle_hu=False)


def stored(measurement=MEASURED, review=None, author="sarcopenia 0.1.0"):
    found = None if review is None else StoredReview(1, 1, review, "Ann", "", NOON)
    return StoredMeasurement(1, 1, 1, None, None, author, NOON, measurement, None, None, found)


def scan(latest, day=date(2026, 3, 1)):
    header = SeriesHeader(series_description="Abdomen")
    return ScanSummary(1, 1, 1, "a" * 64, header, ValidationReport(), (), day, 80, NOON, latest)


def test_the_difference_of_two_masks():
    model, mended = np.zeros((2, 10), bool), np.zeros((2, 10), bool)
    model[0, :8], mended[0, 2:] = True, True
    found = mask_difference(model, mended, pixel_area_mm2=50.0)
    assert (found.area_cm2, found.area_percent, found.dice) == (0.0, 0.0, pytest.approx(0.75))
    assert (found.added_cm2, found.removed_cm2) == (1.0, 1.0)
    mended[1, :4] = True
    assert mask_difference(model, mended, 50.0).area_cm2 == pytest.approx(2.0)
    assert mask_difference(model, mended, 50.0).area_percent == pytest.approx(50.0)


def test_empty_masks_agree_and_have_no_percentage():
    nothing = np.zeros((3, 3), bool)
    found = mask_difference(nothing, nothing, 1.0)
    assert found.dice == 1.0
    assert math.isnan(found.area_percent)


def test_only_a_signature_or_a_rejection_ends_not_reviewed():
    assert review_words(stored()) == NOT_REVIEWED
    assert review_words(stored(review=ReviewState.SIGNED)) == "signed by Ann on 2026-03-01 12:00 UTC"
    assert review_words(stored(review=ReviewState.REJECTED)).startswith("rejected by Ann")
    assert review_words(stored(review=ReviewState.WITHDRAWN)).startswith(NOT_REVIEWED)


def test_a_version_says_what_made_it():
    moved = replace(MEASURED, provenance=replace(MEASURED.provenance, level_rule=LevelRule.PERSON))
    mended = replace(moved, provenance=replace(moved.provenance, strokes=(STROKE,)))
    assert version_words(stored(), 1) == "Version 1: AI"
    assert version_words(stored(moved, author="Ann"), 2) == "Version 2: level chosen by Ann"
    assert version_words(stored(mended, author="Ben"), 3) == "Version 3: mask mended by Ben"


def test_every_version_stands_in_the_table_with_its_review_and_weights():
    mended = replace(MEASURED, provenance=replace(MEASURED.provenance, strokes=(STROKE,)))
    first, second = stored(review=ReviewState.SIGNED), replace(stored(mended, author="Ben"), measurement_id=2)
    rows = version_rows([first, second])
    assert [row["Version"] for row in rows] == ["Version 1: AI", "Version 2: mask mended by Ben"]
    assert [row["Review"] for row in rows] == ["signed by Ann on 2026-03-01 12:00 UTC", NOT_REVIEWED]
    assert (rows[0]["SMA (cm²)"], rows[0]["Slice"], rows[0]["Author"]) == (140.0, 42, "sarcopenia 0.1.0")
    assert rows[0]["Weights"] == "spine_level 1 (abababab)"
    assert version_rows([stored(WITHOUT_L3)])[0]["SMA (cm²)"] is None
    assert version_number([first, second], 2) == 2


def test_a_signature_of_an_earlier_version_is_said_to_be_void():
    first, second = stored(review=ReviewState.SIGNED), replace(stored(), measurement_id=2)
    words = "Version 1 was signed by Ann on 2026-03-01 12:00 UTC; this version is not."
    assert void_signature_words([first, second], second) == words
    assert void_signature_words([first], first) == ""
    withdrawn = stored(review=ReviewState.WITHDRAWN)
    assert void_signature_words([withdrawn, second], second) == ""
    again = replace(stored(review=ReviewState.SIGNED), measurement_id=2)
    assert void_signature_words([first, again], again) == ""


def test_the_history_has_the_newest_review_of_any_version_first():
    def said(number, state):
        return StoredReview(number, 1, state, "Ann", "why", NOON)

    rows = history_rows(
        [(1, said(4, ReviewState.WITHDRAWN)), (1, said(1, ReviewState.SIGNED)), (2, said(7, ReviewState.SIGNED))]
    )
    assert [(row["Version"], row["What"]) for row in rows] == [(2, "signed"), (1, "withdrawn"), (1, "signed")]
    assert (rows[0]["Who"], rows[0]["Comment"], rows[0]["When"]) == ("Ann", "why", "2026-03-01 12:00 UTC")


def test_the_difference_of_a_version_is_told_in_a_table():
    model, mended = np.zeros((2, 10), bool), np.zeros((2, 10), bool)
    model[0, :8], mended[0, 2:8] = True, True
    found = mask_difference(model, mended, pixel_area_mm2=50.0)
    rows = difference_rows(stored(), stored(with_sma(139.0)), found)
    told = {row["Measure"]: row["Value"] for row in rows}
    assert told["SMA of the AI's own mask"] == "140.0 cm²"
    assert told["SMA of this version"] == "139.0 cm²"
    assert told["Difference"] == "-1.0 cm² (-25.0 %)"
    assert (told["Added"], told["Removed"], told["Dice"]) == ("0.0 cm²", "1.0 cm²", "0.857")
    assert difference_rows(stored(), stored(WITHOUT_L3), found) == []


def test_the_previous_scan_is_the_last_measured_one_before_the_day():
    days = [date(2025, 1, 1), date(2025, 6, 1), date(2025, 9, 1), date(2026, 3, 1)]
    old, newer, empty, present = (scan(stored(), day) for day in days)
    empty = replace(empty, latest=stored(WITHOUT_L3))
    assert previous_scan([present, old, empty, newer], present) == newer
    assert previous_scan([old], old) is None
    assert previous_scan([old], replace(present, study_date=None)) is None
