"""`sarcopenia run | serve | worker | demo`: the processes of the product and how they live and die together.

`run` holds Triton in its own process tree and starts worker, dashboard and demo loader as children; the children find
Triton through SARCOPENIA_TRITON_URL. A worker that dies is started again; when the dashboard ends, everything ends.
"""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import typer

from sarcopenia.domain.errors import SettingsError
from sarcopenia.loopback import LOOPBACK, answers, can_bind
from sarcopenia.settings import Settings

STOP_S: Final = 10.0
POLL_S: Final = 0.5
RESTART_PAUSE_S: Final = 2.0
DASHBOARD_START_S: Final = 60.0
DASHBOARD_APP: Final = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


class _StopRequested(BaseException):  # no error, and no library may catch it as one
    """SIGINT or SIGTERM arrived."""


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a quiet end of the body."""

    def stop(signal_number: int, frame: FrameType | None) -> None:
        raise _StopRequested

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _StopRequested:
        pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_all(settings: Settings, *, demo: bool) -> None:
    """Start everything and wait until the dashboard ends or the person presses Ctrl-C.

    Raises
    ------
    SettingsError: a port is taken, Triton or a package is missing. InferenceError: a given Triton does not answer.
    """
    from inference_server.serve import triton_service  # noqa: PLC0415 # the library does not need the server

    require_free_port(settings.dashboard_port, "SARCOPENIA_DASHBOARD_PORT")
    _require_dashboard()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _stoppable():
        typer.echo("Starting the inference server (Triton) …")
        with triton_service(settings) as url, _children(settings, url, demo=demo) as children:
            wait_until_open(settings.dashboard_port, children.dashboard)
            typer.echo(f"Dashboard: http://{LOOPBACK}:{settings.dashboard_port}   (Ctrl-C stops it)")
            typer.echo("Research use only – not a medical device.")
            children.watch()
    typer.echo("Stopped.")


def _require_dashboard() -> None:
    # The core installs without the front end.
    if importlib.util.find_spec("streamlit") is None:
        raise SettingsError("The dashboard is not installed.", "Run `make run`, or pip install -e '.[dashboard]'.")


def require_free_port(port: int, variable: str) -> None:
    """Raise `SettingsError` naming the variable when something listens on a loopback port."""
    if not can_bind(port):
        raise SettingsError(f"Port {port} is taken.", f"Stop what uses it, or set {variable} to another port.")


def wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a child listens on its port; raises `SettingsError` when it ends or stays silent."""
    deadline = time.monotonic() + DASHBOARD_START_S
    while time.monotonic() < deadline and process.poll() is None:
        if answers(port):
            return
        time.sleep(POLL_S)
    raise SettingsError(
        "The dashboard did not start.", "Read the messages above; `sarcopenia doctor` checks the set-up."
    )


class _Children:
    """Worker, dashboard and demo loader of one `sarcopenia run`."""

    def __init__(self, settings: Settings, url: str, *, demo: bool) -> None:
        self._environment = os.environ | {"SARCOPENIA_TRITON_URL": url, "SARCOPENIA_DATA_DIR": str(settings.data_dir)}
        self.worker = self._start("-m", "sarcopenia", "worker")
        self.dashboard = self._start(*dashboard_arguments(settings.dashboard_port))
        self._demo = self._start("-m", "sarcopenia", "demo") if demo else None

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches `run` alone, which then stops its children in order.
        return subprocess.Popen([sys.executable, *arguments], env=self._environment, start_new_session=True)  # noqa: S603

    def watch(self) -> None:
        """Return when the dashboard has ended; a worker that ends before is started again."""
        while self.dashboard.poll() is None:
            time.sleep(POLL_S)
            if self.worker.poll() is not None:
                typer.echo(f"The worker ended (exit code {self.worker.returncode}); starting it again.", err=True)
                time.sleep(RESTART_PAUSE_S)
                self.worker = self._start("-m", "sarcopenia", "worker")

    def stop(self) -> None:
        """Ask every child to end, and insist after a while."""
        running = [child for child in (self._demo, self.dashboard, self.worker) if child and child.poll() is None]
        for child in running:
            child.terminate()
        for child in running:
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextmanager
def _children(settings: Settings, url: str, *, demo: bool) -> Iterator[_Children]:
    children = _Children(settings, url, demo=demo)
    try:
        yield children
    finally:
        children.stop()


def dashboard_arguments(port: int) -> tuple[str, ...]:
    """Arguments of the interpreter that start the Streamlit front end on loopback."""
    options = ("--server.port", str(port), "--server.address", LOOPBACK, "--server.headless", "true")
    return ("-m", "streamlit", "run", str(DASHBOARD_APP), *options)


def serve(settings: Settings) -> None:
    """Keep the embedded Triton running until stopped."""
    from inference_server.serve import triton_service  # noqa: PLC0415 # the library does not need the server

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _stoppable(), triton_service(settings) as url:
        typer.echo(f"Triton answers at {url} (gRPC). Ctrl-C stops it.")
        threading.Event().wait()


def load_demo(settings: Settings) -> None:
    """Put the demo patients into the records; those that are there are left alone."""
    from sarcopenia.demo import load_demo_patients  # noqa: PLC0415 # phantoms are not needed by the other commands
    from sarcopenia.records import open_records  # noqa: PLC0415

    with _stoppable(), open_records(settings) as records:
        for progress in load_demo_patients(records):
            typer.echo(f"Demo patient {progress.index + 1}/{progress.total}: {progress.name}")


def work(settings: Settings) -> None:
    """Take jobs until stopped; the job under way goes back into the queue."""
    from sarcopenia.inference.triton import TritonModelClient  # noqa: PLC0415 # only the worker needs all of it
    from sarcopenia.records import open_records  # noqa: PLC0415
    from sarcopenia.worker import Worker, run_until_signalled  # noqa: PLC0415

    with open_records(settings) as records, TritonModelClient.from_settings(settings) as models:
        run_until_signalled(Worker(records, models, lease_s=settings.lease_s, poll_s=settings.poll_s))
