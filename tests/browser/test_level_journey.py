"""A radiologist moves L3 by a click on the scout, and picks one of two candidates where the count is ambiguous."""

from dataclasses import replace

import pytest

from dashboard.images import scout_height
from sarcopenia.domain.results import LevelRule, Verdict
from sarcopenia.phantom import PhantomSpec, make_phantom
from tests.browser.test_review_journey import open_review, sma_on, wait_for_sma

pytestmark = [pytest.mark.browser, pytest.mark.triton]

SPEC = PhantomSpec(seed=12, slice_spacing_mm=5.0, slice_thickness_mm=5.0, pixel_spacing_mm=2.4, shape_yx=(168, 192))


def slider(page):
    return page.locator("[data-part='scouts']")


def wait_for_slice(page, index):
    """Wait until the scouts, and with them the fragment, say that a slice is shown."""
    page.locator(f"[data-part='scouts'][aria-valuenow='{index}']").wait_for()
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()


def click_scout(page, scout, z_mm):
    figure = slider(page).locator("figure").first
    box = figure.bounding_box()
    figure.click(position={"x": box["width"] / 3, "y": box["height"] * scout_height(scout.z_mm, z_mm)})


def test_l3_is_moved_by_a_click_on_the_scout(page, product, records, measure, tmp_path, keep_picture):
    scan_id = measure(make_phantom(SPEC).volume).scan_id
    first = records.scans.get(scan_id).latest
    measured, measured_mm = first.measurement.slice_index, first.measurement.slice_z_mm
    scout = records.measurements.arrays(first.measurement_id).sagittal
    open_review(page, product[1], scan_id)
    wait_for_slice(page, measured)
    for name in ("L2", "L3", "L4"):
        assert slider(page).locator(".level", has_text=name).count() == 2  # on both pictures

    click_scout(page, scout, measured_mm + 3 * SPEC.slice_spacing_mm)
    wait_for_slice(page, measured + 3)
    slider(page).press("ArrowDown")
    wait_for_slice(page, measured + 2)
    page.get_by_role("button", name="1 to head", exact=True).click()
    wait_for_slice(page, measured + 3)
    page.get_by_text("Nearest vertebra as counted by the model").wait_for()
    page.screenshot(path=tmp_path / "level.png")
    keep_picture(tmp_path / "level.png", "level.png")

    page.get_by_role("button", name="Measure here").click()
    page.get_by_text("(middle of the body), chosen by a person").first.wait_for()
    moved = records.scans.get(scan_id).latest
    assert moved.measurement.slice_index == measured + 3
    assert moved.measurement.provenance.level_rule is LevelRule.PERSON
    assert moved.measurement.composition.sma_cm2 != pytest.approx(first.measurement.composition.sma_cm2, abs=0.1)
    wait_for_sma(page, lambda sma: sma == pytest.approx(moved.measurement.composition.sma_cm2, abs=0.051))


def test_one_of_two_candidates_is_picked(page, product, records, measure, tmp_path, keep_picture):
    scan_id = measure(make_phantom(replace(SPEC, lumbar_count=6, bottom_coordinate=19.5)).volume).scan_id
    first = records.scans.get(scan_id).latest
    assert first.measurement.verdict is Verdict.AMBIGUOUS_LEVEL
    _, second = first.level.candidates
    open_review(page, product[1], scan_id)
    page.get_by_text("Which slice shows L3?").wait_for()
    picks = page.get_by_role("button", name="Use this slice as L3")
    picks.nth(1).wait_for()
    page.screenshot(path=tmp_path / "candidates.png")
    keep_picture(tmp_path / "candidates.png", "candidates.png")

    picks.nth(1).click()
    page.get_by_text("Which slice shows L3?").wait_for(state="detached")
    page.get_by_text("L3 (middle of the body), chosen by a person").first.wait_for()
    picked = records.scans.get(scan_id).latest
    assert (picked.measurement.level, picked.measurement.slice_index) == ("L3", second.slice_index)
    assert picked.measurement.verdict is not Verdict.AMBIGUOUS_LEVEL
    assert sma_on(page) == pytest.approx(picked.measurement.composition.sma_cm2, abs=0.051)
