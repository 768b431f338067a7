"""One run of the embedded `tritonserver`: its ports, its files, its command line, its process, its shared memory."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference_server.triton_installation import TritonInstallation
from sarcopenia.domain.errors import SettingsError
from sarcopenia.inference.contract import ModelSet
from sarcopenia.loopback import LOOPBACK, can_bind
from sarcopenia.settings import Settings

EXIT_TIMEOUT_S: Final = 10
"""How long the server may finish requests under way before it is killed."""
SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 # where Linux shows POSIX shared memory
SHARED_MEMORY_STEP_BYTES: Final = 16 * 1024 * 1024
"""Start size and growth of the memory that carries tensors to a python stub; 1 MB, the default, grows all the time."""
RESTRICTED: Final = "model-repository,shared-memory,trace,logging"
"""Protocols that nobody needs and that change or read the server; closed by a key that is thrown away."""
WITHOUT_GPU: Final = "CudaDriverHelper"
"""Part of an error that the server writes at every start on a machine without a GPU, and that means nothing."""
ONNXRUNTIME_BACKEND: Final = Path(__file__).parent / "backends" / "onnxruntime" / "model.py"


@dataclass(frozen=True)
class TritonPorts:
    """The three ports of one server, on loopback."""

    http: int
    grpc: int
    metrics: int

    @classmethod
    def of(cls, settings: Settings) -> "TritonPorts":
        """Return the ports of the settings."""
        return cls(settings.triton_http_port, settings.triton_grpc_port, settings.triton_metrics_port)

    @classmethod
    def free(cls) -> "TritonPorts":
        """Return three ports that nobody uses now."""
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
            for each in sockets:
                each.bind((LOOPBACK, 0))
            return cls(*(each.getsockname()[1] for each in sockets))

    @property
    def grpc_address(self) -> str:
        """HOST:PORT for clients."""
        return f"{LOOPBACK}:{self.grpc}"

    @property
    def metrics_address(self) -> str:
        """HOST:PORT of the metrics."""
        return f"{LOOPBACK}:{self.metrics}"

    def require_free(self) -> None:
        """Raise `SettingsError` naming port and setting when somebody else uses one of the ports."""
        for setting, port in (("GRPC", self.grpc), ("HTTP", self.http), ("METRICS", self.metrics)):
            if not can_bind(port):
                raise _port_taken(setting, port)


def _port_taken(setting: str, port: int) -> SettingsError:
    return SettingsError(
        f"Port {port} ({setting} of the embedded Triton) is taken by another program.",
        f"Stop that program or set SARCOPENIA_TRITON_{setting}_PORT to a free port. "
        "To use a Triton that runs already, set SARCOPENIA_TRITON_URL.",
    )


def require_models(model_repository: Path, models: ModelSet) -> None:
    """Raise `SettingsError` unless the repository holds config and weights of every model of the set."""
    needed = [Path(c.name) / part for c in models.contracts for part in ("config.pbtxt", f"{c.version}/model.onnx")]
    missing = [str(path) for path in needed if not (model_repository / path).is_file()]
    if missing:
        raise SettingsError(
            f"The model repository {model_repository} is not complete: {', '.join(missing)} missing.",
            "Fetch the whole project again, or set SARCOPENIA_MODEL_REPOSITORY to a folder with these models.",
        )


def reason_in_log(lines: Sequence[str]) -> str:
    """Return the first failed model of a log, else its last error, without Triton's prefixes."""
    errors = [line for line in lines if line.startswith(("E", "error:")) and WITHOUT_GPU not in line]
    failed = [line for line in errors if "failed to load '" in line]
    if not errors:
        return "the server ended without a word in its log."
    return (failed[0] if failed else errors[-1]).removeprefix("error: ").rpartition('] "')[2].rstrip('"')


