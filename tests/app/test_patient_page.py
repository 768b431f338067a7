"""The patient page: change over time, events, history, and measuring again."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from sarcopenia.domain.errors import ServerUnavailableError
from sarcopenia.domain.volume import PatientHeader
from sarcopenia.inference.fake import FakeModelClient
from sarcopenia.records import EventKind, JobState, NewEvent, ReviewState
from sarcopenia.worker import Worker
from tests.app.test_pages import texts


class OtherWeights(FakeModelClient):
    """Models that give the same numbers under other hashes."""

    def identities(self):
        return tuple(replace(each, onnx_sha256="77" * 32) for each in super().identities())


def brighter(phantom, hu):
    """The same body as another series."""
    return replace(phantom, volume=replace(phantom.volume, hu_zyx=phantom.volume.hu_zyx + np.int16(hu)))


@pytest.fixture
def two_scans(stack, phantom, somebody):
    """Two comparable studies of one patient, half a year apart."""
    first = stack.measure(phantom, study_date=date(2025, 1, 10), **somebody)
    second = stack.measure(brighter(phantom, 1), study_date=date(2025, 7, 10), **somebody)
    return first, second


def table_with(at, column):
    return next(frame.value for frame in at.dataframe if column in frame.value)


def field(elements, label):
    return next(element for element in elements if element.label == label)


def test_the_trend_shows_every_scan_with_its_exact_numbers(stack, two_scans):
    at = stack.page("patient", scan=str(two_scans[1].scan_id))
    assert len(at.get("plotly_chart")) == 1
    table = table_with(at, "Since the scan before")
    assert list(table["Study date"]) == ["2025-01-10", "2025-07-10"]
    stored = stack.records.measurements.get(two_scans[1].measurement_id)
    assert table["SMA (cm²)"].iloc[1] == round(stored.measurement.composition.sma_cm2, 1)
    said = texts(at)
    assert "within measurement error" in said
    assert "No change per year" in said
    assert "1 repeat pair" in said


def test_every_measure_can_be_chosen(stack, two_scans):
    at = stack.page("patient", scan=str(two_scans[1].scan_id))
    for name in ("SMI", "SMD", "SAT", "VAT", "IMAT"):
        at.segmented_control(key="trend-measure").set_value(name).run()
        assert not at.exception
        assert any(column.startswith(f"{name} (") for column in table_with(at, "Since the scan before"))
        # The history below tells the height too.
        assert texts(at).count("one adult height") == (2 if name == "SMI" else 1)
    at.toggle(key="trend-zoom").set_value(True).run()
    assert not at.exception


def test_a_patient_without_a_usable_scan_says_why(stack, chest, somebody):
    job = stack.measure(chest, study_date=date(2025, 1, 10), **somebody)
    at = stack.page("patient", scan=str(job.scan_id))
    assert not at.get("plotly_chart")
    assert "L3 is not in the scan" in texts(at)


def test_an_event_is_added_shown_and_withdrawn(stack, two_scans):
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    field(at.text_input, "Your name").set_value("Dr A").run()
    field(at.date_input, "Day, or first day").set_value(date(2025, 7, 1))
    field(at.text_input, "Note").set_value("right hemicolectomy")
    field(at.button, "Add event").click().run()
    assert not at.exception
    (event,) = stack.records.events.of_patient(two_scans[0].patient_id)
    assert (event.kind, event.first_day, event.author) == (EventKind.OPERATION, date(2025, 7, 1), "Dr A")
    assert list(table_with(at, "Since the scan before")["Marks"]) == ["", "post-operative"]
    field(at.text_input, "Reason").set_value("another patient")
    field(at.button, "Withdraw event").click().run()
    assert not at.exception
    assert stack.records.events.of_patient(two_scans[0].patient_id)[0].withdrawn.reason == "another patient"
    assert table_with(at, "Withdrawn")["Withdrawn"].iloc[0].endswith("another patient")
    assert list(table_with(at, "Since the scan before")["Marks"]) == ["", ""]


def test_an_event_without_a_day_or_a_name_is_refused_in_words(stack, two_scans):
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    field(at.button, "Add event").click().run()
    assert "Enter the day" in texts(at)
    field(at.date_input, "Day, or first day").set_value(date(2025, 7, 1))
    field(at.button, "Add event").click().run()
    assert "needs the name" in texts(at)
    assert stack.records.events.of_patient(two_scans[0].patient_id) == ()


def test_an_event_of_the_records_reaches_the_page(stack, two_scans):
    new = NewEvent(EventKind.CHEMOTHERAPY, date(2025, 2, 1), date(2025, 3, 1), "FOLFOX")
    stack.records.events.add(two_scans[0].patient_id, new, author="Dr A")
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    assert any(expander.label.startswith("Events (1)") for expander in at.expander)
    assert list(table_with(at, "Withdrawn")["Note"]) == ["FOLFOX"]


def test_height_weight_and_bmi_stand_with_their_source(stack, two_scans, phantom):
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    assert "(DICOM" in table_with(at, "BMI (kg/m²)")["Height"].iloc[0]
    assert set(table_with(at, "Recorded (UTC)")["Source"]) == {"DICOM"}
    assert f"{phantom.header.height_m:.2f} m (DICOM, 2025-07-10)" in texts(at)


def test_the_download_holds_every_measure(stack, two_scans):
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    (button,) = at.get("download_button")
    assert button.label == "Download all measures (CSV)"


def test_other_models_offer_to_measure_again_and_the_line_joins(stack, two_scans):
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    assert not [button for button in at.button if button.key == "remeasure"]
    stack.models.__class__ = OtherWeights
    at.run()
    at.button(key="remeasure").click().run()
    assert not at.exception
    assert "2 to go" in texts(at)
    queued = [job for job in stack.records.jobs.recent() if job.state is JobState.QUEUED]
    assert len(queued) == 2
    worker = Worker(stack.records, stack.models)
    assert worker.run_once()
    assert worker.run_once()
    at.run()
    assert not [button for button in at.button if button.key == "remeasure"]
    assert list(table_with(at, "Since the scan before")["Version"]) == ["Version 2: AI", "Version 2: AI"]


def test_what_a_person_signed_is_not_measured_again(stack, two_scans):
    stack.records.reviews.add(two_scans[0].measurement_id, ReviewState.SIGNED, author="Dr A")
    stack.models.__class__ = OtherWeights
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    assert "signed, rejected or corrected the newest version: 2025-01-10" in texts(at)
    at.button(key="remeasure").click().run()
    (job,) = [job for job in stack.records.jobs.recent() if job.state is JobState.QUEUED]
    assert job.upload_id == stack.records.scans.get(two_scans[1].scan_id).upload_id


def test_a_server_that_is_down_leaves_the_trend(stack, two_scans):
    stack.models.failure = ServerUnavailableError("No Triton answers.")
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    assert len(at.get("plotly_chart")) == 1


def test_a_link_leads_to_its_own_patient_whoever_was_open(stack, two_scans, chest):
    other = stack.records.scans.get(stack.measure(chest, patient=PatientHeader("P-9", "HOSPITAL", "ROE^MARY")).scan_id)
    at = stack.page("patient", scan=str(two_scans[0].scan_id))
    at.query_params["scan"] = str(other.scan_id)
    at.run()
    assert at.header[0].value == "ROE, MARY"
