"""The parts of the python-based backend that need no Triton, on a small fake of the stub's module."""

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

MODEL = Path(__file__).resolve().parents[3] / "inference_server" / "backends" / "onnxruntime" / "model.py"


@pytest.fixture(scope="module")
def backend():
    """model.py, loaded with a stand-in for the module that only Triton's stub provides."""
    stub = ModuleType("triton_python_backend_utils")
    stub.Tensor = lambda name, array: SimpleNamespace(name=name, array=array)
    stub.TritonError = lambda message: message
    stub.InferenceResponse = lambda tensors=(), error=None: SimpleNamespace(tensors=tensors, error=error)
    stub.get_input_tensor_by_name = lambda request, name: SimpleNamespace(as_numpy=lambda: request[name])
    spec = importlib.util.spec_from_file_location("onnxruntime_backend_under_test", MODEL)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "triton_python_backend_utils", stub)
        spec.loader.exec_module(module)
    return module


class DoublingSession:
    """Answers twice its input; refuses a batch that holds a 13, as ONNX Runtime refuses what it cannot run."""

    def __init__(self):
        self.batches = []

    def run(self, names, feeds):
        self.batches.append(len(feeds["x"]))
        if (feeds["x"] == 13).any():
            raise ValueError("thirteen")
        return [feeds["x"] * 2]


@pytest.fixture
def model(backend):
    made = backend.TritonPythonModel()
    made._session, made._inputs, made._outputs = DoublingSession(), ["x"], ["y"]
    return made


def request(*values, width=2):
    return {"x": np.array([[value] * width for value in values])}


def test_requests_of_one_shape_run_together_and_come_back_apart(model):
    responses = model.execute([request(1), request(2, 3), request(4)])
    assert model._session.batches == [4]
    assert [response.tensors[0].array[:, 0].tolist() for response in responses] == [[2], [4, 6], [8]]


def test_other_shapes_run_apart_and_keep_their_places(model):
    responses = model.execute([request(1), request(2, width=3), request(3)])
    assert sorted(model._session.batches) == [1, 2]
    assert [response.tensors[0].array.shape for response in responses] == [(1, 2), (1, 3), (1, 2)]


def test_one_bad_request_does_not_spoil_its_neighbours(model):
    responses = model.execute([request(1), request(13), request(3)])
    assert [response.error is None for response in responses] == [True, False, True]
    assert "thirteen" in responses[1].error


@pytest.mark.parametrize("version", ["2.0.0", "2.4.6", "3.1"])
def test_a_new_numpy_is_refused(backend, version):
    with pytest.raises(RuntimeError, match="older than 2"):
        backend.require_old_numpy(version)


def test_an_old_numpy_is_fine(backend):
    backend.require_old_numpy("1.26.4")


def test_only_the_weights_that_the_config_names_are_loaded(backend, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    backend.verify_sha256(path, hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(RuntimeError, match="names"):
        backend.verify_sha256(path, "0" * 64)


def test_a_missing_parameter_is_named(backend):
    with pytest.raises(RuntimeError, match="onnx_sha256"):
        backend.parameter({"name": "m", "parameters": {}}, "onnx_sha256")


def test_file_and_config_must_agree_about_tensors(backend):
    found = [SimpleNamespace(name="x", type="tensor(float)")]
    backend.require_same_tensors([{"name": "x", "data_type": "TYPE_FP32"}], found)
    with pytest.raises(RuntimeError, match="promises"):
        backend.require_same_tensors([{"name": "x", "data_type": "TYPE_INT16"}], found)
