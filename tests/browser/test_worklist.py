"""Rows of the worklist are chosen, opened and signed together, and the filtered list has an address."""

import pytest

from sarcopenia.domain.results import Verdict
from sarcopenia.phantom.demo import demo_studies
from sarcopenia.records import ReviewState
from tests.browser.conftest import give_name

pytestmark = [pytest.mark.browser, pytest.mark.triton]

ROW_PX = 35
MIDDLE_PX = 18


def wait_until_idle(page):
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()


def click_cell(page, x, row):
    """Click into the table, which is a canvas: row 0 is the header, the boxes of the rows stand at its left."""
    table = page.get_by_test_id("stDataFrame").first  # what came of signing together stands in a second one
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    page.mouse.click(box["x"] + x, box["y"] + MIDDLE_PX + row * ROW_PX)
    wait_until_idle(page)


def test_filter_sign_together_and_open(page, product, records, measure, tmp_path, keep_picture):
    scan = measure(demo_studies()[2].phantom().volume)
    assert scan.latest.measurement.verdict is Verdict.ACCEPT
    series_uid = scan.header.series_instance_uid
    page.goto(f"{product[1]}/worklist?search={series_uid}")
    give_name(page, "Ann")
    page.get_by_test_id("stDataFrame").wait_for()
    assert page.get_by_label("Search by patient").input_value() == series_uid
    click_cell(page, MIDDLE_PX, 0)
    page.get_by_text("I have looked at level, mask, sex and height of each.").click()
    page.get_by_role("button", name="Sign selected").click()
    page.get_by_text("igned: ").first.wait_for()
    page.screenshot(path=tmp_path / "bulk.png")
    keep_picture(tmp_path / "bulk.png", "bulk.png")
    review = records.scans.get(scan.scan_id).latest.review
    assert (review.state, review.author) == (ReviewState.SIGNED, "Ann")
    click_cell(page, MIDDLE_PX, 1)
    page.get_by_test_id("stCode").get_by_text(f"/review?scan={scan.scan_id}").wait_for()
    page.get_by_role("button", name="Open scan").click()
    page.get_by_role("heading", name="Versions").wait_for()
    assert page.url.endswith(f"/review?scan={scan.scan_id}")
    assert page.get_by_label("Your name").count() == 0  # the same session: nobody is asked again
