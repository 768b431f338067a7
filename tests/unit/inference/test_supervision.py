"""The supervisor's report reaches another process whole, or not at all."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sarcopenia.inference.supervision import STATE_FILE, ServerState, Supervision, read_supervision, write_supervision

REPORT = Supervision(
    state=ServerState.RUNNING,
    since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    attempts=0,
    restarts=2,
    grpc_address="127.0.0.1:8001",
    metrics_address="127.0.0.1:8002",
    supervisor_pid=os.getpid(),
    server_pid=None,
    message="Triton runs and every model answers.",
)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_supervision(tmp_path / "data", REPORT)
    assert read_supervision(tmp_path / "data") == REPORT
    assert [path.name for path in (tmp_path / "data").iterdir()] == [STATE_FILE]


def test_no_report_is_none(tmp_path: Path) -> None:
    assert read_supervision(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"state": "dancing"}', "null"])
def test_a_damaged_report_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    assert read_supervision(tmp_path) is None


def test_the_report_of_a_dead_supervisor_counts_only_when_it_says_stopped(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    dead = replace(REPORT, supervisor_pid=gone.pid)
    write_supervision(tmp_path, dead)
    assert read_supervision(tmp_path) is None
    write_supervision(tmp_path, replace(dead, state=ServerState.STOPPED))
    assert read_supervision(tmp_path) == replace(dead, state=ServerState.STOPPED)
