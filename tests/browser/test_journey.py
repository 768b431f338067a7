"""A person uploads a series and reads the SMA; the page, the records and the command line say the same number."""

import json
import subprocess
import sys

import pytest

from sarcopenia.exchange.ct_writer import CtWriteOptions, write_ct_series
from sarcopenia.phantom.demo import demo_studies
from sarcopenia.records import open_records

pytestmark = [pytest.mark.browser, pytest.mark.triton]


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Folder with a demo patient's DICOM series; files have no extension."""
    folder = tmp_path_factory.mktemp("series")
    write_ct_series(demo_studies()[0].phantom().volume, folder, CtWriteOptions(is_phantom=True))
    return folder


def sma_on(page):
    """Number that the page shows for SMA."""
    metric = page.get_by_test_id("stMetric").filter(has_text="SMA (cm²)")
    return float(metric.get_by_test_id("stMetricValue").inner_text())


def upload(page, folder):
    page.get_by_text("Files, a .zip or NIfTI").click()
    page.get_by_text(".nii.gz").wait_for()
    # The folder's uploader stays on the page until the new one is drawn.
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for()
    page.wait_for_function("document.querySelectorAll(\"[data-testid='stFileUploaderDropzone']\").length === 1")
    with page.expect_file_chooser() as chooser:
        page.get_by_test_id("stFileUploaderDropzone").click()
    chooser.value.set_files(sorted(folder.iterdir()))
    page.get_by_text("Where this number comes from").wait_for()


def wait_for_pictures(page):
    """Slice, both scouts and the table are drawn."""
    drawn = "() => document.images.length >= 3 && [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    page.wait_for_function(drawn)
    page.locator("[data-testid='stDataFrame'] canvas").first.wait_for()


def test_upload_measure_trend_and_the_same_number_everywhere(
    page, series, product, product_settings, tmp_path, keep_picture
):
    upload(page, series)
    shown = sma_on(page)
    page.get_by_text("Research use only – not a medical device").first.wait_for()
    wait_for_pictures(page)
    picture = tmp_path / "result.png"
    page.screenshot(path=picture)
    keep_picture(picture, "upload.png")
    scan_id = int(page.url.split("scan=")[1])
    with open_records(product_settings) as records:
        stored = records.scans.get(scan_id).latest.measurement
    assert shown == pytest.approx(stored.composition.sma_cm2, abs=0.05)

    environment, address = product
    command = [sys.executable, "-m", "sarcopenia", "assess", str(series), "--json"]
    told = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=180)
    assert json.loads(told.stdout)["sma_cm2"] == pytest.approx(stored.composition.sma_cm2, abs=1e-6)

    page.goto(f"{address}/patient?scan={scan_id}")
    page.get_by_test_id("stPlotlyChart").first.wait_for()
    assert page.get_by_test_id("stPlotlyChart").count() == 1
    page.get_by_text("Where this number comes from").wait_for()
    assert sma_on(page) == shown


def test_a_refresh_keeps_the_result(page, series):
    upload(page, series)
    shown = sma_on(page)
    page.reload()
    page.get_by_text("Where this number comes from").wait_for()
    assert sma_on(page) == shown
