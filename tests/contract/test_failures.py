"""What people see when the inference server breaks, and that it comes back: on the real embedded Triton."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference_server.serve import embedded_triton, running_or_embedded_triton, triton_launch, triton_service
from inference_server.supervisor import EmbeddedTriton
from inference_server.triton_process import SHARED_MEMORY, TritonPorts, TritonProcess
from sarcopenia.domain.errors import (
    InferenceError,
    ModelUnavailableError,
    ServerUnavailableError,
    SettingsError,
)
from sarcopenia.inference.contract import CONTRACTS, SPINE_LEVEL_CONTRACT
from sarcopenia.inference.supervision import ServerState, read_supervision
from sarcopenia.inference.triton import TritonModelClient
from sarcopenia.settings import Settings
from tests.contract.conftest import QUICK
from tests.contract.tiny_models import with_sha256, write_tiny_repository

pytestmark = pytest.mark.triton

SLICE = np.zeros((1, 32, 32), np.int16)


def children_of(pid: int) -> dict[int, str]:
    """Process ids and command lines of the children of a process."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(stat.parent.name)] = (stat.parent / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def kill_stub(server_pid: int, model: str) -> None:
    (stub,) = [pid for pid, command in children_of(server_pid).items() if f"/{model}" in command]
    os.kill(stub, signal.SIGKILL)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float = 30.0) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.05)


def regions_of(process_id: int) -> list[str]:
    return [region.name for region in SHARED_MEMORY.glob(f"sarcopenia-{process_id}-*")]


@pytest.fixture
def unsupervised(settings: Settings) -> Iterator[tuple[TritonProcess, TritonModelClient]]:
    """A server that nobody restarts, with a client."""
    with triton_launch(settings, TritonPorts.of(settings)) as launch:
        process = TritonProcess(launch)
        try:
            with TritonModelClient(launch.ports.grpc_address) as client:
                wait_for(lambda: all(h.healthy for h in client.check()), "the models")
                yield process, client
        finally:
            process.kill()


@pytest.fixture
def supervised(settings: Settings) -> Iterator[tuple[EmbeddedTriton, TritonModelClient]]:
    """A supervised server of this test alone, with a client."""
    with (
        triton_launch(settings, TritonPorts.of(settings)) as launch,
        EmbeddedTriton(launch, QUICK) as server,
        TritonModelClient(launch.ports.grpc_address) as client,
    ):
        yield server, client


def wait_for_restart(server: EmbeddedTriton) -> None:
    wait_for(lambda: server.supervision.restarts == 1 and server.supervision.state is ServerState.RUNNING, "a restart")


def test_killed_stub_makes_its_model_unavailable_and_no_other(
    unsupervised: tuple[TritonProcess, TritonModelClient],
) -> None:
    process, client = unsupervised
    kill_stub(process.pid, "body_compartments")
    with pytest.raises(ModelUnavailableError, match="body_compartments"):
        client.segment_compartments(SLICE)
    ill = {h.name: h.code for h in client.check() if not h.healthy}
    assert ill == {"body_compartments": "model_unavailable"}


def test_killed_server_is_unavailable_and_leaves_nothing_behind(
    unsupervised: tuple[TritonProcess, TritonModelClient],
) -> None:
    process, client = unsupervised
    stubs = children_of(process.pid)
    others = SHARED_MEMORY / f"sarcopenia-{os.getpid()}-of-another-run"
    others.touch()
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not process.is_alive, "the end of the server")
    with pytest.raises(ServerUnavailableError):
        client.segment_compartments(SLICE)
    with pytest.raises(ServerUnavailableError):
        client.identities()
    assert {h.code for h in client.check()} == {"server_unavailable"}
    process.kill()
    assert len(stubs) == len(CONTRACTS)
    wait_for(lambda: not any(is_running(pid) for pid in stubs), "the end of the stubs")
    assert regions_of(os.getpid()) == [others.name]
    others.unlink()


def test_supervisor_restarts_after_a_killed_stub(supervised: tuple[EmbeddedTriton, TritonModelClient]) -> None:
    server, client = supervised
    first_pid = server.supervision.server_pid
    assert first_pid is not None
    kill_stub(first_pid, "spine_level")
    wait_for_restart(server)
    assert server.supervision.server_pid != first_pid
    assert client.segment_compartments(SLICE).shape[0] == 1
    assert all(h.healthy for h in client.check())


def test_supervisor_restarts_after_a_killed_server(supervised: tuple[EmbeddedTriton, TritonModelClient]) -> None:
    server, client = supervised
    assert server.supervision.server_pid is not None
    os.kill(server.supervision.server_pid, signal.SIGKILL)
    wait_for_restart(server)
    assert client.segment_compartments(SLICE).shape[0] == 1


def test_second_server_on_a_taken_port_names_port_and_setting(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.triton_grpc_port))
        other.listen()
        with pytest.raises(SettingsError) as caught, triton_service(settings):
            pass
    assert str(settings.triton_grpc_port) in caught.value.message
    assert "SARCOPENIA_TRITON_GRPC_PORT" in caught.value.next_step
    assert read_supervision(settings.data_dir) is None


