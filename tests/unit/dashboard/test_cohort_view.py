from dataclasses import replace
from datetime import date

import pytest

from dashboard.cohort_view import (
    Cohort,
    CohortFilter,
    FilterStep,
    counting,
    counting_words,
    filter_words,
    filtered,
    one_a_person,
    read_words,
    table_row,
)
from dashboard.result_view import NOT_REVIEWED, age_years
from sarcopenia.domain.results import Flag, Severity, Verdict
from sarcopenia.domain.volume import ContrastPhase, SeriesHeader, Sex
from sarcopenia.records import ReviewState
from tests.unit.dashboard.cohort_samples import CUT, DAY, MAN, row, without_l3
from tests.unit.dashboard.measurements import MEASURED
from tests.unit.dashboard.trend_samples import HEADER

PORTAL = replace(HEADER, contrast_phase=ContrastPhase.PORTAL_VENOUS, kvp=100.0)


def ids(rows):
    return [each.scan_id for each in rows]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"state": None}, ""),
        ({"stored": None}, "no measurement yet"),
        ({"state": ReviewState.REJECTED}, "rejected by a person"),
        ({"age_years": 17.9}, "under 18"),
        ({"measurement": replace(MEASURED, flags=(CUT,), verdict=Verdict.REJECT)}, "stopped by a flag (muscle cut)"),
        ({"measurement": replace(MEASURED, verdict=Verdict.AMBIGUOUS_LEVEL)}, "ambiguous"),
        ({"measurement": replace(MEASURED, level="L4")}, "measured at L4"),
        ({"person": replace(MAN, answers=(("pregnancy", True),))}, "stopped by a flag (asked pregnancy)"),
    ],
)
def test_a_row_counts_or_says_why_it_does_not(changes, reason):
    found = row(**changes).left_out_because
    assert (reason in found) if reason else found == ""


def test_a_flag_that_informs_stops_nothing():
    informed = replace(MEASURED, flags=(Flag("thick_slices", "Thick.", Severity.INFO),))
    assert row(measurement=informed).left_out_because == ""


def test_a_scan_without_l3_says_so():
    assert without_l3(1).left_out_because == "L3 is not in the scan"


def test_smi_is_area_over_height_squared_and_blank_without_height():
    assert row(sma=128.0).smi_cm2_m2 == pytest.approx(50.0)
    assert row(person=replace(MAN, height_m=None)).smi_cm2_m2 is None


def test_filters_say_how_many_scans_each_leaves():
    rows = (row(1), row(2, state=None), row(3, person=MAN, age_years=71.0), row(4, person=MAN), without_l3(5))
    left, steps = filtered(rows, CohortFilter(signed_only=True, sexes=(Sex.MALE,), ages=(70, 75)))
    assert ids(left) == [3]
    assert steps == (FilterStep("signed", 3), FilterStep("male", 2), FilterStep("aged 70–75", 1))
    assert filter_words(Cohort(rows, 5, 5), steps) == "5 scans → signed: 3 → male: 2 → aged 70–75: 1"
    assert filtered(rows, CohortFilter()) == (rows, ())


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (CohortFilter(ages=(64, 64)), [1, 4]),
        (CohortFilter(first_day=DAY), [1, 2]),
        (CohortFilter(last_day=DAY), [1, 2, 3]),
        (CohortFilter(phases=(ContrastPhase.PORTAL_VENOUS,)), [2]),
        (CohortFilter(protocols=("100 kV",)), [2]),
        (CohortFilter(sexes=(Sex.FEMALE, Sex.MALE)), [1, 2, 3, 4]),
    ],
)
def test_what_is_not_known_is_left_out_of_what_is_asked_for(wanted, expected):
    rows = (
        row(1, age_years=64.9),
        row(2, age_years=65.0, header=PORTAL),
        row(3, age_years=None, study_date=date(2024, 1, 1)),
        row(4, study_date=None),
    )
    assert ids(filtered(rows, wanted)[0]) == expected


def test_one_a_person_is_the_newest_that_counts():
    older = row(1, patient_id=7, study_date=date(2024, 1, 1))
    newer = row(2, patient_id=7)
    useless = row(3, patient_id=7, state=ReviewState.REJECTED, study_date=date(2025, 7, 1))
    other = row(4, patient_id=8, state=ReviewState.REJECTED)
    assert ids(one_a_person((useless, newer, older, other))) == [2, 4]
    unsigned_twin = row(5, patient_id=7, state=None)
    assert ids(one_a_person((unsigned_twin, newer))) == [2]


def test_the_words_say_who_counts_who_is_reviewed_and_who_is_left_out():
    rows = (row(1), row(2, state=None), row(3, patient_id=1, state=None), without_l3(4), without_l3(5))
    words = counting_words(rows)
    assert words == (f"Counted: 3 scans of 2 people; 2 of 3 are {NOT_REVIEWED}. Left out: 2 × L3 is not in the scan.")
    assert ids(counting(rows)) == [1, 2, 3]
    assert counting_words(rows[:1]) == f"Counted: 1 scan of 1 person; 0 of 1 are {NOT_REVIEWED}."
    assert counting_words(rows[3:]) == "Counted: none. Left out: 2 × L3 is not in the scan."


def test_what_was_not_read_is_said():
    rows = (row(1), row(2))
    assert read_words(Cohort(rows, 2, 2)) == "Read 2 scans of 2."
    assert read_words(Cohort(rows, 2, 9)) == "Read 2 scans of 9. 2 match the search."
    assert "Not all are shown: the newest 2 of 7,312" in read_words(Cohort(rows, 7312, 7312))


def test_age_is_what_the_images_say_else_completed_years():
    born, day = date(1960, 6, 2), date(2025, 6, 1)
    assert age_years(SeriesHeader(age_years=50.0), born, day) == 50.0
    assert age_years(SeriesHeader(), born, day) == 64.0
    assert age_years(SeriesHeader(), born, date(2025, 6, 2)) == 65.0
    assert age_years(SeriesHeader(), day, born) is None
    assert age_years(SeriesHeader(), None, day) is None


def test_a_row_of_the_table_has_units_version_and_review():
    told = table_row(row(3, sma=128.0, state=None))
    assert (told["SMA (cm²)"], told["SMI (cm²/m²)"], told["Counts"]) == (128.0, pytest.approx(50.0), "yes")
    assert (told["Version"], told["Review"]) == ("Version 1: AI", NOT_REVIEWED)
    assert table_row(row(3, stored=None))["Counts"] == "no measurement yet"
