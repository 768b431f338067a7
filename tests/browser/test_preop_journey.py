"""A surgeon enters an operation, reads the page, makes the report and reads the PDF that was downloaded."""

import io
from datetime import date, timedelta

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from dashboard.preop_view import UNSIGNED
from sarcopenia.phantom.demo import demo_studies
from sarcopenia.review import required_confirmations, sign
from tests.browser.conftest import give_name

pytestmark = [pytest.mark.browser, pytest.mark.triton]

LOSING = [study for study in demo_studies() if study.patient.patient_id == "DEMO-002"]
SOON = date.today() + timedelta(days=7)


def test_from_the_list_to_the_pdf(page, product, product_settings, records, measure, keep_picture, tmp_path):
    _, address = product
    first, last = (measure(study.phantom().volume) for study in (LOSING[0], LOSING[-1]))
    page.goto(f"{address}/preop")
    give_name(page, "Sue Surgeon")
    page.get_by_text("Enter an operation").click()
    page.get_by_role("textbox", name="Hospital number", exact=True).fill("DEMO-002")
    page.get_by_role("textbox", name="Surgeon", exact=True).fill("Dr S")
    page.get_by_test_id("stDateInput").get_by_role("spinbutton").first.click()
    page.keyboard.type(SOON.strftime("%Y%m%d"))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_test_id("stDataFrame").wait_for()
    (planned,) = records.operations.planned(date.today())
    assert (planned.plan.day, planned.patient_ids) == (SOON, (last.patient_id,))

    page.goto(f"{address}/preop?operation={planned.operation_id}")
    headline = page.get_by_role("heading", name="SMA").first
    headline.wait_for()
    assert UNSIGNED in headline.inner_text()
    confirmed = required_confirmations(last.latest.measurement)
    sign(records, product_settings, last.latest.measurement_id, confirmed, author="Dr R")
    page.reload()
    page.get_by_text("signed by Dr R").first.wait_for()
    area = last.latest.measurement.composition.sma_cm2
    assert f"SMA {area:.0f} ± " in headline.inner_text()
    assert "within measurement error" in page.locator("body").inner_text()
    page.locator("img[alt^='Axial CT slice with muscle mask']").wait_for()
    page.get_by_label("Your name").wait_for()
    page.screenshot(path=tmp_path / "preop.png", full_page=True)
    keep_picture(tmp_path / "preop.png", "preop.png")

    give_name(page, "Sue Surgeon")
    page.get_by_role("button", name="Make a report (PDF)").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="by Sue Surgeon (PDF)").first.click()
    pdf = waiting.value.path().read_bytes()
    (report,) = records.reports.of_patient(last.patient_id)
    assert records.reports.document(report.report_id) == pdf
    check_report(pdf, area, [first, last])


def check_report(pdf, area, scans):
    """The words, the slice with its mask, and the two points of the course."""
    document = PdfReader(io.BytesIO(pdf))
    words = [" ".join(page.extract_text().split()) for page in document.pages]
    assert len(words) == 2
    for expected in ("DEMO, Losing", "signed by Dr R", f"SMA {area:.0f} ± ", "not a diagnosis of sarcopenia"):
        assert expected in words[0]
    assert all(scan.study_date.isoformat() in words[1] for scan in scans)
    assert "within measurement error" in words[1]
    (picture,) = document.pages[0].images
    pixels = np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)
    orange = (pixels[..., 0] - pixels[..., 2] > 40).mean()
    assert 0.05 < orange < 0.5, "the mask of the muscle lies over the slice"