def test_given_server_is_used_and_none_started(settings: Settings, tiny_triton: TritonModelClient) -> None:
    given = replace(settings, triton_url=tiny_triton.url, triton_environment=Path("/nowhere"))
    for server in (embedded_triton, triton_service, running_or_embedded_triton):
        with server(given) as url:
            assert url == tiny_triton.url


def test_given_server_that_does_not_answer_is_named(settings: Settings) -> None:
    silent = f"127.0.0.1:{TritonPorts.free().grpc}"
    with pytest.raises(ServerUnavailableError) as caught, embedded_triton(replace(settings, triton_url=silent)):
        pass
    assert silent in caught.value.message
    assert "SARCOPENIA_TRITON_URL" in caught.value.next_step


def test_a_command_uses_the_running_service_and_starts_its_own_without(settings: Settings) -> None:
    address = TritonPorts.of(settings).grpc_address
    with triton_service(settings, policy=QUICK), running_or_embedded_triton(settings) as url:
        assert url == address
    with running_or_embedded_triton(settings) as url:
        assert url != address
        with TritonModelClient(url) as client:
            assert all(h.healthy for h in client.check())


def test_service_tells_its_state_to_other_processes(settings: Settings) -> None:
    with triton_service(settings, policy=QUICK) as url:
        report = read_supervision(settings.data_dir)
        assert report is not None
        assert (report.state, report.grpc_address, report.restarts) == (ServerState.RUNNING, url, 0)
        assert report.server_pid is not None
        os.kill(report.server_pid, signal.SIGKILL)
        seen: list[ServerState] = []

        def restarted() -> bool:
            now = read_supervision(settings.data_dir)
            assert now is not None
            seen.append(now.state)
            return now.restarts == 1

        wait_for(restarted, "a restart in the state file")
        assert ServerState.RESTARTING in seen
    stopped = read_supervision(settings.data_dir)
    assert stopped is not None
    assert (stopped.state, stopped.server_pid) == (ServerState.STOPPED, None)
    assert (settings.data_dir / "logs" / "triton.log").stat().st_size > 0


def test_other_weights_than_the_config_names_are_refused(settings: Settings, tmp_path: Path) -> None:
    repository = write_tiny_repository(tmp_path / "repository")
    config = repository / "body_compartments" / "config.pbtxt"
    config.write_text(with_sha256(config.read_text(), "ab" * 32))
    changed = replace(settings, model_repository=repository)
    with pytest.raises(ServerUnavailableError, match="SHA-256") as caught, embedded_triton(changed):
        pass
    assert "body_compartments" in caught.value.message


def test_incomplete_repository_is_named(settings: Settings, tmp_path: Path) -> None:
    repository = write_tiny_repository(tmp_path / "repository")
    (repository / SPINE_LEVEL_CONTRACT.name / SPINE_LEVEL_CONTRACT.version / "model.onnx").unlink()
    incomplete = replace(settings, model_repository=repository)
    with pytest.raises(SettingsError, match=r"spine_level/\d+/model\.onnx") as caught, embedded_triton(incomplete):
        pass
    assert "SARCOPENIA_MODEL_REPOSITORY" in caught.value.next_step


def test_server_ends_with_a_killed_supervisor(settings: Settings, tmp_path: Path) -> None:
    script = (
        "import sys, time; from dataclasses import replace; from pathlib import Path\n"
        "from inference_server.serve import triton_service; from sarcopenia.settings import Settings\n"
        "with triton_service(Settings.from_environment()): print('ready', flush=True); time.sleep(60)\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(tmp_path),  # the folder that the killed process cannot remove
        **{
            f"SARCOPENIA_{name.upper()}": str(getattr(settings, name))
            for name in ("data_dir", "model_repository", "triton_http_port", "triton_grpc_port", "triton_metrics_port")
        },
    }
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        report = read_supervision(settings.data_dir)
        assert report is not None
        assert report.server_pid is not None
        stubs = children_of(report.server_pid)
        owner.kill()
    wait_for(lambda: not any(map(is_running, [report.server_pid, *stubs])), "the end of server and stubs")
    assert read_supervision(settings.data_dir) is None
    wait_for(lambda: not regions_of(owner.pid), "the end of the shared memory")


def test_calls_under_way_end_with_an_inference_error_when_the_server_is_killed(
    supervised: tuple[EmbeddedTriton, TritonModelClient],
) -> None:
    server, client = supervised
    assert server.supervision.server_pid is not None
    os.kill(server.supervision.server_pid, signal.SIGSTOP)  # the call below hangs in a server that does not move
    with pytest.raises(InferenceError), TritonModelClient(client.url, timeout_s=0.5) as hasty:
        hasty.segment_compartments(SLICE)
    os.kill(server.supervision.server_pid, signal.SIGKILL)
    wait_for_restart(server)
