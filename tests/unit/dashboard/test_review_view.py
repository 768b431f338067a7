"""Words, states and differences of the review page."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from dashboard.result_view import NOT_REVIEWED
from dashboard.review_view import (
    WorkState,
    mask_difference,
    previous_scan,
    review_words,
    version_words,
    work_order,
    work_row,
    work_state,
)
from sarcopenia.domain.errors import ValidationReport
from sarcopenia.domain.results import LevelRule, Verdict
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.domain.volume import SeriesHeader
from sarcopenia.records import ReviewState, ScanSummary, StoredMeasurement, StoredReview
from tests.unit.dashboard.measurements import MEASURED, WITHOUT_L3

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


@pytest.mark.parametrize(
    ("verdict", "review", "state"),
    [
        (Verdict.ACCEPT, None, WorkState.NEW),
        (Verdict.REVIEW, None, WorkState.NEEDS_REVIEW),
        (Verdict.AMBIGUOUS_LEVEL, None, WorkState.NEEDS_REVIEW),
        (Verdict.REJECT, ReviewState.WITHDRAWN, WorkState.NEEDS_REVIEW),
        (Verdict.REJECT, ReviewState.REJECTED, WorkState.REJECTED),
        (Verdict.REVIEW, ReviewState.SIGNED, WorkState.SIGNED),
    ],
)
def test_where_a_scan_stands(verdict, review, state):
    assert work_state(scan(stored(replace(MEASURED, verdict=verdict), review))) is state


def test_the_most_uncertain_of_what_needs_review_comes_first():
    def doubted(cov):
        uncertainty = replace(MEASURED.uncertainty, sma_cov_percent=cov)
        return scan(stored(replace(MEASURED, verdict=Verdict.REVIEW, uncertainty=uncertainty)))

    accepted = scan(stored(replace(MEASURED, verdict=Verdict.ACCEPT)))
    signed = scan(stored(review=ReviewState.SIGNED))
    calm, wild, nothing = doubted(2.0), doubted(9.0), scan(None, day=None)
    assert sorted([signed, accepted, nothing, calm, wild], key=work_order) == [wild, calm, accepted, nothing, signed]


def test_a_row_of_the_work_list_holds_what_is_known():
    row = work_row(scan(stored()), "Doe, Jane")
    assert (row["Patient"], row["Series"], row["SMA (cm²)"]) == ("Doe, Jane", "Abdomen", 140.0)
    assert row["Reviewed"] == NOT_REVIEWED
    empty = work_row(scan(stored(WITHOUT_L3)), "Doe, Jane")
    assert (empty["SMA (cm²)"], empty["CoV (%)"], empty["Verdict"]) == (None, None, "no l3")
    assert work_row(scan(None), "Doe, Jane")["Reviewed"] == ""


def test_the_previous_scan_is_the_last_measured_one_before_the_day():
    days = [date(2025, 1, 1), date(2025, 6, 1), date(2025, 9, 1), date(2026, 3, 1)]
    old, newer, empty, present = (scan(stored(), day) for day in days)
    empty = replace(empty, latest=stored(WITHOUT_L3))
    assert previous_scan([present, old, empty, newer], present) == newer
    assert previous_scan([old], old) is None
    assert previous_scan([old], replace(present, study_date=None)) is None
