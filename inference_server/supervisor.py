"""Keeps one embedded Triton running: starts it, asks its models, restarts it with growing pauses, stops it.

"Ready" of Triton lies: when a python stub is killed, server and model stay ready for ever while every call fails. So a
server runs here when one canary inference per model comes back in time. A busy server is not a broken one: a full queue
never counts against it, and a late canary only after several in a row.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

from inference_server.triton_process import TritonLaunch, TritonProcess
from sarcopenia.domain.errors import (
    InferenceRejectedError,
    ModelUnavailableError,
    QueueFullError,
    ServerUnavailableError,
)
from sarcopenia.inference.port import ModelHealth
from sarcopenia.inference.supervision import ServerState, Supervision
from sarcopenia.inference.triton import TritonModelClient

LOG: Final = logging.getLogger(__name__)
HARMLESS: Final = (QueueFullError.code, InferenceRejectedError.code)
"""A full queue is work, and a refused canary would be refused by the next server too: no reason for a restart."""


@dataclass(frozen=True)
class SupervisionPolicy:
    """When a server counts as started or as ill, and how long to wait before the next start; times in seconds.

    Attributes
    ----------
    start_deadline_s: from the start of the process to the first canary of every model.
    poll_s: how often the process is looked at. canary_every_s: how often its models are asked.
    canary_deadline_s: deadline of one canary; long, because it waits behind real work.
    failures_tolerated: failed canaries in a row that are not yet an illness; a model that is gone is one at once.
    first_pause_s, longest_pause_s: pause before a restart, and the limit of its doubling from failure to failure.
    stable_after_s: a server that ran for so long starts the counting of failures anew.
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
        return min(self.first_pause_s * 2.0 ** min(failures - 1, 30), self.longest_pause_s)


DEFAULT_POLICY: Final = SupervisionPolicy()


class Diagnosis:
    """Counts failed canaries and decides when a server is ill."""

    def __init__(self, failures_tolerated: int) -> None:
        self._tolerated = failures_tolerated
        self._failures_in_a_row = 0

    def illness(self, health: Sequence[ModelHealth]) -> str | None:
        """Return why the server must be restarted after these canaries, ``None`` when it need not."""
        failed = [each for each in health if not each.healthy and each.code not in HARMLESS]
        self._failures_in_a_row = self._failures_in_a_row + 1 if failed else 0
        gone = [each for each in failed if each.code == ModelUnavailableError.code]
        if gone or self._failures_in_a_row > self._tolerated:
            return " ".join(each.message for each in gone or failed)
        return None


class EmbeddedTriton:
    """A supervised server: `start` returns when every model answers, `stop` leaves nothing behind.

    Parameters
    ----------
    launch: what to start. policy: when to call it ill.
    report: called at every change with the new state, in the supervisor's thread.

    ``supervision`` is the last report.
    """

    def __init__(
        self,
        launch: TritonLaunch,
        policy: SupervisionPolicy = DEFAULT_POLICY,
        report: Callable[[Supervision], None] | None = None,
    ) -> None:
        self._launch = launch
        self._policy = policy
        self._report = report
        self._stop = threading.Event()
        self._wait_for_requests = False  # a server that is ill would wait for its dead models
        self._first_start: Future[None] = Future()
        # The kernel ties a server to the thread that started it (see exec_bound.py): one thread starts them all.
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

    def stop(self, *, wait_for_requests: bool = True) -> None:
        """End the server and its supervision; without waiting it takes no seconds, but cuts off who is being served."""
        self._wait_for_requests = wait_for_requests
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        """Supervise; what goes wrong before the models answered once belongs to the caller of `start`."""
        try:
            self._supervise()
        except Exception as error:
            if self._first_start.done():
                LOG.exception("The supervision of Triton ended.")
            else:
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
            LOG.warning("Triton is restarted (failure %d in a row): %s", failures, reason)
            self._tell(ServerState.RESTARTING, f"Triton is restarted: {reason}", attempts=failures, server_pid=None)
            self._stop.wait(self._policy.pause_s(failures))
        self._tell(ServerState.STOPPED, "Triton was stopped.", attempts=0, server_pid=None)

    def _run_server(self) -> str:
        """Run one server from start to end, and return why it ended ("" when it was asked to)."""
        process = TritonProcess(self._launch)
        try:
            with TritonModelClient(self._launch.ports.grpc_address, self._launch.models) as client:
                self._tell(self.supervision.state, self.supervision.message, server_pid=process.pid)
                return self._wait_for_models(process, client) or self._watch(process, client)
        finally:
            if self._wait_for_requests:
                process.stop()
            else:
                process.kill()

    def _wait_for_models(self, process: TritonProcess, client: TritonModelClient) -> str:
        """Wait until every model answers, then say so; return why that did not happen, "" when it did."""
        deadline = time.monotonic() + self._policy.start_deadline_s
        while time.monotonic() < deadline and not self._stop.wait(self._policy.poll_s):
            if not process.is_alive:
                return process.last_error()
            if all(health.healthy for health in client.check(self._policy.canary_deadline_s)):
                self._tell_running()
                return ""
        return f"the models did not answer within {self._policy.start_deadline_s:g} seconds."

    def _watch(self, process: TritonProcess, client: TritonModelClient) -> str:
        """Look after a running server until it is ill or no longer wanted; return the illness."""
        diagnosis = Diagnosis(self._policy.failures_tolerated)
        next_canary = time.monotonic() + self._policy.canary_every_s
        while not self._stop.wait(self._policy.poll_s):
            if not process.is_alive:
                return "the server's process ended."
            if time.monotonic() < next_canary:
                continue
            illness = diagnosis.illness(client.check(self._policy.canary_deadline_s))
            if illness:
                return illness
            next_canary = time.monotonic() + self._policy.canary_every_s
        return ""

    def _tell_running(self) -> None:
        restarts = self.supervision.restarts + self._first_start.done()
        self._tell(ServerState.RUNNING, "Triton runs and every model answers.", attempts=0, restarts=restarts)
        if not self._first_start.done():
            self._first_start.set_result(None)

    def _tell(self, state: ServerState, message: str, **changes: int | None) -> None:
        since = self.supervision.since if state is self.supervision.state else datetime.now(UTC)
        self.supervision = replace(self.supervision, state=state, since=since, message=message, **changes)
        if self._report is not None:
            self._report(self.supervision)
