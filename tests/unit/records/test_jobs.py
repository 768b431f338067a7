"""Uploads and jobs: nothing is lost, nothing is done twice, nobody works on another's job."""

import threading

import pytest

from sarcopenia.domain.errors import (
    ConflictError,
    IdentityQuestionError,
    LeaseLostError,
    NotReadableError,
    RecordError,
    RecordNotFoundError,
)
from sarcopenia.domain.volume import Sex
from sarcopenia.records import (
    IdentityFacts,
    IdentityQuestion,
    JobFailure,
    JobStage,
    JobState,
    Lease,
    Records,
    open_records,
)
from sarcopenia.settings import Settings
from tests.unit.records.samples import START, Clock, make_volume, new_measurement

FILES = [("series/1", b"one"), ("series/2", b"two")]
SERVER_DOWN = JobFailure("server_unavailable", "The server is down", "No answer.", "Retry.", retriable=True)
NOT_CT = JobFailure("no_axial_series", "No CT", "Only a scout.", "Choose another.", retriable=False)
LEASE_S = 60.0


def submit(records: Records, content: bytes = b"one") -> int:
    return records.uploads.submit([("ct", content)], source="test").job_id


def claim(records: Records, owner: str = "worker-1") -> Lease:
    job = records.queue.claim_next(owner, LEASE_S)
    assert job is not None
    return job.lease


def test_upload_comes_back_byte_for_byte_in_its_order(records: Records) -> None:
    receipt = records.uploads.submit(FILES, source="test")
    assert records.uploads.read(receipt.upload_id) == tuple(FILES)
    assert records.jobs.status(receipt.job_id).state is JobState.QUEUED


def test_same_files_in_another_order_are_the_same_upload_and_job(records: Records) -> None:
    first = records.uploads.submit(FILES, source="test")
    second = records.uploads.submit(FILES[::-1], source="test")
    assert (second.upload_id, second.job_id) == (first.upload_id, first.job_id)
    assert (first.already_known, second.already_known) == (False, True)


def test_same_files_after_the_job_has_ended_get_a_new_job(records: Records) -> None:
    first = records.uploads.submit(FILES, source="test")
    records.queue.fail(claim(records), NOT_CT)
    second = records.uploads.submit(FILES, source="test")
    assert second.upload_id == first.upload_id
    assert second.job_id != first.job_id


def test_same_bytes_under_another_name_are_another_upload(records: Records) -> None:
    wrong = records.uploads.submit([("scan.txt", b"nifti")], source="test")
    right = records.uploads.submit([("scan.nii", b"nifti")], source="test")
    assert wrong.upload_id != right.upload_id
    assert records.uploads.read(right.upload_id) == (("scan.nii", b"nifti"),)


def test_upload_without_files_is_refused(records: Records) -> None:
    with pytest.raises(NotReadableError):
        records.uploads.submit([], source="test")


def test_unknown_ids_are_not_found(records: Records) -> None:
    with pytest.raises(RecordNotFoundError):
        records.uploads.read(99)
    with pytest.raises(RecordNotFoundError):
        records.jobs.status(99)
    with pytest.raises(RecordNotFoundError):
        records.jobs.retry(99, author="Dr A")


def test_jobs_are_claimed_oldest_first_and_once(records: Records) -> None:
    first, second = submit(records, b"one"), submit(records, b"two")
    assert [claim(records).job_id, claim(records, "worker-2").job_id] == [first, second]
    assert records.queue.claim_next("worker-3", LEASE_S) is None


def test_many_workers_never_hold_one_job(settings: Settings, records: Records) -> None:
    jobs = {submit(records, bytes([number])) for number in range(12)}
    claimed: list[int] = []

    def work(owner: str) -> None:
        with open_records(settings, lambda: START) as own:
            while (job := own.queue.claim_next(owner, LEASE_S)) is not None:
                claimed.append(job.job_id)

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(jobs)


def test_silent_worker_loses_its_job_when_the_lease_is_over(records: Records, clock: Clock) -> None:
    job_id = submit(records)
    lost = claim(records, "worker-1")
    clock.advance(LEASE_S + 1)
    taken = claim(records, "worker-2")
    assert (taken.job_id, taken.attempt) == (job_id, 2)
    with pytest.raises(LeaseLostError):
        records.queue.heartbeat(lost)
    with pytest.raises(LeaseLostError):
        records.queue.report_stage(lost, JobStage("locate", 0, 4, "Locating"))
    with pytest.raises(LeaseLostError):
        records.queue.fail(lost, NOT_CT)
    records.queue.heartbeat(taken)


def test_worker_that_claims_its_own_lost_job_again_cannot_use_the_old_lease(records: Records, clock: Clock) -> None:
    submit(records)
    old = claim(records)
    clock.advance(LEASE_S + 1)
    claim(records)
    with pytest.raises(LeaseLostError):
        records.queue.release(old)


@pytest.mark.parametrize("renew", ["heartbeat", "report_stage"])
def test_worker_that_gives_signs_of_life_keeps_its_job(records: Records, clock: Clock, renew: str) -> None:
    submit(records)
    lease = claim(records)
    for _ in range(3):
        clock.advance(LEASE_S * 0.9)
        extra = () if renew == "heartbeat" else (JobStage("locate", 0, 4, "Locating"),)
        getattr(records.queue, renew)(lease, *extra)
    assert records.queue.claim_next("worker-2", LEASE_S) is None


