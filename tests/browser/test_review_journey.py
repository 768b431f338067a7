"""A radiologist mends a mask, reads the changed SMA, reloads in the middle, stores, moves the level and signs."""

import numpy as np
import pytest

from sarcopenia.assessment.correction import fold
from sarcopenia.domain.results import LevelRule
from sarcopenia.phantom.demo import demo_studies
from sarcopenia.records import ReviewState
from sarcopenia.review import models_slice
from tests.browser.conftest import give_name, muscle_pixel

pytestmark = [pytest.mark.browser, pytest.mark.triton]

NAME = "Ann Lee"


@pytest.fixture
def scan_id(measure):
    """A demo patient's scan, measured by the running product."""
    return measure(demo_studies()[1].phantom().volume).scan_id


def open_review(page, address, scan_id):
    page.goto(f"{address}/review?scan={scan_id}")
    page.locator("canvas[data-part='canvas']").wait_for()
    if page.get_by_label("Your name").count():
        give_name(page, NAME)
    wait_for_viewer(page, "!!viewer && viewer.memory.zoom > 0 && !!viewer.cache.grey")


def wait_for_viewer(page, expression):
    """Wait until an expression over ``viewer`` holds; the canvas lies in a shadow tree, which locators see into."""
    canvas = page.locator("canvas[data-part='canvas']")
    for _ in range(300):
        if canvas.count() and canvas.evaluate(f"canvas => {{ const viewer = canvas.viewer; return {expression}; }}"):
            return
        page.wait_for_timeout(100)
    raise AssertionError(expression)


def sma_on(page):
    metric = page.get_by_test_id("stMetric").filter(has_text="SMA (cm²)")
    return float(metric.get_by_test_id("stMetricValue").inner_text())


ON_SCREEN = """(canvas, [x, y]) => {
  const { view, rows, columns } = canvas.viewer.picture;
  const [row, column] = view.transpose ? [x, y] : [y, x];
  const u = view.flip_columns ? columns - 1 - column : column, v = view.flip_rows ? rows - 1 - row : row;
  const { a, d, e, f } = canvas.viewer.toScreen(), box = canvas.getBoundingClientRect();
  return [box.x + a * (u + 0.5) + e, box.y + d * (v + 0.5) + f];
}"""


def drag(page, *points_xy):
    """Paint along native pixels."""
    canvas = page.locator("canvas[data-part='canvas']")
    places = [canvas.evaluate(ON_SCREEN, list(point)) for point in points_xy]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def wait_for_sma(page, test):
    for _ in range(300):
        if test(sma_on(page)):
            return sma_on(page)
        page.wait_for_timeout(100)
    raise AssertionError(f"SMA on the page stays {sma_on(page)}")


def test_mend_reload_store_move_and_sign(page, product, records, scan_id, tmp_path, keep_picture):
    first = records.scans.get(scan_id).latest
    model = models_slice(records, first.measurement_id)
    open_review(page, product[1], scan_id)
    assert sma_on(page) == pytest.approx(first.measurement.composition.sma_cm2, abs=0.051)
    page.get_by_text("AI – not reviewed").first.wait_for()

    x, y = muscle_pixel(model.compartments.muscle_yx)
    page.locator("canvas[data-part='canvas']").press("e")
    drag(page, (x - 5, y), (x + 5, y))
    wait_for_viewer(page, "viewer.sent === null && viewer.confirmedCount === 1")
    shown = wait_for_sma(page, lambda sma: sma < first.measurement.composition.sma_cm2 - 0.1)
    draft = records.drafts.get(first.measurement_id, NAME)
    mended = fold(model.compartments, model.hu_yx, draft.strokes).muscle_yx
    assert shown == pytest.approx(mended.sum() * model.plane.pixel_area_mm2 / 100, abs=0.051)
    page.wait_for_timeout(500)
    page.screenshot(path=tmp_path / "review.png")
    keep_picture(tmp_path / "review.png", "review.png")

    page.reload()
    open_review(page, product[1], scan_id)
    page.get_by_text("Draft, not stored yet").wait_for()
    assert sma_on(page) == shown
    page.get_by_role("button", name="Store correction").click()
    page.get_by_text("Draft, not stored yet").wait_for(state="detached")
    corrected = records.scans.get(scan_id).latest
    assert (corrected.parent_id, corrected.author) == (first.measurement_id, NAME)
    assert np.array_equal(records.measurements.arrays(corrected.measurement_id).slice.compartments.muscle_yx, mended)

    wait_for_viewer(page, "!!viewer && viewer.memory.zoom > 0 && !!viewer.cache.grey")
    page.locator("canvas[data-part='canvas']").press("ArrowUp")
    page.get_by_role("button", name="Measure here").click()
    page.get_by_text("L3 (middle of the body), chosen by a person").first.wait_for()
    moved = records.scans.get(scan_id).latest
    assert moved.measurement.provenance.level_rule is LevelRule.PERSON
    assert moved.measurement.slice_index == first.measurement.slice_index + 1
    assert moved.parent_id == corrected.measurement_id

    # The form of the version before has a flag more; it stays on the page until the new one is drawn.
    page.get_by_test_id("stCheckbox").filter(has_text="mask_corrected").wait_for(state="detached")
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
    for box in page.get_by_test_id("stCheckbox").all():
        box.locator("label").click()
    page.get_by_role("button", name="Sign", exact=True).click()
    page.get_by_text(f"signed by {NAME}").first.wait_for()
    assert records.scans.get(scan_id).latest.review.state is ReviewState.SIGNED
    page.screenshot(path=tmp_path / "signed.png")
    keep_picture(tmp_path / "signed.png", "signed.png")
    page.goto(f"{product[1]}/worklist")
    page.get_by_test_id("stDataFrame").wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=tmp_path / "worklist.png")
    keep_picture(tmp_path / "worklist.png", "worklist.png")
