"""What the supervisor of the embedded Triton tells other processes: one small JSON file in the data folder.

The supervisor (`inference_server.serve`) writes it at every change; pages and workers read it to find the server and to
say in words what is happening. An external Triton has no such file.
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

STATE_FILE: Final = "triton-state.json"


class ServerState(StrEnum):
    """Where the embedded server is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Supervision:
    """One report of the supervisor.

    Attributes
    ----------
    since: when the state began (UTC).
    attempts: starts in a row that have not led to a running server yet; 0 while it runs well.
    restarts: restarts since the supervisor began.
    grpc_address, metrics_address: HOST:PORT of the server's endpoints.
    supervisor_pid: process that wrote the report. server_pid: Triton's process, ``None`` while there is none.
    message: the state in a sentence, with the reason of a restart.
    """

    state: ServerState
    since: datetime
    attempts: int
    restarts: int
    grpc_address: str
    metrics_address: str
    supervisor_pid: int
    server_pid: int | None
    message: str


def write_supervision(data_dir: Path, report: Supervision) -> None:
    """Replace the report atomically: a reader sees the old or the new one, never half of it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    draft = data_dir / f"{STATE_FILE}.{os.getpid()}"
    draft.write_text(json.dumps(asdict(report), default=datetime.isoformat, indent=1))
    draft.replace(data_dir / STATE_FILE)


def read_supervision(data_dir: Path) -> Supervision | None:
    """Return the last report, or ``None`` when there is none, it is unreadable, or its supervisor is gone."""
    try:
        fields = json.loads((data_dir / STATE_FILE).read_text())
        fields["state"] = ServerState(fields["state"])
        fields["since"] = datetime.fromisoformat(fields["since"])
        report = Supervision(**fields)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    stopped = report.state is ServerState.STOPPED
    return report if stopped or _is_alive(report.supervisor_pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
