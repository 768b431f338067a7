"""A researcher brings two masks of one scan, picks the muscle label of one, and reads and downloads the agreement."""

import csv
import re

import numpy as np
import pytest
from playwright.sync_api import expect

from sarcopenia.assessment.composition import muscle_mask
from sarcopenia.phantom import PhantomSpec, make_phantom
from tests.drawn_masks import nifti_mask

pytestmark = [pytest.mark.browser, pytest.mark.triton]

SPEC = PhantomSpec(seed=41, pixel_spacing_mm=1.5, shape_yx=(256, 288), slice_spacing_mm=6.0)


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(SPEC)


@pytest.fixture(scope="module")
def truth_zyx(phantom):
    return np.stack([muscle_mask(*each) for each in zip(phantom.volume.hu_zyx, phantom.compartments_zyx, strict=True)])


@pytest.fixture
def scan(measure, phantom):
    """The phantom's scan, measured by the running product."""
    return measure(phantom.volume)


def give(page, scan, mask, reader, muscle=None):
    """Choose the scan, bring the mask, say what it is and press; waits for the answer."""
    search = page.get_by_role("textbox", name="Search scans")
    search.fill(scan.header.series_instance_uid)
    search.press("Enter")
    chosen = page.get_by_test_id("stSelectbox").first.locator("input")
    expect(chosen).to_have_value(re.compile(rf"· scan {scan.scan_id}\b"), timeout=90_000)
    upload = {"name": mask.name, "mimeType": "application/octet-stream", "buffer": mask.content}
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(upload)
    if muscle is None:
        page.get_by_text("counts as muscle: the mask holds no other").wait_for()
    else:
        page.get_by_test_id("stMultiSelect").locator("input").click()
        page.get_by_role("option", name=muscle, exact=True).click()
        page.keyboard.press("Escape")
    page.get_by_role("textbox", name="Who drew it").fill(reader)
    page.get_by_test_id("stRadio").get_by_text("Yes, blind").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text(f"read by {reader}").wait_for()


def dice(left, right):
    return 2 * np.logical_and(left, right).sum() / (left.sum() + right.sum())


def test_two_masks_are_compared_and_exported(page, product, records, phantom, scan, truth_zyx, tmp_path, keep_picture):
    measured = scan.latest.measurement.slice_index
    page.goto(f"{product[1]}/agreement")
    give(page, scan, nifti_mask(phantom.volume, truth_zyx * 255), "Ann Lee")
    (first,) = records.readings.of_scan(scan.scan_id)
    ai_yx = records.measurements.arrays(scan.latest.measurement_id).slice.compartments.muscle_yx
    expected = dice(truth_zyx[measured], ai_yx)
    assert first.comparison.dice == pytest.approx(expected)
    page.get_by_text(f"Dice {expected:.3f}").first.wait_for()

    other = np.zeros_like(truth_zyx, np.uint8)
    other[measured + 1] = np.where(truth_zyx[measured + 1], 3, 1)
    give(page, scan, nifti_mask(phantom.volume, other), "Ben Roth", muscle="3")
    second = records.readings.of_scan(scan.scan_id)[1]
    assert (second.slice_index, second.measurement_id) == (measured + 1, None)
    masks = records.readings.masks(second.reading_id)
    assert np.array_equal(masks.reader_yx, truth_zyx[measured + 1])
    assert second.comparison.dice == pytest.approx(dice(truth_zyx[measured + 1], masks.ai_yx))
    assert second.comparison.dice > 0.9

    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
    page.screenshot(path=tmp_path / "agreement.png")
    keep_picture(tmp_path / "agreement.png", "agreement.png")
    with page.expect_download() as download:
        page.get_by_role("button", name="Readings (CSV)").click()
    with download.value.path().open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["scan_id"] == str(scan.scan_id)]
    assert [row["reader"] for row in rows] == ["Ann Lee", "Ben Roth"]
    assert [row["ai_mask"] for row in rows] == [
        f"measurement {scan.latest.measurement_id}",
        "outlined for this reading",
    ]
    assert [float(row["dice_0_to_1"]) for row in rows] == pytest.approx([expected, second.comparison.dice], abs=1e-6)
    assert all(row["ai_weights_sha256"].startswith("body_compartments ") for row in rows)
