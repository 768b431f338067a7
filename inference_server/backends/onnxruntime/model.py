"""Triton backend `onnxruntime`, python-based: runs a model's ONNX file with the onnxruntime package.

NVIDIA's container has a native backend of this name; the embedded server has only the python one, and resolves the
same ``backend: "onnxruntime"`` of a config.pbtxt to this file. It runs in Triton's own virtual environment, inside the
python stub, and therefore imports nothing of the product.

It refuses to load (Triton then reports the model as not ready, with the reason in the log) when numpy is 2 or newer,
when the ONNX file is not the one whose SHA-256 the config names, or when file and config disagree about a tensor.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

ONNX_TYPES = {
    "TYPE_INT16": "tensor(int16)",
    "TYPE_UINT8": "tensor(uint8)",
    "TYPE_FP32": "tensor(float)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_INT64": "tensor(int64)",
}
"""Triton data type -> ONNX Runtime's name of it, for the types that the product's contracts use."""

Feeds = dict[str, np.ndarray]


class TritonPythonModel:
    """One instance of one model: a session, and the names of its tensors in the order of the config."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the ONNX file of the model version that Triton names in ``args``."""
        require_old_numpy(np.__version__)
        config = json.loads(args["model_config"])
        path = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        verify_sha256(path, parameter(config, "onnx_sha256"))
        self._session = open_session(path, int(parameter(config, "intra_op_thread_count")))
        require_same_tensors(config["input"], self._session.get_inputs())
        require_same_tensors(config["output"], self._session.get_outputs())
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        pb_utils.Logger.log_info(f"{args['model_name']}: {path.name} is the file that the config names")

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """Answer the requests of one call, in their order; a request that fails gets its own error."""
        responses = [None] * len(requests)
        for group in equal_shapes([self._feeds(request) for request in requests]):
            for index, response in zip(group.indices, self._answer(group.feeds), strict=True):
                responses[index] = response
        return responses

    def finalize(self) -> None:
        """Release the session before the stub ends."""
        self._session = None

    def _feeds(self, request: Any) -> Feeds:  # noqa: ANN401 # a type of the stub, which has no stubs for type checkers
        return {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs}

    def _answer(self, feeds: Sequence[Feeds]) -> list[Any]:
        """Responses to requests of equal shape: one run for all; after a failure one run each, to find the culprit."""
        try:
            return [self._response(outputs) for outputs in run_together(self._session, self._outputs, feeds)]
        except Exception as error:  # whatever ONNX Runtime raises must become the answer, not the end of the stub
            if len(feeds) == 1:
                return [pb_utils.InferenceResponse(error=pb_utils.TritonError(f"ONNX Runtime: {error}"))]
        return [self._answer([feed])[0] for feed in feeds]

    def _response(self, outputs: Sequence[np.ndarray]) -> Any:  # noqa: ANN401 # as above
        return pb_utils.InferenceResponse([pb_utils.Tensor(n, a) for n, a in zip(self._outputs, outputs, strict=True)])


@dataclass(frozen=True)
class Group:
    """Requests whose tensors have equal shapes: their places in the call, and their input tensors by name."""

    indices: list[int] = field(default_factory=list)
    feeds: list[Feeds] = field(default_factory=list)


def require_old_numpy(version: str) -> None:
    """Raise `RuntimeError` for numpy 2 or newer: this python stub then returns empty tensors without any error."""
    if int(version.split(".", maxsplit=1)[0]) >= 2:
        raise RuntimeError(f"numpy {version} is installed in Triton's environment; it must be older than 2")


def parameter(config: dict[str, Any], key: str) -> str:
    """Value of a parameter of the model's config.pbtxt, as text."""
    try:
        return config["parameters"][key]["string_value"]
    except KeyError:
        raise RuntimeError(f"config.pbtxt of {config['name']} has no parameter {key}") from None


def verify_sha256(path: Path, expected: str) -> None:
    """Raise `RuntimeError` unless the file has the SHA-256 ``expected`` (hex): same version means same weights."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise RuntimeError(f"{path} has SHA-256 {found}, but config.pbtxt names {expected}")


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """CPU session with a fixed number of threads that sleep, not spin, between runs: the worker needs the cores too."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def require_same_tensors(configured: Sequence[dict[str, Any]], found: Sequence[Any]) -> None:
    """Raise `RuntimeError` unless config and ONNX file name the same tensors with the same types."""
    expected = {tensor["name"]: ONNX_TYPES[tensor["data_type"]] for tensor in configured}
    actual = {tensor.name: tensor.type for tensor in found}
    if expected != actual:
        raise RuntimeError(f"config.pbtxt promises {expected}, the ONNX file has {actual}")


def equal_shapes(feeds_of_requests: Sequence[Feeds]) -> list[Group]:
    """Group the inputs of the requests by the shapes that follow the batch axis, in order of appearance."""
    groups = {}
    for index, feeds in enumerate(feeds_of_requests):
        group = groups.setdefault(tuple(array.shape[1:] for array in feeds.values()), Group())
        group.indices.append(index)
        group.feeds.append(feeds)
    return list(groups.values())


def run_together(
    session: onnxruntime.InferenceSession, output_names: list[str], feeds: Sequence[Feeds]
) -> list[tuple[np.ndarray, ...]]:
    """Return the outputs of every request from one run on their concatenation along the batch axis."""
    joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
    outputs = session.run(output_names, joined)
    ends = np.cumsum([len(next(iter(feed.values()))) for feed in feeds])[:-1]
    return list(zip(*(np.split(output, ends) for output in outputs), strict=True))
