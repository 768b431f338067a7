"""The cohort page: empty, one patient, several with and without height, filters, views and files."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from dashboard.result_view import NOT_REVIEWED
from sarcopenia.domain.volume import PatientHeader, Sex
from sarcopenia.records import ContextKind, ContextSource, NewContext, ReviewState
from tests.app.test_pages import texts

DAYS = (date(2025, 1, 10), date(2025, 7, 10))


def brighter(phantom, hu):
    """The same body as another series."""
    return replace(phantom, volume=replace(phantom.volume, hu_zyx=phantom.volume.hu_zyx + np.int16(hu)))


def header(number, sex, **changes):
    return {"patient": PatientHeader(f"P-{number}", "HOSPITAL", f"DOE^P{number}"), "sex": sex, **changes}


def table_with(at, column):
    return next(frame.value for frame in at.dataframe if column in frame.value)


def view(at, name):
    at.segmented_control(key="cohort-view").set_value(name).run()
    assert not at.exception, at.exception
    return at


def labels(at):
    return [button.label for button in at.get("download_button")]


@pytest.fixture
def jane(stack, phantom):
    """One woman with one scan that nobody has reviewed."""
    return stack.measure(phantom, **header(1, Sex.FEMALE, study_date=DAYS[0], age_years=64.0))


@pytest.fixture
def several(stack, phantom, chest, jane):
    """Jane twice, a man without height, and a chest without L3."""
    again = stack.measure(brighter(phantom, 1), **header(1, Sex.FEMALE, study_date=DAYS[1], age_years=64.0))
    man = stack.measure(
        brighter(phantom, 2), **header(2, Sex.MALE, study_date=DAYS[0], age_years=71.0, height_m=None, kvp=100.0)
    )
    without = stack.measure(chest, **header(3, Sex.MALE, study_date=DAYS[0], age_years=50.0))
    return jane, again, man, without


def test_without_scans_the_page_says_what_to_do(stack):
    assert "Upload one first" in texts(stack.page("cohort"))


def test_one_unsigned_patient_is_counted_and_named_unsigned(stack, jane):
    at = stack.page("cohort")
    said = texts(at)
    assert "Read 1 scan of 1." in said
    assert f"Counted: 1 scan of 1 person; 1 of 1 are {NOT_REVIEWED}." in said
    (chart,) = at.get("plotly_chart")
    assert chart.proto.alt in said
    groups = table_with(at, "Median SMI (cm²/m²)")
    stored = stack.records.measurements.get(jane.measurement_id).measurement.composition
    height = stack.records.contexts.for_scan(jane.scan_id).height.value
    assert list(groups["n"]) == [1]
    assert groups["Median SMI (cm²/m²)"].iloc[0] == round(stored.sma_cm2 / height**2, 1)
    assert groups["Age (years)"].iloc[0] == "60–69"


def test_the_newest_scan_of_each_person_is_shown_unless_all_are_asked_for(stack, several):
    at = view(stack.page("cohort"), "Table and export")
    rows = table_with(at, "Counts")
    assert sorted(rows["Scan"]) == sorted(job.scan_id for job in several[1:])
    assert "4 scans → one scan a person: 3" in texts(at)
    assert "Left out: 1 × L3 is not in the scan." in texts(at)
    at.segmented_control(key="cohort-scans").set_value("All").run()
    assert len(table_with(at, "Counts")) == 4
    link = table_with(at, "Counts")["Open"].iloc[0]
    assert link.endswith(f"review?scan={table_with(at, 'Counts')['Scan'].iloc[0]}")


def test_a_missing_height_is_said_and_an_entered_one_counts_at_once(stack, several):
    at = stack.page("cohort")
    assert "1 scan without SMI" in texts(at)
    assert set(table_with(at, "Median SMI (cm²/m²)")["Sex"]) == {"female"}
    height = NewContext(ContextKind.HEIGHT, 1.80, ContextSource.TYPED, DAYS[0])
    stack.records.contexts.add(several[2].patient_id, height, author="Ann")
    at.run()
    assert "without SMI" not in texts(at)
    assert set(table_with(at, "Median SMI (cm²/m²)")["Sex"]) == {"female", "male"}


def test_filters_narrow_the_cohort_step_by_step(stack, several):
    stack.records.reviews.add(several[1].measurement_id, ReviewState.SIGNED, author="Dr A")
    at = view(stack.page("cohort"), "Table and export")
    at.segmented_control(key="cohort-scans").set_value("All").run()
    at.multiselect(key="cohort-sex").set_value([Sex.FEMALE]).run()
    assert "4 scans → female: 2" in texts(at)
    at.segmented_control(key="cohort-review").set_value("Signed").run()
    assert "4 scans → signed: 1 → female: 1" in texts(at)
    assert list(table_with(at, "Counts")["Scan"]) == [several[1].scan_id]
    at.slider(key="cohort-age").set_value((70, 120)).run()
    assert "No scan matches" in texts(at)


def test_protocol_days_and_search_are_filters_too(stack, several):
    at = view(stack.page("cohort"), "Table and export")
    at.multiselect(key="cohort-protocol").set_value(["100 kV"]).run()
    assert list(table_with(at, "Counts")["Scan"]) == [several[2].scan_id]
    at.multiselect(key="cohort-protocol").set_value([]).run()
    at.date_input(key="cohort-from").set_value(date(2025, 2, 1)).run()
    assert list(table_with(at, "Counts")["Scan"]) == [several[1].scan_id]
    at.date_input(key="cohort-from").set_value(None).run()
    at.text_input(key="cohort-search").set_value("P-2").run()
    assert "Read 1 scan of 4. 1 match the search." in texts(at)
    at.text_input(key="cohort-search").set_value("nobody").run()
    assert "No scan matches" in texts(at)


def test_profiles_count_signed_numbers_unless_a_person_wants_all(stack, several):
    at = view(stack.page("cohort"), "Cut-off profiles")
    assert "Nobody has a signed number" in texts(at)
    at.toggle(key="cohort-unsigned").set_value(True).run()
    assert f"2 of 2 numbers are **{NOT_REVIEWED}**" in texts(at)
    assert "Which cut-off is chosen decides the answer: low muscle area or index from " in texts(at)
    table = table_with(at, "Below (%)")
    area = table[(table["Profile"] == "Matsubara 2015") & (table["Measure"] == "SMA")]
    assert list(area["Applies to (n)"]) == [2]
    assert "Prado 2008" in set(table_with(at, "Why it applies to nobody")["Profile"])
    assert len(at.get("plotly_chart")) == 1
    stack.records.reviews.add(several[0].measurement_id, ReviewState.SIGNED, author="Dr A")
    at.toggle(key="cohort-unsigned").set_value(False).run()
    assert "1 scan, one for each person" in texts(at)
    people = next(frame.value for frame in at.dataframe if list(frame.value.columns)[-1] == "Review")
    assert list(people["Scan"]) == [several[0].scan_id]


def test_the_scatter_has_its_exact_values_and_says_what_is_comparable(stack, several):
    at = view(stack.page("cohort"), "Area and density")
    assert "SMD is comparable within one contrast phase and tube voltage only. Here are 2: " in texts(at)
    markers = table_with(at, "SMD (HU)")
    assert len(markers) == 2
    (chart,) = at.get("plotly_chart")
    assert "SMD (HU) against SMA (cm²)" in chart.proto.alt


def test_files_name_people_only_when_asked_to(stack, jane):
    at = view(stack.page("cohort"), "Table and export")
    assert labels(at) == ["Data (CSV)", "Data and dictionary (XLSX)", "Data (Parquet)", "Dictionary (CSV)"]
    assert "pseudonymous, not anonymous" in texts(at)
    at.toggle(key="cohort-identifiers").set_value(True).run()
    assert "The files name patients and staff" in texts(at)


def test_the_change_between_two_dates(stack, several):
    at = view(stack.page("cohort"), "Change between two dates")
    assert f"Enter two dates. The scans that count are of {DAYS[0]} to {DAYS[1]}." in texts(at)
    at.date_input(key="change-from").set_value(DAYS[1]).run()
    at.date_input(key="change-to").set_value(DAYS[0]).run()
    assert "must lie before the second" in texts(at)
    at.date_input(key="change-from").set_value(DAYS[0]).run()
    at.date_input(key="change-to").set_value(DAYS[1]).run()
    assert "1 patient with a scan near both dates: 1 × within measurement error." in texts(at)
    assert "Left out: 1 × no scan near the second date." in texts(at)
    changes = table_with(at, "Outcome")
    assert list(changes["Days"]) == [181]
    first, second = (stack.records.measurements.get(job.measurement_id).measurement for job in several[:2])
    difference = second.composition.sma_cm2 - first.composition.sma_cm2
    assert changes["Difference (cm²)"].iloc[0] == pytest.approx(difference)
    assert labels(at) == ["Changes (CSV)", "Dictionary (CSV)"]


def test_without_a_scan_that_counts_every_view_says_so(stack, chest):
    stack.measure(chest, **header(3, Sex.MALE))
    at = stack.page("cohort")
    assert "Counted: none. Left out: 1 × L3 is not in the scan." in texts(at)
    for name, words in (
        ("SMI by sex and age", "No scan has an SMI"),
        ("Cut-off profiles", "Nobody has a signed number"),
        ("Area and density", "No scan has both"),
        ("Change between two dates", "No scan that counts has a date"),
    ):
        assert words in texts(view(at, name))
