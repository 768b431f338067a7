from dataclasses import replace
from datetime import date

import pytest

from dashboard.cohort_change_view import change_rows, changes_between, summary_words
from sarcopenia.clinical.trend import Outcome
from sarcopenia.records import ReviewState
from tests.unit.dashboard.cohort_samples import row
from tests.unit.dashboard.trend_samples import HEADER

FIRST, LAST = date(2025, 1, 1), date(2025, 12, 31)


def pair(patient_id, before, after, days=(FIRST, LAST), **changes):
    """Two scans of one patient with these areas; ``changes`` are of the second."""
    number = 10 * patient_id
    return (
        row(number, before, patient_id=patient_id, study_date=days[0]),
        row(number + 1, after, patient_id=patient_id, study_date=days[1], **changes),
    )


def test_a_loss_a_small_difference_and_another_voltage_are_told_apart():
    """MDC95 of 150 and 120 cm²: 1.96 · 6.8 % (one repeat pair) of their mean = 18.0 cm²."""
    rows = (
        *pair(1, 150.0, 120.0),
        *pair(2, 150.0, 148.0),
        *pair(3, 150.0, 120.0, header=replace(HEADER, kvp=80.0)),
        *pair(4, 120.0, 150.0),
    )
    found = changes_between(rows, FIRST, LAST, 0)
    assert [each.change.outcome for each in found.changes] == [
        Outcome.LOSS,
        Outcome.WITHIN,
        Outcome.NOT_COMPARABLE,
        Outcome.GAIN,
    ]
    loss, _, other_kv, _ = found.changes
    assert (loss.difference_cm2, loss.percent, loss.days) == (-30.0, pytest.approx(-20.0), 364)
    assert loss.mdc95_cm2 == pytest.approx(1.96 * 0.068 * 135.0)
    assert (other_kv.difference_cm2, other_kv.percent, other_kv.mdc95_cm2) == (None, None, None)
    assert other_kv.change.reasons == ("tube voltage",)
    assert summary_words(found) == (
        "4 patients with a scan near both dates: 1 × loss beyond measurement error, 1 × gain beyond measurement error, "
        "1 × within measurement error, 1 × not comparable."
    )
    told = change_rows(found.changes)[2]
    assert (told["Outcome"], told["Why"], told["Difference (cm²)"]) == ("not comparable", "tube voltage", None)
    assert (told["First SMA (cm²)"], told["Second SMA (cm²)"]) == (150.0, 120.0)


def test_the_nearest_scan_within_the_tolerance_stands_for_a_date():
    days = [date(2024, 12, 20), date(2025, 1, 8), date(2025, 12, 1), date(2026, 1, 10)]
    rows = [row(i, 100.0 + i, patient_id=1, study_date=day) for i, day in enumerate(days)]
    (found,) = changes_between(rows, FIRST, LAST, 30).changes
    assert (found.before.scan_id, found.after.scan_id) == (1, 3)
    assert changes_between(rows, FIRST, LAST, 7).left_out == ("no scan near the second date",)
    assert changes_between(rows, FIRST, LAST, 6).left_out == ("no scan near the first and the second date",)


def test_of_two_equally_near_a_signed_one_is_taken():
    unsigned = row(9, 90.0, patient_id=1, study_date=FIRST, state=None)
    (found,) = changes_between((unsigned, *pair(1, 150.0, 149.0)), FIRST, LAST, 0).changes
    assert found.before.scan_id == 10


def test_one_scan_near_both_dates_is_no_pair():
    rows = (row(1, study_date=date(2025, 1, 3)),)
    found = changes_between(rows, date(2025, 1, 1), date(2025, 1, 5), 10)
    assert found.changes == ()
    assert summary_words(found) == (
        "0 patients with a scan near both dates. Left out: 1 × one scan is the nearest to both dates."
    )


def test_a_rejected_or_undated_scan_stands_for_no_date():
    rejected = pair(1, 150.0, 120.0, state=ReviewState.REJECTED)
    undated = (row(1, patient_id=2, study_date=None),)
    found = changes_between((*rejected, *undated), FIRST, LAST, 0)
    assert found.left_out == ("no scan near the second date", "no scan near the first and the second date")


def test_dates_in_the_wrong_order_are_refused():
    with pytest.raises(ValueError, match="before"):
        changes_between((), LAST, FIRST, 0)
