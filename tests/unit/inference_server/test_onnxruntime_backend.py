"""The python-based backend, outside Triton: a small stand-in for the stub's module, and real ONNX Runtime sessions."""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sarcopenia.inference.contract import BODY_COMPARTMENTS
from tests.contract.tiny_models import tiny_body_compartments, tiny_probability

BACKEND = Path(__file__).resolve().parents[3] / "inference_server" / "backends" / "onnxruntime" / "model.py"


class FakeTensor:
    def __init__(self, name: str, array: np.ndarray) -> None:
        self.name = name
        self.array = array

    def as_numpy(self) -> np.ndarray:
        return self.array


class FakeResponse:
    def __init__(self, tensors: list[FakeTensor] | None = None, error: Exception | None = None) -> None:
        self.tensors = {tensor.name: tensor.array for tensor in tensors or []}
        self.error = error


class FakeTritonError(Exception):
    pass


def stub_module() -> ModuleType:
    """What Triton's python stub offers under this name, as far as the backend uses it."""
    module = ModuleType("triton_python_backend_utils")
    module.Tensor = FakeTensor
    module.InferenceResponse = FakeResponse
    module.TritonError = FakeTritonError
    module.Logger = SimpleNamespace(log_info=lambda text: None)
    module.get_input_tensor_by_name = lambda request, name: FakeTensor(name, request[name])
    return module


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", stub_module())
    spec = importlib.util.spec_from_file_location("onnxruntime_backend_under_test", BACKEND)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module


@pytest.fixture
def tolerant_backend(backend: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The backend as if numpy were old: these tests run with the product's numpy 2."""
    monkeypatch.setattr(backend, "require_old_numpy", lambda version: None)
    return backend


def model_arguments(folder: Path, **changes: Any) -> dict[str, str]:
    """What Triton passes to `initialize` for the tiny `body_compartments`, with changes to its config."""
    weights = tiny_body_compartments(BODY_COMPARTMENTS).SerializeToString()
    (folder / "1").mkdir()
    (folder / "1" / "model.onnx").write_bytes(weights)
    config = {
        "name": "body_compartments",
        "input": [{"name": "ct_hu", "data_type": "TYPE_INT16"}],
        "output": [{"name": "member_probability", "data_type": "TYPE_UINT8"}],
        "parameters": {
            "intra_op_thread_count": {"string_value": "1"},
            "onnx_sha256": {"string_value": hashlib.sha256(weights).hexdigest()},
        },
    } | changes
    return {
        "model_config": json.dumps(config),
        "model_repository": str(folder),
        "model_version": "1",
        "model_name": "body_compartments",
    }


@pytest.fixture
def model(tolerant_backend: ModuleType, tmp_path: Path) -> Any:
    model = tolerant_backend.TritonPythonModel()
    model.initialize(model_arguments(tmp_path))
    return model


def request(*shape: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"ct_hu": np.random.default_rng(seed).integers(-300, 300, shape, dtype=np.int16)}


class CountingSession:
    """A session that counts its runs, and fails for batches that hold the value it cannot bear."""

    def __init__(self, session: Any, unbearable: int | None = None) -> None:
        self._session = session
        self._unbearable = unbearable
        self.batch_sizes: list[int] = []

    def run(self, outputs: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.batch_sizes.append(len(feeds["ct_hu"]))
        if self._unbearable is not None and (feeds["ct_hu"] == self._unbearable).any():
            raise ValueError("cannot bear it")
        return self._session.run(outputs, feeds)


def test_requests_of_one_size_share_a_run_and_get_their_own_answers(model: Any) -> None:
    model._session = CountingSession(model._session)
    requests = [request(count, 1, 32, 64, seed=count) for count in (1, 3, 2)]
    responses = model.execute(requests)
    assert model._session.batch_sizes == [6]
    for asked, response in zip(requests, responses, strict=True):
        assert response.error is None
        np.testing.assert_array_equal(response.tensors["member_probability"], tiny_probability(asked["ct_hu"][:, 0]))


def test_requests_of_other_sizes_run_apart_and_keep_their_order(model: Any) -> None:
    model._session = CountingSession(model._session)
    requests = [request(1, 1, 32, 32), request(1, 1, 64, 32), request(2, 1, 32, 32)]
    responses = model.execute(requests)
    assert sorted(model._session.batch_sizes) == [1, 3]
    shapes = [response.tensors["member_probability"].shape for response in responses]
    assert [(shape[0], *shape[3:]) for shape in shapes] == [(1, 32, 32), (1, 64, 32), (2, 32, 32)]


def test_only_the_request_that_fails_gets_an_error(model: Any) -> None:
    model._session = CountingSession(model._session, unbearable=999)
    bad = request(1, 1, 32, 32)
    bad["ct_hu"][0, 0, 0, 0] = 999
    responses = model.execute([request(1, 1, 32, 32), bad, request(1, 1, 32, 32)])
    assert [response.error is None for response in responses] == [True, False, True]
    assert "cannot bear it" in str(responses[1].error)


def test_outputs_have_the_types_of_the_config(model: Any) -> None:
    (response,) = model.execute([request(1, 1, 32, 32)])
    assert response.tensors["member_probability"].dtype == np.uint8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": {"onnx_sha256": {"string_value": "0" * 64}}}, "SHA-256"),
        ({"parameters": {}}, "no parameter onnx_sha256"),
        ({"input": [{"name": "ct_hu", "data_type": "TYPE_FP32"}]}, "promises"),
        ({"output": [{"name": "probability", "data_type": "TYPE_UINT8"}]}, "promises"),
    ],
    ids=["other weights", "no hash", "input type", "output name"],
)
def test_a_file_that_does_not_fit_its_config_is_not_loaded(
    tolerant_backend: ModuleType, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    arguments = model_arguments(tmp_path, **changes)
    with pytest.raises(RuntimeError, match=words):
        tolerant_backend.TritonPythonModel().initialize(arguments)


def test_no_model_is_loaded_with_new_numpy(backend: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=f"numpy {np.__version__}"):
        backend.TritonPythonModel().initialize(model_arguments(tmp_path))


@pytest.mark.parametrize("version", ["2.0.0", "2.4.6", "10.0"])
def test_new_numpy_is_refused(backend: ModuleType, version: str) -> None:
    with pytest.raises(RuntimeError, match="older than 2"):
        backend.require_old_numpy(version)


def test_session_is_gone_after_the_end(model: Any) -> None:
    model.finalize()
    assert model._session is None
