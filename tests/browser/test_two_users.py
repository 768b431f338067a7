"""Two people at the same scan: whoever stores second is told in words, and keeps the strokes."""

from types import SimpleNamespace

import pytest

from sarcopenia.review import models_slice
from tests.browser import test_review_journey as journey
from tests.browser.conftest import give_name, muscle_pixel

pytestmark = [pytest.mark.browser, pytest.mark.triton]

scan_id = journey.scan_id
"""The scan of the single radiologist's journey."""


def open_as(page, address, scan_id, name):
    """Open the review of a scan under a name of one's own."""
    page.goto(f"{address}/review?scan={scan_id}")
    give_name(page, name)
    journey.wait_for_viewer(page, "!!viewer && viewer.memory.zoom > 0 && !!viewer.cache.grey")


def erase(page, x, y):
    """Take muscle away around a native pixel, and wait until the server has the stroke."""
    before = journey.sma_on(page)
    page.locator("canvas[data-part='canvas']").press("e")
    journey.drag(page, (x - 5, y), (x + 5, y))
    journey.wait_for_viewer(page, "viewer.sent === null && viewer.confirmedCount === 1")
    return journey.wait_for_sma(page, lambda sma: sma < before - 0.1)


@pytest.fixture
def people(page):
    """Pages of Ann and Ben, who sit at machines of their own."""
    ben = page.context.browser.new_context(viewport=page.viewport_size).new_page()
    ben.set_default_timeout(90_000)
    return SimpleNamespace(ann=page, ben=ben)


def test_the_second_to_store_is_refused_in_words_and_keeps_the_strokes(
    people, product, records, scan_id, tmp_path, keep_picture
):
    ann, ben, address = people.ann, people.ben, product[1]
    first = records.scans.get(scan_id).latest
    x, y = muscle_pixel(models_slice(records, first.measurement_id).compartments.muscle_yx)
    open_as(ann, address, scan_id, "Ann")
    open_as(ben, address, scan_id, "Ben")
    hers = erase(ann, x, y)
    erase(ben, x, y + 2)
    drafts = {author: records.drafts.get(first.measurement_id, author).strokes for author in ("Ann", "Ben")}
    assert drafts["Ann"] != drafts["Ben"]

    ann.reload()  # in the middle of it
    open_as(ann, address, scan_id, "Ann")
    ann.get_by_text("Draft, not stored yet").wait_for()
    assert journey.sma_on(ann) == hers

    ben.get_by_role("button", name="Store correction").click()
    ben.get_by_text("Draft, not stored yet").wait_for(state="detached")
    stored = records.scans.get(scan_id).latest
    assert (stored.author, stored.measurement.provenance.strokes) == ("Ben", drafts["Ben"])

    ann.get_by_role("button", name="Store correction").click()
    ann.get_by_text("has been corrected by somebody else").wait_for()
    ann.screenshot(path=tmp_path / "refused.png")
    keep_picture(tmp_path / "refused.png", "two_users.png")
    assert records.scans.get(scan_id).latest == stored
    assert records.drafts.get(first.measurement_id, "Ann").strokes == drafts["Ann"]

    ann.reload()
    open_as(ann, address, scan_id, "Ann")
    ann.get_by_text("This scan has been corrected by Ben while you were painting. Your strokes are kept.").wait_for()
    ann.get_by_role("button", name="Show my strokes instead").click()
    ann.get_by_text("Draft, not stored yet").wait_for()
    assert records.drafts.get(stored.measurement_id, "Ann").strokes == drafts["Ann"]
    assert journey.sma_on(ann) == hers