def prepare_backends(installation: TritonInstallation, folder: Path) -> Path:
    """Build the server's backend folder: the wheel's python backend with its stub, and our `onnxruntime`.

    Copies (3 MB), because Triton refuses a library that a link leads out of its backend folder.
    """
    python = folder / "backends" / "python"
    shutil.copytree(installation.python_backend, python, ignore=shutil.ignore_patterns("__pycache__"))
    stub = python / installation.stub.name
    shutil.copy(installation.stub, stub)
    stub.chmod(0o755)
    onnxruntime = folder / "backends" / "onnxruntime"
    onnxruntime.mkdir()
    shutil.copy(ONNXRUNTIME_BACKEND, onnxruntime)
    return folder / "backends"


@dataclass(frozen=True)
class TritonLaunch:
    """Everything that a start of the server needs; the same for each restart."""

    installation: TritonInstallation
    backends: Path
    model_repository: Path
    models: ModelSet
    ports: TritonPorts
    log_file: Path

    def command(self, shared_memory_prefix: str) -> list[str]:
        """Return the command line: the models of the set and no others, no auto-completed config, loopback only."""
        options = {
            "model-repository": self.model_repository,
            "backend-directory": self.backends,
            "model-control-mode": "explicit",
            "http-address": LOOPBACK,
            "http-port": self.ports.http,
            "grpc-address": LOOPBACK,
            "grpc-port": self.ports.grpc,
            "metrics-address": LOOPBACK,
            "metrics-port": self.ports.metrics,
            "allow-gpu-metrics": "false",
            "allow-cpu-metrics": "false",
            "exit-timeout-secs": EXIT_TIMEOUT_S,
            "http-restricted-api": f"{RESTRICTED}:key={secrets.token_hex()}",
            "grpc-restricted-protocol": f"{RESTRICTED}:key={secrets.token_hex()}",
        }
        python_backend = {
            "shm-region-prefix-name": shared_memory_prefix,
            "shm-default-byte-size": SHARED_MEMORY_STEP_BYTES,
            "shm-growth-byte-size": SHARED_MEMORY_STEP_BYTES,
        }
        return [
            str(self.installation.server),
            "--disable-auto-complete-config",
            *(f"--{name}={value}" for name, value in options.items()),
            *(f"--load-model={contract.name}" for contract in self.models.contracts),
            *(f"--backend-config=python,{name}={value}" for name, value in python_backend.items()),
        ]

    def environment(self) -> dict[str, str]:
        """Return the server's variables: of this process only the basics, so no secrets and no PYTHONPATH."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR", "TZ") if name in os.environ}
        libraries = os.pathsep.join(str(folder) for folder in self.installation.library_dirs)
        path = os.pathsep.join([str(self.installation.bin_dir), "/usr/local/bin", "/usr/bin", "/bin"])
        return {**kept, "PATH": path, "LD_LIBRARY_PATH": libraries, "PYTHONNOUSERSITE": "1"}


class TritonProcess:
    """A running server. It leads a process group of its own, so that its stubs can be ended with it."""

    def __init__(self, launch: TritonLaunch) -> None:
        self._prefix = f"sarcopenia-{os.getpid()}-{secrets.token_hex(4)}-"
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("exec_bound.py")), str(os.getpid())]
        launch.log_file.parent.mkdir(parents=True, exist_ok=True)
        self._log_file = launch.log_file
        with launch.log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603 # our own launcher and the wheel's server
                [*launcher, *launch.command(self._prefix)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=launch.environment(),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the server's process runs; says nothing about its models."""
        return self._process.poll() is None

    def last_error(self) -> str:
        """Return why the server or a model failed, in Triton's words, as far as this run's log tells."""
        with self._log_file.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        return reason_in_log(lines)

    def stop(self) -> None:
        """Let the server finish its requests, then `kill` what is left."""
        if self.is_alive:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(EXIT_TIMEOUT_S + 2)
        self.kill()

    def kill(self) -> None:
        """End server and stubs at once, and remove the shared memory of this run and of no other."""
        with suppress(ProcessLookupError):  # the usual case: no stub is left
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for region in SHARED_MEMORY.glob(f"{self._prefix}*"):
            region.unlink(missing_ok=True)
