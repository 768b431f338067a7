"""States, order, filters, rows and CSV of the work list."""

import csv
import io
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from dashboard.result_view import NOT_REVIEWED, RESEARCH_USE
from dashboard.work_list_view import (
    WorkFilter,
    WorkState,
    counted_words,
    flag_codes,
    reviewers,
    work_csv,
    work_order,
    work_row,
    work_state,
)
from sarcopenia.domain.results import Flag, Verdict
from sarcopenia.records import ReviewState, StoredReview, WorkItem, WorkResult

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FLAG = Flag("holes", "Holes.")


def item(verdict=Verdict.ACCEPT, review=None, day=date(2026, 3, 1), **result):
    said = None if review is None else StoredReview(1, 1, review, "Ann", "", NOON)
    found = WorkResult(1, 1, "L3", 140.0, 1.5, verdict, (), said)
    return WorkItem(7, 1, day, "Abdomen", replace(found, **result))


EMPTY = WorkItem(8, 1, None, "Thorax", None)


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
    assert work_state(item(verdict, review)) is state
    assert work_state(EMPTY) is WorkState.NO_RESULT


def test_the_most_uncertain_of_what_needs_review_comes_first():
    calm, wild = (item(Verdict.REVIEW, sma_cov_percent=cov) for cov in (2.0, 9.0))
    unmeasured = item(Verdict.NO_L3, sma_cov_percent=None)
    accepted, signed = item(), item(review=ReviewState.SIGNED)
    mixed = [signed, accepted, EMPTY, unmeasured, calm, wild]
    assert sorted(mixed, key=work_order) == [wild, calm, unmeasured, accepted, EMPTY, signed]


def test_every_filter_alone_and_all_of_them_together():
    flagged = item(Verdict.REVIEW, flags=(FLAG,), day=date(2026, 2, 1))
    signed = item(review=ReviewState.SIGNED, day=date(2026, 3, 1))
    every = [flagged, signed, EMPTY]

    def taken(**wanted):
        return [each for each in every if WorkFilter(**wanted).takes(each)]

    assert taken() == every
    assert taken(states=("signed", "no result")) == [signed, EMPTY]
    assert taken(flags=("holes", "noisy")) == [flagged]
    assert taken(reviewers=("Ann",)) == [signed]
    assert taken(first_day=date(2026, 2, 1)) == [flagged, signed]
    assert taken(first_day=date(2026, 2, 2)) == [signed]
    assert taken(last_day=date(2026, 2, 1)) == [flagged]
    assert taken(states=("signed",), flags=("holes",)) == []
    assert taken(states=("signed",), reviewers=("Ann",), first_day=date(2026, 3, 1), last_day=date(2026, 3, 1)) == [
        signed
    ]


def test_the_choices_are_what_there_is():
    every = [item(flags=(FLAG,)), item(review=ReviewState.REJECTED, flags=(FLAG, Flag("noisy", "Noisy."))), EMPTY]
    assert flag_codes(every) == ["holes", "noisy"]
    assert reviewers(every) == ["Ann"]


def test_a_row_holds_what_is_known():
    row = work_row(item(flags=(FLAG,)), "Doe, Jane")
    assert (row["Patient"], row["Series"], row["SMA (cm²)"], row["Flags"]) == ("Doe, Jane", "Abdomen", 140.0, "holes")
    assert row["Reviewed"] == NOT_REVIEWED
    nothing = work_row(item(Verdict.NO_L3, sma_cm2=None, sma_cov_percent=None, level=None), "Doe, Jane")
    assert (nothing["SMA (cm²)"], nothing["CoV (%)"], nothing["Verdict"]) == (None, None, "no l3")
    assert (work_row(EMPTY, "Doe, Jane")["Reviewed"], work_row(EMPTY, "Doe, Jane")["Verdict"]) == ("", "")


def test_the_csv_says_version_review_address_and_what_it_is_not_for():
    signed = item(review=ReviewState.SIGNED, version=2, day=None)
    places = {7: "http://host/review?scan=7", 8: "http://host/review?scan=8"}
    text = work_csv([signed, item(), EMPTY], {7: "=cmd()", 8: "Doe, Jane"}, places)
    first, second, third = csv.DictReader(io.StringIO(text))
    assert (first["Version"], first["Reviewer"], first["Reviewed at"]) == ("2", "Ann", "2026-03-01 12:00 UTC")
    assert first["Patient"] == "'=cmd()"
    assert first["Address"] == "http://host/review?scan=7"
    assert (second["Version"], second["Reviewed"], second["Reviewer"]) == ("1", NOT_REVIEWED, "")
    assert (third["Scan"], third["State"], third["SMA (cm²)"], third["Patient"]) == ("8", "no result", "", "Doe, Jane")
    assert {row["Notice"] for row in (first, second, third)} == {RESEARCH_USE}


def test_how_many_are_shown_is_said():
    assert counted_words(12, 1234) == "Showing 12 of 1,234 scans."
    assert counted_words(3, 3) == "Showing all 3 scans."
