"""Ports, command line, environment and log of one server run, without starting it."""

import socket
from pathlib import Path

import pytest

from inference_server.triton_installation import TritonInstallation
from inference_server.triton_process import TritonLaunch, TritonPorts, reason_in_log, require_models
from sarcopenia.domain.errors import SettingsError
from sarcopenia.inference.contract import BODY_COMPARTMENTS_TEACHER_CONTRACT, DEFAULT_MODELS, ModelSet

NO_GPU = 'E1124 11:47:19 1 server.cc:241] "CudaDriverHelper has not been initialized."'


@pytest.fixture
def launch(tmp_path: Path) -> TritonLaunch:
    installation = TritonInstallation(
        server=Path("/opt/triton/tritonserver"),
        python_backend=Path("/opt/triton/python"),
        stub=Path("/opt/triton/stub"),
        bin_dir=Path("/opt/triton/bin"),
        library_dirs=(Path("/opt/triton/libs"), Path("/opt/python/lib")),
    )
    return TritonLaunch(
        installation,
        tmp_path / "backends",
        tmp_path / "models",
        ModelSet(compartments=BODY_COMPARTMENTS_TEACHER_CONTRACT),
        TritonPorts(1, 2, 3),
        tmp_path / "log",
    )


def test_free_ports_are_three_that_can_be_bound() -> None:
    ports = TritonPorts.free()
    assert len({ports.http, ports.grpc, ports.metrics}) == 3
    ports.require_free()


@pytest.mark.parametrize(
    ("place", "setting"),
    [(0, "SARCOPENIA_TRITON_HTTP_PORT"), (1, "SARCOPENIA_TRITON_GRPC_PORT"), (2, "SARCOPENIA_TRITON_METRICS_PORT")],
)
def test_taken_port_names_its_setting(place: int, setting: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        free = TritonPorts.free()
        numbers = [free.http, free.grpc, free.metrics]
        numbers[place] = taken
        with pytest.raises(SettingsError, match=str(taken)) as caught:
            TritonPorts(*numbers).require_free()
    assert setting in caught.value.next_step
    assert "SARCOPENIA_TRITON_URL" in caught.value.next_step


def test_command_serves_the_file_as_the_contract_on_loopback(launch: TritonLaunch) -> None:
    command = launch.command("prefix-")
    assert command[0] == "/opt/triton/tritonserver"
    assert {"--disable-auto-complete-config", "--model-control-mode=explicit"} <= set(command)
    assert [part for part in command if "-address=" in part and "127.0.0.1" not in part] == []
    assert {"--http-port=1", "--grpc-port=2", "--metrics-port=3"} <= set(command)
    assert "--backend-config=python,shm-region-prefix-name=prefix-" in command


def test_only_the_models_of_the_set_are_loaded(launch: TritonLaunch) -> None:
    loaded = [part for part in launch.command("p") if part.startswith("--load-model")]
    assert loaded == [f"--load-model={contract.name}" for contract in launch.models.contracts]
    assert "--load-model=body_compartments_teacher" in loaded
    assert "--load-model=body_compartments" not in loaded


def test_every_start_closes_the_dangerous_protocols_with_a_new_key(launch: TritonLaunch) -> None:
    first, second = (
        [part for part in launch.command("p") if "model-repository,shared-memory" in part] for _ in range(2)
    )
    assert len(first) == 2
    assert not set(first) & set(second)


def test_server_gets_no_secret_and_no_python_path(launch: TritonLaunch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SARCOPENIA_DATABASE_URL", "postgresql://me:secret@db/records")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    environment = launch.environment()
    assert not {"SARCOPENIA_DATABASE_URL", "PYTHONPATH"} & set(environment)
    assert environment["PATH"].startswith("/opt/triton/bin:")
    assert environment["LD_LIBRARY_PATH"] == "/opt/triton/libs:/opt/python/lib"


def test_reason_is_the_model_that_failed_without_prefixes() -> None:
    lines = [
        NO_GPU,
        "E1124 11:47:19 1 model_lifecycle.cc:642] \"failed to load 'spine_level' version 1: Internal: numpy 2\"",
        "error: creating server: Internal - failed to load all models",
    ]
    assert reason_in_log(lines) == "failed to load 'spine_level' version 1: Internal: numpy 2"


def test_reason_is_the_last_error_otherwise() -> None:
    lines = [
        NO_GPU,
        "I1124 fine",
        'E1124 11:48:38 1 main.cc:245] "failed to start GRPC service"',
    ]
    assert reason_in_log(lines) == "failed to start GRPC service"
    assert reason_in_log(["error: creating server: Internal - no models"]) == "creating server: Internal - no models"


def test_a_log_without_errors_gives_words_all_the_same() -> None:
    assert "without a word" in reason_in_log(["I1124 fine", NO_GPU])


def test_missing_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"spine_level/config\.pbtxt") as caught:
        require_models(tmp_path / "nowhere", DEFAULT_MODELS)
    assert "SARCOPENIA_MODEL_REPOSITORY" in caught.value.next_step
