"""The worklist page; choosing rows in the table itself is tested in a browser."""

from dataclasses import replace
from datetime import date

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.result_view import NOT_REVIEWED
from sarcopenia.domain.results import Verdict
from sarcopenia.domain.volume import PatientHeader
from sarcopenia.phantom import make_phantom
from sarcopenia.records import NewMeasurement, ReviewState, StoredArrays
from tests.app.conftest import SPEC

NOBODY = "nobody of that name"


def words(at):
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.success, *at.subheader]
    return "\n".join(str(part.value) for part in parts)


def rows(at):
    return at.dataframe[0].value


@pytest.fixture
def scan_ids(stack, phantom):
    """Two patients: the first needs a review by a flag, the second is accepted."""
    first = stack.measure(phantom, patient=PatientHeader("P-1", "H", "DOE^JANE"), study_date=date(2025, 1, 1)).scan_id
    other = make_phantom(replace(SPEC, seed=6))
    second = stack.measure(other, patient=PatientHeader("P-2", "H", "ROE^RICHARD"), study_date=date(2026, 1, 1)).scan_id
    store_again(stack, first, Verdict.REVIEW)
    store_again(stack, second, Verdict.ACCEPT)
    return first, second


def store_again(stack, scan_id, verdict):
    """A newer version with a verdict of the test's choice, and without a flag where it is accepted."""
    stored = stack.records.scans.get(scan_id).latest
    flags = stored.measurement.flags if verdict is Verdict.REVIEW else ()
    measurement = replace(stored.measurement, verdict=verdict, flags=flags)
    new = NewMeasurement(measurement, stored.level, StoredArrays(None, None, None), "test", None, stored.measurement_id)
    return stack.records.measurements.store(scan_id, new)


def test_without_scans_it_says_what_to_do(stack):
    assert "Upload one first" in words(stack.page("worklist"))


def test_the_list_has_the_worst_first_and_says_how_many_there_are(stack, scan_ids):
    at = stack.page("worklist")
    assert "Showing all 2 scans." in words(at)
    assert rows(at)["Patient"].tolist() == ["DOE, JANE", "ROE, RICHARD"]
    assert rows(at)["State"].tolist() == ["needs review", "new"]
    assert rows(at)["Reviewed"].tolist() == [NOT_REVIEWED, NOT_REVIEWED]
    assert rows(at)["Open"].tolist() == [f"review?scan={scan_id}" for scan_id in scan_ids]


def test_search_and_filters_narrow_the_list(stack, scan_ids):
    stack.records.reviews.add(
        stack.records.scans.get(scan_ids[1]).latest.measurement_id, ReviewState.SIGNED, author="Ann"
    )
    at = stack.page("worklist")
    at.text_input(key="search").set_value("roe").run()
    assert rows(at)["Patient"].tolist() == ["ROE, RICHARD"]
    assert "Showing 1 of 2 scans." in words(at)
    at.text_input(key="search").set_value("").run()
    at.multiselect(key="by").select("Ann").run()
    assert rows(at)["State"].tolist() == ["signed"]
    at.multiselect(key="by").unselect("Ann").run()
    at.date_input(key="to").set_value(date(2025, 6, 1)).run()
    assert rows(at)["Patient"].tolist() == ["DOE, JANE"]
    at.text_input(key="search").set_value(NOBODY).run()
    assert "No scan matches" in words(at)


def test_an_address_brings_the_filtered_list_back(stack, scan_ids):
    at = stack.page("worklist", state="new")
    assert rows(at)["Patient"].tolist() == ["ROE, RICHARD"]
    at = stack.page("worklist", search="doe")
    assert rows(at)["Patient"].tolist() == ["DOE, JANE"]


def test_the_listed_rows_are_there_as_csv(stack, scan_ids):
    at = stack.page("worklist")
    assert [button.label for button in at.download_button] == ["Listed rows (CSV)"]


def test_review_without_a_scan_points_to_the_list(stack):
    assert "Worklist page" in words(stack.page("review"))


def chosen_by(author, *scan_ids):
    """The part of the page for chosen rows, as a page of its own: AppTest cannot choose rows."""

    def script(author, scan_ids):
        from dashboard.components.work_list import show_chosen, show_work_list  # noqa: PLC0415
        from dashboard.services import get_services  # noqa: PLC0415

        services = get_services()
        show_work_list(services, author)
        chosen = [item for item in services.records.work_items.find() if item.scan_id in scan_ids]
        show_chosen(services, chosen, author)

    return AppTest.from_function(script, default_timeout=60, args=(author, scan_ids)).run()


def sign_button(at):
    return next(each for each in at.button if each.label == "Sign selected")


def test_selected_scans_are_signed_after_one_statement_and_the_rest_is_named(stack, scan_ids):
    flagged, accepted = scan_ids
    at = chosen_by("Ann", *scan_ids)
    assert sign_button(at).disabled
    at.checkbox[0].check().run()
    sign_button(at).click().run()
    assert not at.exception
    assert "Signed: 1." in words(at)
    assert "Not signed: 1." in words(at)
    codes = stack.records.scans.get(flagged).latest.measurement.flags
    assert f"[Scan {flagged}]" in words(at)
    assert codes or "verdict is review" in words(at)
    (review,) = stack.records.reviews.of_measurement(stack.records.scans.get(accepted).latest.measurement_id)
    assert (review.state, review.author) == (ReviewState.SIGNED, "Ann")
    assert "in bulk" in review.comment
    assert stack.records.scans.get(flagged).latest.review is None
    at.run()
    assert "Not signed" not in words(at)


def test_nobody_signs_in_bulk_without_name_or_permission(stack, scan_ids, monkeypatch):
    monkeypatch.setenv("SARCOPENIA_SIGNERS", "Ann")
    assert "Enter your name above first" in words(chosen_by("", *scan_ids))
    at = chosen_by("Ben", *scan_ids)
    assert "Ben may not sign" in words(at)
    assert at.checkbox[0].disabled
    assert sign_button(at).disabled