def test_job_that_loses_every_worker_is_given_up_and_can_be_retried(records: Records, clock: Clock) -> None:
    job_id = submit(records)
    for _ in range(3):
        claim(records)
        clock.advance(LEASE_S + 1)
    assert records.queue.claim_next("worker-1", LEASE_S) is None
    status = records.jobs.status(job_id)
    assert (status.state, status.failure.code, status.failure.retriable) == (JobState.FAILED, "worker_lost", True)
    assert records.jobs.retry(job_id, author="Dr A").state is JobState.QUEUED
    assert claim(records).attempt == 1


def test_stage_is_told_as_reported(records: Records) -> None:
    job_id = submit(records)
    stage = JobStage("segment", 3, 5, "Segmenting")
    records.queue.report_stage(claim(records), stage)
    assert records.jobs.status(job_id).stage == stage


def test_job_that_is_tried_later_waits_and_says_why(records: Records, clock: Clock) -> None:
    job_id = submit(records)
    records.queue.try_later(claim(records), SERVER_DOWN, delay_s=20)
    status = records.jobs.status(job_id)
    assert (status.state, status.failure) == (JobState.QUEUED, SERVER_DOWN)
    assert (status.next_attempt_at - clock()).total_seconds() == 20
    clock.advance(19)
    assert records.queue.claim_next("worker-1", LEASE_S) is None
    clock.advance(1)
    assert claim(records).attempt == 2
    assert records.jobs.status(job_id).failure is None


def test_job_that_was_tried_often_enough_fails(records: Records, clock: Clock) -> None:
    job_id = submit(records)
    for _ in range(3):
        records.queue.try_later(claim(records), SERVER_DOWN, delay_s=20)
        clock.advance(20)
    status = records.jobs.status(job_id)
    assert (status.state, status.failure, status.next_attempt_at) == (JobState.FAILED, SERVER_DOWN, None)


def test_person_may_have_a_waiting_job_tried_at_once(records: Records) -> None:
    job_id = submit(records)
    records.queue.try_later(claim(records), SERVER_DOWN, delay_s=3600)
    records.jobs.retry(job_id, author="Dr A")
    assert claim(records).job_id == job_id


def test_job_that_would_fail_again_is_not_retried(records: Records) -> None:
    job_id = submit(records)
    records.queue.fail(claim(records), NOT_CT)
    with pytest.raises(RecordError, match="Only a scout"):
        records.jobs.retry(job_id, author="Dr A")
    assert records.jobs.status(job_id).state is JobState.FAILED


def test_released_job_waits_for_nobody_and_costs_no_attempt(records: Records) -> None:
    job_id = submit(records)
    for _ in range(5):
        records.queue.release(claim(records))
    assert claim(records).attempt == 1
    assert records.jobs.status(job_id).state is JobState.RUNNING


def test_retry_leaves_running_and_done_jobs_alone(records: Records) -> None:
    job_id = submit(records)
    lease = claim(records)
    assert records.jobs.retry(job_id, author="Dr A").state is JobState.RUNNING
    scan = records.scans.register(1, make_volume())
    stored = records.measurements.store(scan.scan_id, new_measurement())
    records.queue.report_scan(lease, scan.scan_id, "series:a")
    records.queue.finish(lease, stored.measurement_id, "A note.")
    status = records.jobs.retry(job_id, author="Dr A")
    assert (status.state, status.note) == (JobState.DONE, "A note.")
    assert (status.scan_id, status.measurement_id) == (scan.scan_id, stored.measurement_id)
    assert status.patient_id == scan.patient_id


def test_newest_jobs_come_first(records: Records) -> None:
    jobs = [submit(records, bytes([number])) for number in range(3)]
    assert [status.job_id for status in records.jobs.recent(2)] == jobs[:0:-1]


def ask(records: Records) -> int:
    """Job that waits for an answer about patient 1."""
    known = records.scans.register(1, make_volume(patient_id="1", sex=Sex.MALE)) if submit(records) else None
    facts = IdentityFacts("", "1", "", None, Sex.MALE)
    lease = claim(records)
    records.queue.ask(lease, IdentityQuestion(known.patient_id, facts, facts, "Is it the same?"))
    return lease.job_id


def test_job_with_a_question_waits_for_a_person(records: Records, clock: Clock) -> None:
    job_id = ask(records)
    clock.advance(10 * LEASE_S)
    assert records.queue.claim_next("worker-1", LEASE_S) is None
    assert records.jobs.status(job_id).question.text == "Is it the same?"
    with pytest.raises(IdentityQuestionError):
        records.jobs.retry(job_id, author="Dr A")


@pytest.mark.parametrize(("same_person", "accepted", "refused"), [(True, 1, ()), (False, None, (1,))])
def test_answer_travels_with_the_job(
    records: Records, *, same_person: bool, accepted: int | None, refused: tuple[int, ...]
) -> None:
    job_id = ask(records)
    records.jobs.answer_identity(job_id, same_person=same_person, author="Dr A")
    job = records.queue.claim_next("worker-1", LEASE_S)
    assert (job.decision.accepted_patient_id, job.decision.refused_patient_ids) == (accepted, refused)
    assert records.audit.entries(f"job:{job_id}")[0].action == "identity.answered"


def test_second_answer_is_a_conflict(records: Records) -> None:
    job_id = ask(records)
    records.jobs.answer_identity(job_id, same_person=True, author="Dr A")
    with pytest.raises(ConflictError):
        records.jobs.answer_identity(job_id, same_person=False, author="Dr B")
