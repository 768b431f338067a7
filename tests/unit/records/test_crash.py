"""A process killed with SIGKILL in the middle: nothing shown as saved is lost, and the work is done again."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sarcopenia.domain.errors import RecordNotFoundError
from sarcopenia.records import JobState, open_records
from sarcopenia.settings import Settings
from tests.unit.records.samples import new_measurement

ROOT = Path(__file__).resolve().parents[3]
PROLOGUE = """
import os, signal, sys
from datetime import UTC, datetime
from sarcopenia.records import open_records
from sarcopenia.settings import Settings
from tests.unit.records.samples import START, make_volume, new_measurement

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

"""
OPEN = "records = open_records(Settings.from_environment(), lambda: START)\n"


def run_until_killed(settings: Settings, body: str, opening: str = OPEN) -> None:
    """Run code in a process of its own that kills itself on the way."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "SARCOPENIA_DATA_DIR": str(settings.data_dir),
        "SARCOPENIA_DATABASE_URL": settings.database_url,
        "PYTHONPATH": str(ROOT),
    }
    code = PROLOGUE + opening + textwrap.dedent(body)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_upload_killed_between_blobs_and_row_can_simply_be_repeated(settings: Settings) -> None:
    run_until_killed(
        settings,
        """
        import sarcopenia.records.uploads as uploads
        uploads._content_sha256 = die  # all blobs are written, nothing names them yet
        records.uploads.submit([("a", b"one"), ("b", b"two")], source="test")
        """,
    )
    with open_records(settings) as records:
        assert records.jobs.recent() == ()
        receipt = records.uploads.submit([("a", b"one"), ("b", b"two")], source="test")
        assert not receipt.already_known
        assert records.uploads.read(receipt.upload_id) == (("a", b"one"), ("b", b"two"))


def test_upload_killed_while_a_blob_is_written_leaves_no_half_blob_under_a_name(settings: Settings) -> None:
    run_until_killed(
        settings,
        """
        import sarcopenia.records.blobs as blobs
        blobs.os.fsync = die
        records.uploads.submit([("a", b"one")], source="test")
        """,
    )
    with open_records(settings) as records:
        receipt = records.uploads.submit([("a", b"one")], source="test")
        assert records.uploads.read(receipt.upload_id) == (("a", b"one"),)


def test_upload_killed_before_commit_is_not_there_and_after_it_is(settings: Settings) -> None:
    run_until_killed(
        settings,
        """
        records.uploads.submit([("a", b"one")], source="test")
        import sarcopenia.records.uploads as uploads
        uploads.new_job = die  # the upload's rows are written, the transaction is open
        records.uploads.submit([("b", b"two")], source="test")
        """,
    )
    with open_records(settings) as records:
        assert [job.upload_id for job in records.jobs.recent()] == [1]
        assert records.uploads.read(1) == (("a", b"one"),)
        with pytest.raises(RecordNotFoundError):
            records.uploads.read(2)


def test_measurement_killed_between_blobs_and_commit_is_not_there_and_can_be_stored(settings: Settings) -> None:
    run_until_killed(
        settings,
        """
        receipt = records.uploads.submit([("a", b"one")], source="test")
        scan = records.scans.register(receipt.upload_id, make_volume())
        import sarcopenia.records.measurements as measurements
        measurements.MeasurementBlobRow = die  # the measurement's row is written, the transaction is open
        records.measurements.store(scan.scan_id, new_measurement(request_key="k" * 64))
        """,
    )
    with open_records(settings) as records:
        assert records.measurements.of_scan(1) == ()
        stored = records.measurements.store(1, new_measurement(request_key="k" * 64))
        assert records.measurements.arrays(stored.measurement_id).slice is not None


def test_migration_killed_in_the_middle_leaves_an_empty_database(empty_settings: Settings) -> None:
    body = """
    import sqlalchemy
    def die_at_the_triggers(connection, cursor, statement, *_):
        if "TRIGGER" in statement:
            die()
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", die_at_the_triggers)
    open_records(Settings.from_environment())
    """
    run_until_killed(empty_settings, body, opening="")
    with open_records(empty_settings) as records:
        assert records.patients.search() == ()


def test_job_of_a_killed_worker_is_taken_up_when_its_lease_is_over(settings: Settings, clock) -> None:
    run_until_killed(
        settings,
        """
        records.uploads.submit([("a", b"one")], source="test")
        records.queue.claim_next("killed", 60.0)
        die()
        """,
    )
    with open_records(settings, clock) as records:
        assert records.queue.claim_next("other", 60.0) is None
        assert records.jobs.recent()[0].state is JobState.RUNNING
        clock.advance(61)
        assert records.queue.claim_next("other", 60.0).lease.attempt == 2
