"""The inference server as the product uses it: start an embedded Triton, watch it, restart it, stop it; or check a given one.

"Ready" of Triton lies: when a python stub is killed, server and model stay ready for ever while every call fails. So a
server runs here when one canary inference per model comes back in time, and the supervisor restarts it, with growing
pauses, when the process ends or a model stops answering. A busy server is not a broken one: a full queue never counts
against it, and a late canary only after several in a row.

    with embedded_triton(settings) as url:          # a command, a test: own free ports, gone afterwards
    with triton_service(settings) as url:           # `sarcopenia run | serve`: the ports of the settings, state file
    with running_or_embedded_triton(settings) as url:  # `sarcopenia assess`: use the one that runs, else start one

With SARCOPENIA_TRITON_URL set nothing is started by any of them: the external server is checked and its address given.
"""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from inference_server.triton_installation import find_triton
from inference_server.triton_process import (
    LOOPBACK,
    TritonLaunch,
    TritonPorts,
    TritonProcess,
    prepare_backends,
    require_models,
)
from sarcopenia.domain.errors import (
    InferenceTimeoutError,
    ModelUnavailableError,
    QueueFullError,
    ServerUnavailableError,
    SettingsError,
)
from sarcopenia.inference.port import ModelHealth
from sarcopenia.inference.supervision import ServerState, Supervision, write_supervision
from sarcopenia.inference.triton import TritonModelClient
from sarcopenia.settings import Settings

LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class SupervisionPolicy:
    """When a server counts as started, as ill, and how long to wait before the next start; all in seconds.

    Attributes
    ----------
    start_deadline_s: from the start of the process to the first canary of every model.
    poll_s: how often the process is looked at. canary_every_s: how often its models are asked.
    canary_deadline_s: deadline of one canary; long, because it waits behind real work.
    failures_tolerated: late or failed canaries in a row that are not yet an illness (a dead model is one at once).
    first_pause_s, longest_pause_s: pause before a restart, and the limit of its doubling from failure to failure.
    stable_after_s: a server that ran so long starts the counting of failures anew.
    """

    start_deadline_s: float = 120.0
    poll_s: float = 0.5
    canary_every_s: float = 10.0
    canary_deadline_s: float = 20.0
    failures_tolerated: int = 2
    first_pause_s: float = 1.0
    longest_pause_s: float = 60.0
    stable_after_s: float = 60.0

    def pause_s(self, failures: int) -> float:
        """Return the pause before the restart that follows ``failures`` ≥ 1 failures in a row."""
        return min(self.first_pause_s * 2.0 ** (failures - 1), self.longest_pause_s)


class EmbeddedTriton:
    """A supervised server: `start` returns when every model answers, `stop` leaves nothing behind.

    Parameters
    ----------
    launch: what to start. policy: when to call it ill.
    report: called with every change of state, in the supervisor's thread.
    """

    def __init__(
        self,
        launch: TritonLaunch,
        policy: SupervisionPolicy = SupervisionPolicy(),
        report: Callable[[Supervision], None] | None = None,
    ) -> None:
        self._launch = launch
        self._policy = policy
        self._report = report
        self._stop = threading.Event()
        self._first_start: Future[None] = Future()
        # The kernel ties the server to the thread that started it (see exec_bound.py), so one thread starts them all.
        self._thread = threading.Thread(target=self._run, name="triton-supervisor", daemon=True)
        self.supervision = Supervision(
            state=ServerState.STARTING,
            since=datetime.now(UTC),
            attempts=0,
            restarts=0,
            grpc_address=launch.ports.grpc_address,
            metrics_address=launch.ports.metrics_address,
            supervisor_pid=os.getpid(),
            server_pid=None,
            message="Triton is starting.",
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until every model has answered its canary.

        Raises
        ------
        SettingsError: a port is taken.
        ServerUnavailableError: the server ended or did not answer in time; the message says why.
        """
        self._launch.ports.require_free()
        self._thread.start()
        try:
            self._first_start.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and its supervision."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        """Supervise; whatever goes wrong before the first readiness belongs to the caller of `start`."""
        try:
            self._supervise()
        except Exception as error:
            LOG.exception("The supervision of Triton ended.")
            if not self._first_start.done():
                self._first_start.set_exception(error)

    def _supervise(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began = time.monotonic()
            reason = self._run_server()
            if self._stop.is_set():
                break
            if not self._first_start.done():
                raise ServerUnavailableError(f"The embedded Triton did not start: {reason}")
            failures = 1 if time.monotonic() - began > self._policy.stable_after_s else failures + 1
            LOG.warning("Triton is restarted: %s", reason)
            self._tell(ServerState.RESTARTING, f"Triton is restarted: {reason}", attempts=failures)
            self._stop.wait(self._policy.pause_s(failures))
        self._tell(ServerState.STOPPED, "Triton was stopped.", attempts=0)

    def _run_server(self) -> str:
        """Run one server from start to end; return why it ended."""
        process = TritonProcess(self._launch)
        restart = self._first_start.done()
        try:
            with TritonModelClient(self._launch.ports.grpc_address) as client:
                self._tell(self.supervision.state, self.supervision.message, server_pid=process.pid)
                failure = self._wait_until_ready(process, client)
                if failure:
                    return failure
                restarts = self.supervision.restarts + restart
                self._tell(ServerState.RUNNING, "Triton runs and every model answers.", attempts=0, restarts=restarts)
                self._first_start.done() or self._first_start.set_result(None)
                return self._watch(process, client)
        finally:
            process.stop()
            self.supervision = replace(self.supervision, server_pid=None)
