from datetime import date, timedelta

import pytest

from sarcopenia.domain.errors import ServerUnavailableError
from sarcopenia.domain.volume import PatientHeader, Sex
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.inference.contract import CONTRACTS, ModelSet
from sarcopenia.records import JobState

PAGES = ("upload", "review", "patient", "agreement", "system")


def texts(at):
    """Everything that the page says."""
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.subheader, at.header, at.title)
    return "\n".join(element.value for kind in kinds for element in kind)


def metric(at, name):
    return next(m.value for m in at.metric if m.label.startswith(name))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_that_it_is_for_research(stack, page):
    assert "Research use only – not a medical device" in texts(stack.page(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_and_says_so_when_the_server_is_down(stack, page):
    stack.models.failure = ServerUnavailableError("No Triton answers.")
    said = texts(stack.page(page))
    assert "The inference server is not available" in said
    assert "Research use only" in said


def test_an_empty_upload_page_says_what_to_do(stack):
    assert "Drop the folder" in texts(stack.page("upload"))


def test_uploaded_files_are_stored_and_followed(stack, phantom):
    stack.models_for(phantom)
    at = stack.page("upload")
    at.segmented_control(key="upload-way").set_value("Files, a .zip or NIfTI").run()
    files = [(file.name, file.content, "application/dicom") for file in ct_series_bytes(phantom.volume)]
    at.file_uploader[0].set_value(files).run()
    (job,) = stack.records.jobs.recent()
    assert job.state is JobState.QUEUED
    assert at.session_state["current_job_id"] == job.job_id
    assert stack.worker.run_once()
    at.run()
    assert not at.exception
    stored = stack.records.measurements.get(stack.records.jobs.status(job.job_id).measurement_id)
    assert metric(at, "SMA") == f"{stored.measurement.composition.sma_cm2:.1f}"


def test_a_result_shows_numbers_level_and_that_nobody_reviewed_it(stack, phantom):
    job = stack.measure(phantom)
    at = stack.page(scan=str(job.scan_id))
    stored = stack.records.measurements.get(job.measurement_id)
    assert metric(at, "SMA") == f"{stored.measurement.composition.sma_cm2:.1f}"
    assert metric(at, "SMI") == f"{stored.measurement.composition.sma_cm2 / phantom.header.height_m**2:.1f}"
    said = texts(at)
    assert "AI – not reviewed" in said
    assert "middle of L3" in said
    assert len(at.get("image")) == 3


def test_a_missing_height_is_asked_for_and_then_used(stack, phantom, somebody):
    job = stack.measure(phantom, height_m=None, study_date=date(2025, 3, 1), **somebody)
    at = stack.page(scan=str(job.scan_id))
    assert metric(at, "SMI") == "–"
    assert any("Please enter height" in expander.label for expander in at.expander)
    at.number_input[0].set_value(165.0)
    at.button[0].click().run()
    sma = float(metric(at, "SMA"))
    assert float(metric(at, "SMI")) == pytest.approx(sma / 1.65**2, abs=0.06)
    context = stack.records.contexts.for_scan(job.scan_id)
    assert context.height.source.value == "typed"


def test_profiles_stay_blank_without_a_sex(stack, phantom):
    job = stack.measure(phantom, sex=Sex.UNKNOWN, patient=PatientHeader("P-9", "H", "DOE^SAM"))
    at = stack.page(scan=str(job.scan_id))
    table = next(frame.value for frame in at.dataframe if "Distance" in frame.value)
    assert set(table["Distance"]) == {"–"}
    assert table["Result"].str.contains("sex").all()


def test_a_scan_without_l3_is_told_as_a_finding(stack, chest):
    job = stack.measure(chest)
    assert job.state is JobState.DONE
    at = stack.page(scan=str(job.scan_id))
    assert "L3 is not in this scan" in texts(at)
    assert not at.metric


def test_a_job_that_found_no_server_keeps_its_upload_and_is_retried(stack, phantom):
    job_id = stack.submit(phantom)
    stack.models.failure = ServerUnavailableError("No Triton answers.")
    for _ in range(stack.settings.max_attempts):
        assert stack.worker.run_once()
        stack.later += timedelta(hours=1)
    at = stack.page("upload")
    at.session_state["current_job_id"] = job_id
    at.run()
    assert "No Triton answers." in texts(at)
    stack.models.failure = None
    at.button(key=f"retry-{job_id}").click().run()
    assert not at.exception
    assert stack.worker.run_once()
    at.run()
    assert stack.records.jobs.status(job_id).state is JobState.DONE
    assert float(metric(at, "SMA")) > 0


def test_unreadable_files_are_refused_in_words(stack):
    job_id = stack.records.uploads.submit([("notes.txt", b"hello")], source="test").job_id
    stack.worker.run_once()
    at = stack.page("upload")
    at.session_state["current_job_id"] = job_id
    at.run()
    assert "DICOM" in texts(at)
    assert not any(button.label == "Retry" for button in at.button)


def test_an_identity_question_is_asked_and_answered(stack, phantom, chest, somebody):
    stack.measure(phantom, **somebody)
    other = PatientHeader("P-1", "HOSPITAL", "ROE^RICHARD")
    job_id = stack.submit(chest, patient=other, sex=Sex.MALE)
    stack.worker.run_once()
    assert stack.records.jobs.status(job_id).state is JobState.QUESTION
    at = stack.page("upload")
    at.session_state["current_job_id"] = job_id
    at.run()
    said = texts(at)
    assert "Is this the same patient?" in said
    assert "DOE^JANE" in said
    assert "ROE^RICHARD" in said
    at.button(key=f"different-{job_id}").click().run()
    assert not at.exception
    assert stack.worker.run_once()
    assert stack.records.jobs.status(job_id).state is JobState.DONE
    assert len(stack.records.patients.search("")) == 2


def test_the_same_series_again_is_recognised(stack, phantom):
    first = stack.measure(phantom)
    second = stack.measure(phantom)
    assert second.measurement_id == first.measurement_id
    at = stack.page("upload")
    at.session_state["current_job_id"] = second.job_id
    at.run()
    assert "measured before" in texts(at)


def test_patients_are_listed_and_searched(stack, phantom, chest, somebody):
    stack.measure(phantom, **somebody)
    stack.measure(chest, patient=PatientHeader("P-2", "HOSPITAL", "ROE^RICHARD"))
    at = stack.page("patient")
    assert list(at.dataframe[0].value["Name"]) != []
    at.text_input(key="patient-search").set_value("jane").run()
    assert list(at.dataframe[0].value["Patient ID"]) == ["P-1"]
    at.text_input(key="patient-search").set_value("nobody of that name").run()
    assert "No patient matches" in texts(at)


LABEL = "pattern classifier trained on simulated muscle loss; not independent of the measurement"


def everything(at):
    """What the page says, expanders and tables too."""
    labels = [expander.label for expander in at.expander]
    return "\n".join([texts(at), *labels, *(frame.value.to_string() for frame in at.dataframe)]).lower()


def test_without_research_there_is_no_trace_of_the_classifier(stack, phantom):
    job = stack.measure(phantom)
    assert stack.records.measurements.pattern(job.measurement_id) is None
    for at in (stack.page(scan=str(job.scan_id)), stack.page("patient", scan=str(job.scan_id)), stack.page("system")):
        assert "classifier" not in everything(at)
        assert "attention" not in everything(at)


def test_with_research_the_classifier_is_shown_as_what_it_is(research, stack, phantom):
    job = stack.measure(phantom)
    pattern = stack.records.measurements.pattern(job.measurement_id)
    for _ in range(2):  # the second page is a refresh: nothing is computed in it
        at = stack.page(scan=str(job.scan_id))
        assert [LABEL in expander.label for expander in at.expander].count(True) == 1
        said = texts(at)
        assert f"{100 * pattern.low_muscle_probability:.0f} %" in said
        assert "Experimental" in said
        table = next(frame.value for frame in at.dataframe if "Attention (%)" in frame.value)
        assert list(table["Slice (from the feet)"]) == list(pattern.slice_indices)
    weights = next(frame.value for frame in stack.page("system").dataframe if "ONNX SHA-256" in frame.value)
    assert "sarcopenia_classifier" in set(weights["Model"])


def test_a_scan_from_before_research_says_how_to_ask(research, stack, phantom):
    stack.models._models = ModelSet()
    job = stack.measure(phantom)
    at = stack.page(scan=str(job.scan_id))
    assert "upload it again" in texts(at)
    stack.models._models = stack.settings.models
    again = stack.measure(phantom)
    assert stack.records.measurements.pattern(again.measurement_id) is not None


def test_the_system_page_shows_models_weights_and_jobs(stack, phantom):
    job = stack.measure(phantom)
    at = stack.page("system")
    frames = [frame.value for frame in at.dataframe]
    health = next(frame for frame in frames if "Latency (ms)" in frame)
    assert list(health["State"]) == ["answers"] * len(CONTRACTS)
    weights = next(frame for frame in frames if "ONNX SHA-256" in frame)
    assert list(weights["Model"]) == [contract.name for contract in CONTRACTS]
    jobs = next(frame for frame in frames if "Job" in frame)
    assert list(jobs["Job"]) == [job.job_id]
    assert list(jobs["State"]) == ["done"]
