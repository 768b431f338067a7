"""The report as a PDF: read back with another library, its text, its picture, its two pages."""

import io
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from sarcopenia.exchange.pdf_report import ReportContent, ReportPicture, ReportTable, pdf_report
from sarcopenia.exchange.pdf_trend import ReportTrend, TrendMark, trend_drawing


def picture_of(shade: int, shape_yx=(300, 450)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((*shape_yx, 3), shade, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


CONTENT = ReportContent(
    number="17",
    made="2026-05-04 10:00 UTC by Dr A",
    person=(("Patient", "Doe, Jane"), ("Born", "1956-01-02"), ("Operation", "Colorectal resection on 2026-05-20")),
    review="NOT REVIEWED",
    sentence="SMA 118 ± 6 cm² at L3.",
    statement="This is not a diagnosis of sarcopenia; not for treatment decisions.",
    picture=ReportPicture(picture_of(90), "Slice 51, middle of L3"),
    figures=ReportTable("Numbers", ("Measure", "Value"), (("SMA", "118.0 cm²"), ("SMI", "–"))),
    notes=("Review: spinal metal",),
    comparisons=ReportTable("Cut-off profiles", ("Profile", "Result"), (("Matsubara 2015", "not compared"),)),
    trend=ReportTrend(
        "SMA (cm²)",
        (
            TrendMark(date(2025, 5, 1), 124.0, 6.0, joined=False, signed=True),
            TrendMark(date(2026, 5, 1), 118.0, 6.0, joined=True, signed=False),
        ),
        "−6.0 cm² (−4.8 %): within measurement error.",
    ),
    evidence=ReportTable("Evidence", ("Outcome", "Effect"), (("Mortality", "OR 3.21 (2.01–5.11)"),)),
    provenance=ReportTable("Where the numbers come from", ("Fact", "Value"), (("Model", "body_compartments 2"),)),
)


def read(content: ReportContent) -> PdfReader:
    return PdfReader(io.BytesIO(pdf_report(content)))


def words(page) -> str:
    return " ".join(page.extract_text().split())


def test_it_has_two_pages_and_each_says_research_use_review_and_number():
    document = read(CONTENT)
    assert len(document.pages) == 2
    for number, page in enumerate(document.pages, start=1):
        text = words(page)
        assert "Research use only – not a medical device. NOT REVIEWED." in text
        assert f"Report 17 · 2026-05-04 10:00 UTC by Dr A · page {number} of 2" in text
    assert document.metadata.title == "Muscle at L3 on CT, report 17"


def test_every_word_of_the_content_stands_on_its_page():
    first, second = (words(page) for page in read(CONTENT).pages)
    for expected in ("Doe, Jane", "SMA 118 ± 6 cm² at L3.", "118.0 cm²", "• Review: spinal metal", "Matsubara 2015"):
        assert expected in first
    for expected in ("−6.0 cm² (−4.8 %)", "OR 3.21 (2.01–5.11)", "body_compartments 2", "2025-05-01", "124.0"):
        assert expected in second
    assert all(CONTENT.statement in text for text in (first, second))


def test_the_picture_is_in_the_file_as_it_was_given():
    (image,) = read(CONTENT).pages[0].images
    pixels = np.asarray(Image.open(io.BytesIO(image.data)).convert("RGB"))
    assert pixels.shape == (300, 450, 3)
    assert set(np.unique(pixels)) == {90}


def test_without_picture_trend_and_evidence_it_says_what_is_missing():
    document = read(replace(CONTENT, picture=None, trend=None, evidence=None))
    assert len(document.pages) == 2
    assert not list(document.pages[0].images)
    assert "There is no earlier scan to compare with." in words(document.pages[1])


def test_what_is_long_is_set_smaller_and_never_lost():
    rows = tuple((f"Outcome {number}", "a long effect " * 12) for number in range(40))
    document = read(replace(CONTENT, evidence=replace(CONTENT.evidence, rows=rows), notes=("a long note " * 30,) * 9))
    assert len(document.pages) == 2
    assert all(f"Outcome {number}" in words(document.pages[1]) for number in range(40))


@pytest.mark.parametrize("name", ["Şahin, Łucja", "Παπαδόπουλος", "Иванова", "山田^花子", "김민준", "<b>&amp;"])
def test_names_of_many_scripts_can_be_read_back(name):
    assert name in words(read(replace(CONTENT, person=(("Patient", name),))).pages[0])


def test_a_letter_that_no_font_has_is_a_question_mark_not_a_gap():
    assert "a?b" in words(read(replace(CONTENT, person=(("Patient", "a\N{ETHIOPIC SYLLABLE HA}b"),))).pages[0])


def test_marks_that_may_not_be_compared_are_not_joined():
    def joints(joined: bool) -> int:
        marks = (CONTENT.trend.marks[0], replace(CONTENT.trend.marks[1], joined=joined))
        return len(trend_drawing(replace(CONTENT.trend, marks=marks), 400).contents)

    assert joints(joined=True) == joints(joined=False) + 1


def test_a_scan_of_one_day_and_values_of_zero_can_be_drawn():
    marks = (TrendMark(date(2026, 5, 1), 0.0, 0.0, joined=False, signed=False),)
    assert len(read(replace(CONTENT, trend=replace(CONTENT.trend, marks=marks))).pages) == 2
