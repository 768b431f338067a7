"""The worker: from an upload to a stored measurement, whatever happens on the way."""

import io
import os
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sarcopenia.assessment import AssessmentOptions, Stage
from sarcopenia.domain.errors import NoBodyError, RecordError, ServerUnavailableError
from sarcopenia.domain.volume import Sex
from sarcopenia.exchange.ct_writer import ct_series_bytes
from sarcopenia.inference.fake import FakeModelClient, known_spine
from sarcopenia.phantom import PhantomSpec, make_phantom
from sarcopenia.records import JobState, JobStatus, Records, open_records
from sarcopenia.worker import KNOWN_SERIES, MEASURED_BEFORE, Worker, request_key
from tests.unit.records.samples import Clock, make_arrays, make_level, make_measurement
from tests.unit.worker_samples import ScriptedAssessor, series_files, settings_in

ROOT = Path(__file__).resolve().parents[2]
JANE = {"patient_id": "4711", "name": "DOE^JANE", "sex": Sex.FEMALE, "birth_date": date(1950, 5, 17)}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(tmp_path: Path, clock: Clock) -> Iterator[Records]:
    with open_records(settings_in(tmp_path), clock) as opened:
        yield opened


def submit(records: Records, files: list[tuple[str, bytes]] | None = None) -> int:
    return records.uploads.submit(files or series_files(**JANE), source="test").job_id


def worker_of(records: Records, assessor: object = None, models: object = None) -> Worker:
    return Worker(records, models or FakeModelClient(), assessor=assessor or ScriptedAssessor())


def work_off(records: Records, assessor: object = None, models: object = None) -> JobStatus:
    """Do the one job that waits."""
    assert worker_of(records, assessor, models).run_once()
    return records.jobs.recent(1)[0]


def test_upload_becomes_a_stored_measurement(records: Records) -> None:
    submit(records, series_files(**JANE, study_date=date(2024, 1, 1)))
    status = work_off(records)
    assert (status.state, status.note, status.failure) == (JobState.DONE, "", None)
    stored = records.measurements.get(status.measurement_id)
    assert (stored.measurement, stored.level) == (make_measurement(), make_level())
    scan = records.scans.get(status.scan_id)
    assert (scan.latest, scan.slice_count, scan.study_date) == (stored, 6, date(2024, 1, 1))
    assert records.patients.get(status.patient_id).display_name == "DOE, JANE"
    pictures = records.measurements.arrays(status.measurement_id)
    np.testing.assert_array_equal(pictures.slice.hu_yx, make_arrays().slice.hu_yx)
    np.testing.assert_array_equal(pictures.sagittal.z_mm, make_arrays().sagittal.z_mm)


def test_idle_worker_says_so(records: Records) -> None:
    assert not worker_of(records).run_once()


def test_every_stage_can_be_watched(records: Records) -> None:
    job_id = submit(records)
    seen = []
    work_off(records, ScriptedAssessor(lambda stage: seen.append(records.jobs.status(job_id).stage)))
    assert [(stage.stage, stage.index, stage.total) for stage in seen] == [
        (stage.value, index, 5) for index, stage in enumerate(Stage, start=1)
    ]


def test_real_assessment_with_scripted_models_is_stored(records: Records) -> None:
    spec = PhantomSpec(seed=5, pixel_spacing_mm=3.0, shape_yx=(112, 144), slice_spacing_mm=6.0, noise_sd_hu=6.0)
    phantom = make_phantom(spec)
    spine = known_spine(phantom.volume.geometry.slice_z_mm, phantom.vertebral_coordinate_z)
    submit(records, [(file.name, file.content) for file in ct_series_bytes(phantom.volume)])
    assert Worker(records, FakeModelClient(spine=spine)).run_once()
    status = records.jobs.recent(1)[0]
    stored = records.measurements.get(status.measurement_id)
    muscle_yx = records.measurements.arrays(status.measurement_id).slice.compartments.muscle_yx
    assert stored.measurement.level == "L3"
    assert stored.measurement.composition.sma_cm2 == pytest.approx(muscle_yx.sum() * 9 / 100)


def test_finding_without_l3_ends_done(records: Records) -> None:
    submit(records)
    status = work_off(records, ScriptedAssessor(found_l3=False))
    assert status.state is JobState.DONE
    assert records.measurements.arrays(status.measurement_id).slice is None


