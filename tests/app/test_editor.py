"""The editor of the review page: previews on other slices, the previous scan beside, back to the AI's own mask."""

from dataclasses import replace
from datetime import date

import pytest

from dashboard.services import model_health
from sarcopenia.assessment.preview import outline_slice
from sarcopenia.domain.errors import ServerUnavailableError
from sarcopenia.domain.volume import PatientHeader
from sarcopenia.phantom import make_phantom
from sarcopenia.review import scan_volume, store_correction
from tests.app.conftest import SPEC
from tests.app.test_review_page import ERASE, button, open_scan, words


@pytest.fixture
def scan_id(stack, phantom):
    return stack.measure(phantom).scan_id


def toggle(at, label):
    return next(each for each in at.toggle if each.label == label)


def show_other_slice(stack, at, scan_id, steps):
    """Go to a slice as the viewer does; gives its index."""
    latest = stack.records.scans.get(scan_id).latest
    shown = latest.measurement.slice_index + steps
    at.session_state["shown_slice"] = [latest.measurement_id, shown]
    at.run()
    assert not at.exception
    return shown


def test_another_slice_is_outlined_on_request_and_told_apart(stack, scan_id):
    at = open_scan(stack, scan_id)
    measured = at.metric[0].value
    shown = show_other_slice(stack, at, scan_id, 2)
    assert "(preview)" not in words(at)
    toggle(at, "Outline other slices too").set_value(True).run()
    seen = outline_slice(scan_volume(stack.records, scan_id), stack.models, shown).composition
    assert f"Slice {shown}: SMA {seen.sma_cm2:.1f} cm² (preview)" in words(at)
    assert "Preview – not the measured slice" in words(at)
    assert at.metric[0].value == measured
    assert len(stack.records.measurements.of_scan(scan_id)) == 1
    show_other_slice(stack, at, scan_id, 0)
    assert "(preview)" not in words(at)


def test_without_the_models_there_is_a_sentence_and_scrolling_goes_on(stack, scan_id):
    at = open_scan(stack, scan_id)
    toggle(at, "Outline other slices too").set_value(True).run()
    stack.models.failure = ServerUnavailableError("The inference server does not answer.")
    for steps in (1, 2):
        shown = show_other_slice(stack, at, scan_id, steps)
        assert f"No outline on slice {shown}.** The inference server does not answer." in words(at)
    stack.models.failure = None
    model_health.clear()  # it is kept for some seconds
    shown = show_other_slice(stack, at, scan_id, 3)
    assert f"Slice {shown}: SMA" in words(at)


def test_the_previous_scan_is_shown_beside_on_request(stack, phantom):
    patient = PatientHeader("P-1", "HOSPITAL", "DOE^JANE")
    first = stack.measure(make_phantom(replace(SPEC, seed=6)), patient=patient, study_date=date(2025, 1, 1)).scan_id
    before = stack.records.scans.get(first).latest
    mended = store_correction(stack.records, before.measurement_id, [ERASE], author="Ben")
    scan_id = stack.measure(phantom, patient=patient, study_date=date(2026, 1, 1)).scan_id
    at = open_scan(stack, scan_id)
    assert "Previous scan:" not in words(at)
    toggle(at, "Previous scan beside").set_value(True).run()
    area = mended.measurement.composition.sma_cm2
    assert f"Previous scan: **2025-01-01** · **SMA {area:.1f} cm²** at L3" in words(at)
    assert "Version 2: mask mended by Ben · AI – not reviewed" in words(at)
    assert "This scan: **2026-01-01**" in words(at)


def test_the_first_scan_of_a_patient_has_none_beside(stack, scan_id):
    assert [each.label for each in open_scan(stack, scan_id).toggle] == ["Outline other slices too"]


def test_a_stored_correction_is_taken_back_to_the_ais_own_mask(stack, scan_id):
    first = stack.records.scans.get(scan_id).latest
    mended = store_correction(stack.records, first.measurement_id, [ERASE], author="Ben")
    stack.records.drafts.save(mended.measurement_id, "Ann Lee", [], on_revision=0)  # as "Reset to AI" does
    at = open_scan(stack, scan_id)
    assert at.metric[0].value == f"{first.measurement.composition.sma_cm2:.1f}"
    assert "all strokes are dropped" in words(at)
    button(at, "Store the AI's mask").click().run()
    latest = stack.records.scans.get(scan_id).latest
    assert (latest.parent_id, latest.author) == (mended.measurement_id, "Ann Lee")
    assert latest.measurement.provenance == first.measurement.provenance
    assert latest.muscle_sha256 == first.muscle_sha256
    assert "AI's own mask again, taken back by Ann Lee" in at.dataframe[-1].value["Version"].tolist()[-1]


def test_a_draft_that_changes_nothing_cannot_be_stored(stack, scan_id):
    first = stack.records.scans.get(scan_id).latest
    stack.records.drafts.save(first.measurement_id, "Ann Lee", [], on_revision=0)
    at = open_scan(stack, scan_id)
    assert button(at, "Store correction").disabled


def test_the_reasons_and_the_cov_stand_beside_the_picture(stack, scan_id):
    at = open_scan(stack, scan_id)
    measurement = stack.records.scans.get(scan_id).latest.measurement
    text = words(at)
    assert f"CoV of the SMA): **{measurement.uncertainty.sma_cov_percent:.1f} %**" in text
    assert "Limits of these weights: CoV of the SMA: review above 2.5 %" in text
    assert all(flag.text in text for flag in measurement.flags)
