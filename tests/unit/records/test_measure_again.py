"""Measuring a stored upload again: one more job of the same files, and nothing else."""

import pytest

from sarcopenia.domain.errors import RecordNotFoundError
from sarcopenia.records import JobState, Records


def finish(records: Records) -> None:
    job = records.queue.claim_next("worker", 60.0)
    records.queue.finish(job.lease, None, "")


def test_a_stored_upload_gets_a_new_job(records: Records) -> None:
    first = records.uploads.submit([("a.dcm", b"1")], source="test")
    finish(records)
    again = records.uploads.measure_again(first.upload_id, author="Dr A")
    assert (again.upload_id, again.already_known) == (first.upload_id, True)
    assert again.job_id != first.job_id
    assert records.jobs.status(again.job_id).state is JobState.QUEUED
    assert records.jobs.status(first.job_id).state is JobState.DONE
    entry = records.audit.entries(f"upload:{first.upload_id}")[0]
    assert (entry.author, entry.action) == ("Dr A", "upload.measured_again")
    assert entry.details == (("job", str(again.job_id)),)


def test_a_job_under_way_goes_on(records: Records) -> None:
    first = records.uploads.submit([("a.dcm", b"1")], source="test")
    assert records.uploads.measure_again(first.upload_id, author="Dr A").job_id == first.job_id
    assert len(records.jobs.recent()) == 1


def test_an_unknown_upload_is_refused(records: Records) -> None:
    with pytest.raises(RecordNotFoundError, match="no upload 9"):
        records.uploads.measure_again(9, author="Dr A")