def zipped(files: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            archive.writestr(f"study/{name}", content)
    return [("study.zip", buffer.getvalue())]


@pytest.mark.parametrize(
    "again", [lambda files: files, lambda files: files[::-1], zipped], ids=["same", "order", "zip"]
)
def test_series_that_comes_again_is_recognised_and_not_measured_again(records: Records, again) -> None:
    submit(records)
    first = work_off(records)
    submit(records, again(series_files(**JANE)))
    assessor = ScriptedAssessor()
    second = work_off(records, assessor)
    assert assessor.runs == 0
    assert second.job_id != first.job_id
    assert (second.scan_id, second.measurement_id) == (first.scan_id, first.measurement_id)
    assert (second.state, second.note) == (JobState.DONE, MEASURED_BEFORE)


class NewerModels(FakeModelClient):
    """The same models with other weights."""

    def identities(self):
        return tuple(replace(identity, onnx_sha256="e" * 64) for identity in super().identities())


def test_known_series_is_measured_again_by_newer_models(records: Records) -> None:
    submit(records)
    first = work_off(records)
    submit(records)
    second = work_off(records, models=NewerModels())
    assert second.scan_id == first.scan_id
    assert second.measurement_id != first.measurement_id
    assert second.note == KNOWN_SERIES


def test_request_key_depends_on_series_weights_and_options_only() -> None:
    models = FakeModelClient().identities()
    key = request_key("a", models, AssessmentOptions())
    assert key == request_key("a", models[::-1], AssessmentOptions())
    others = [
        request_key("b", models, AssessmentOptions()),
        request_key("a", NewerModels().identities(), AssessmentOptions()),
        request_key("a", models, AssessmentOptions(slice_choice=3)),
        request_key("a", models, AssessmentOptions(vat_range_hu=(-190, -30))),
    ]
    assert len({key, *others}) == 5


def test_unreadable_upload_fails_for_good_and_is_kept(records: Records) -> None:
    receipt = records.uploads.submit([("letter.txt", b"Dear colleague")], source="test")
    status = work_off(records)
    assert (status.state, status.failure.retriable) == (JobState.FAILED, False)
    assert status.failure.title
    assert status.failure.next_step
    assert records.uploads.read(receipt.upload_id) == (("letter.txt", b"Dear colleague"),)


def test_scan_without_a_body_fails_with_the_words_of_the_assessment(records: Records) -> None:
    def no_body(stage: Stage) -> None:
        raise NoBodyError("There is nothing on the slice.")

    submit(records)
    failure = work_off(records, ScriptedAssessor(no_body)).failure
    assert (failure.code, failure.message) == ("no_body", "There is nothing on the slice.")


def test_server_that_is_down_is_tried_again_later_and_then_answers(records: Records, clock: Clock) -> None:
    submit(records)
    models = FakeModelClient(failure=ServerUnavailableError("No inference server answers."))
    status = work_off(records, models=models)
    assert (status.state, status.failure.code) == (JobState.QUEUED, "server_unavailable")
    assert status.next_attempt_at > clock()
    assert status.scan_id is not None
    assert not worker_of(records).run_once()
    clock.time = status.next_attempt_at
    models.failure = None
    status = work_off(records, models=models)
    assert (status.state, status.note, status.failure) == (JobState.DONE, "", None)


def test_server_that_stays_down_fails_the_job_until_a_person_retries(records: Records, clock: Clock) -> None:
    job_id = submit(records)
    models = FakeModelClient(failure=ServerUnavailableError("No inference server answers."))
    while (status := work_off(records, models=models)).state is JobState.QUEUED:
        clock.time = status.next_attempt_at
    assert (status.state, status.attempt, status.failure.retriable) == (JobState.FAILED, 3, True)
    records.jobs.retry(job_id, author="Dr A")
    assert work_off(records).state is JobState.DONE


def test_unforeseen_error_fails_the_job_without_its_details(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    def break_down(stage: Stage) -> None:
        raise ZeroDivisionError("secret detail")

    submit(records)
    status = work_off(records, ScriptedAssessor(break_down))
    assert (status.state, status.failure.retriable) == (JobState.FAILED, True)
    assert "secret" not in f"{status.failure}"
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("same_person", [True, False])
def test_contradicting_identity_asks_and_goes_on_with_the_answer(records: Records, *, same_person: bool) -> None:
    submit(records)
    known = work_off(records)
    job_id = submit(records, series_files(fill_hu=60, **JANE | {"sex": Sex.MALE}))
    asked = work_off(records)
    assert (asked.job_id, asked.state, asked.question.known_patient_id) == (job_id, JobState.QUESTION, known.patient_id)
    assert not worker_of(records).run_once()
    records.jobs.answer_identity(job_id, same_person=same_person, author="Dr A")
    answered = work_off(records)
    assert answered.state is JobState.DONE
    assert (answered.patient_id == known.patient_id) is same_person


def test_lease_is_renewed_while_a_stage_takes_long(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(records)
    beaten = threading.Event()
    heartbeat = records.queue.heartbeat
    monkeypatch.setattr(records.queue, "heartbeat", lambda lease: (heartbeat(lease), beaten.set()))
    renewed = []
    worker = Worker(
        records, FakeModelClient(), lease_s=0.2, assessor=ScriptedAssessor(lambda _: renewed.append(beaten.wait(60)))
    )
    assert worker.run_once()
    assert all(renewed)
    assert records.jobs.recent(1)[0].state is JobState.DONE


def test_worker_whose_job_was_taken_over_leaves_it_to_the_other(records: Records, clock: Clock) -> None:
    submit(records)

    def sleep_too_long(stage: Stage) -> None:
        clock.advance(61)
        assert records.queue.claim_next("other", 60.0) is not None

    assert worker_of(records, ScriptedAssessor(sleep_too_long)).run_once()
    status = records.jobs.recent(1)[0]
    assert (status.state, status.attempt, status.measurement_id) == (JobState.RUNNING, 2, None)


def test_worker_that_is_asked_to_stop_hands_its_job_back(records: Records) -> None:
    submit(records)
    stop = threading.Event()
    assessor = ScriptedAssessor(lambda stage: stop.set())
    worker_of(records, assessor).run_forever(stop)
    status = records.jobs.recent(1)[0]
    assert (status.state, status.attempt, assessor.runs) == (JobState.QUEUED, 0, 1)


def test_worker_outlives_records_that_do_not_answer_for_a_while(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(records)
    stop = threading.Event()
    claim_next, calls = records.queue.claim_next, []

    def claim(owner: str, lease_s: float):
        calls.append(owner)
        if len(calls) == 1:
            raise RecordError("The database did not answer.")
        return claim_next(owner, lease_s)

    monkeypatch.setattr(records.queue, "claim_next", claim)
    assessor = ScriptedAssessor(lambda stage: stop.set() if stage is Stage.MEASURE else None)
    Worker(records, FakeModelClient(), poll_s=0.01, assessor=assessor).run_forever(stop)
    assert records.jobs.recent(1)[0].state is JobState.DONE


CHILD = """
import os, signal, sys, threading
from pathlib import Path
from sarcopenia.assessment import Stage
from sarcopenia.inference.fake import FakeModelClient
from sarcopenia.records import open_records
from sarcopenia.worker import Worker, run_until_signalled
from tests.unit.records.samples import Clock
from tests.unit.worker_samples import ScriptedAssessor, settings_in

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

records = open_records(settings_in(Path(sys.argv[1])), Clock())
"""


def start_child(folder: Path, body: str) -> subprocess.Popen[str]:
    """Start a worker process of its own on the records in the folder."""
    command = [sys.executable, "-c", CHILD + textwrap.dedent(body), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("stage", [Stage.PROJECT, Stage.MEASURE])
def test_job_of_a_killed_worker_process_is_done_by_another(
    records: Records, clock: Clock, tmp_path: Path, stage: Stage
) -> None:
    submit(records)
    child = start_child(
        tmp_path,
        f"Worker(records, FakeModelClient(), assessor=ScriptedAssessor("
        f"lambda stage: die() if stage == {stage.value!r} else None)).run_once()",
    )
    _, errors = child.communicate(timeout=120)
    assert child.returncode == -signal.SIGKILL, errors
    assert not worker_of(records).run_once()
    assert records.jobs.recent(1)[0].stage.stage == stage.value
    clock.advance(61)
    status = work_off(records)
    assert (status.state, status.attempt, status.note) == (JobState.DONE, 2, "")


def test_worker_killed_between_storing_and_finishing_leaves_one_measurement(
    records: Records, clock: Clock, tmp_path: Path
) -> None:
    submit(records)
    child = start_child(
        tmp_path,
        """
        records.queue.finish = die
        Worker(records, FakeModelClient(), assessor=ScriptedAssessor()).run_once()
        """,
    )
    _, errors = child.communicate(timeout=120)
    assert child.returncode == -signal.SIGKILL, errors
    clock.advance(61)
    assessor = ScriptedAssessor()
    status = work_off(records, assessor)
    assert (status.state, status.note, assessor.runs) == (JobState.DONE, "", 0)
    assert [m.measurement_id for m in records.measurements.of_scan(status.scan_id)] == [status.measurement_id]


def test_sigterm_ends_a_worker_process_cleanly_and_its_job_waits(records: Records, tmp_path: Path) -> None:
    submit(records)
    child = start_child(
        tmp_path,
        """
        import socket
        ear, mouth = socket.socketpair()
        mouth.setblocking(False)
        signal.set_wakeup_fd(mouth.fileno())  # a signal before the wait counts too, unlike with signal.pause
        def wait_for_the_signal(stage):
            print("working", flush=True)
            ear.recv(1)
        worker = Worker(records, FakeModelClient(), assessor=ScriptedAssessor(wait_for_the_signal))
        run_until_signalled(worker)
        """,
    )
    assert child.stdout.readline() == "working\n"
    child.terminate()
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    status = records.jobs.recent(1)[0]
    assert (status.state, status.attempt) == (JobState.QUEUED, 0)
