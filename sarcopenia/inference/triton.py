"""The models behind NVIDIA Triton, over gRPC: the product's only use of tritonclient.

Every call names the model version and a deadline, and every failure becomes the fitting `InferenceError` in one place,
`inference_error`. One client may be used by many threads: calls share one gRPC channel and nothing else.
"""

import http.client
import re
import time
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from tritonclient import grpc as triton_grpc
from tritonclient.utils import InferenceServerException

from sarcopenia.domain.errors import (
    InferenceError,
    InferenceRejectedError,
    InferenceTimeoutError,
    ModelUnavailableError,
    QueueFullError,
    ServerUnavailableError,
)
from sarcopenia.domain.results import AcceptanceRule, ModelIdentity
from sarcopenia.inference.acceptance import acceptance_rule
from sarcopenia.inference.checks import (
    require_axial_slices,
    require_member_probability,
    require_pattern,
    require_rating,
    require_spine_projections,
    require_tensor,
)
from sarcopenia.inference.contract import (
    AIR_HU,
    DEFAULT_MODELS,
    SARCOPENIA_CLASSIFIER_CONTRACT,
    SCAN_QUALITY_CONTRACT,
    SPINE_LEVEL_CONTRACT,
    ModelContract,
    ModelSet,
    TensorSpec,
)
from sarcopenia.inference.port import ModelHealth, QualityRating, SlabPattern, SpineProfile
from sarcopenia.settings import Settings

CALL_TIMEOUT_S: Final = 60.0
"""Deadline of one call; eight slices take seconds on two busy cores, so a minute means that something is wrong."""
METRICS_TIMEOUT_S: Final = 2.0
PENDING_METRIC: Final = re.compile(
    r'^nv_inference_pending_request_count\{model="(?P<model>[^"]+)",version="(?P<version>[^"]+)"\} (?P<count>[0-9.]+)',
    re.MULTILINE,
)

CHANNEL_OPTIONS: Final = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # After a restart of the server the next call must find it: gRPC's own back-off would grow to two minutes, and
    # would be shared by every client of the process.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
    # Triton is on this machine or in the same network; a proxy for the internet is not the way to it.
    ("grpc.enable_http_proxy", 0),
]

ERROR_RULES: Final = (
    # (gRPC status, "" = any; part of Triton's message in lower case; what it means; what to say)
    ("", "stub process", ModelUnavailableError, "The process of the model {model} ended on the server."),
    ("", "maximum queue size", QueueFullError, "The queue of the model {model} is full."),
    ("", "request timeout expired", QueueFullError, "The request waited too long in the queue of the model {model}."),
    ("", "unknown model", ModelUnavailableError, "The server does not serve the model {model} in this version."),
    ("NOT_FOUND", "", ModelUnavailableError, "The server does not serve the model {model} in this version."),
    ("DEADLINE_EXCEEDED", "", InferenceTimeoutError, "The model {model} did not answer in time."),
    ("UNAVAILABLE", "", ServerUnavailableError, "No inference server answers."),
    ("INVALID_ARGUMENT", "", InferenceRejectedError, "The model {model} refuses the request: {text}"),
    ("RESOURCE_EXHAUSTED", "", InferenceRejectedError, "The request to the model {model} is too large for the server."),
)
"""The first rule that fits decides; Triton tells several conditions of one status apart in words only."""


def inference_error(error: InferenceServerException, model: str) -> InferenceError:
    """Map what tritonclient raises to the error that says what a person can do."""
    status, text = str(error.status() or "").removeprefix("StatusCode."), str(error.message() or "")
    for rule_status, part, kind, message in ERROR_RULES:
        if rule_status in ("", status) and part in text.lower():
            return kind(message.format(model=model, text=text))
    return InferenceError(f"The model {model} failed on the server.")


class TritonModelClient:
    """`sarcopenia.inference.port.ModelClient` over gRPC; use it as a context manager, or call `close`.

    Parameters
    ----------
    url: HOST:PORT of Triton's gRPC endpoint; ``timeout_s``: deadline of one call.
    models: the models to work with; a server may serve more, which are never asked.
    metrics_address: HOST:PORT of Triton's metrics endpoint, for the length of the queues; ``None``: not asked.
    """

    def __init__(
        self,
        url: str,
        models: ModelSet = DEFAULT_MODELS,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        metrics_address: str | None = None,
    ) -> None:
        self.url = url
        self._models = models
        self._timeout_s = timeout_s
        self._metrics_address = metrics_address
        self._client = triton_grpc.InferenceServerClient(url, channel_args=CHANNEL_OPTIONS)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Connect to the given Triton, else to the embedded one; the metrics are on the same host."""
        url = settings.triton_address
        metrics_address = f"{url.rpartition(':')[0]}:{settings.triton_metrics_port}"
        return cls(url, settings.models, metrics_address=metrics_address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel; calls under way end with an `InferenceError`."""
        self._client.close()

    def locate_spine(self, projections_hu_czw: NDArray[np.int16]) -> SpineProfile:
        """See `ModelClient.locate_spine`."""
        require_spine_projections(projections_hu_czw)
        answer = self._infer(SPINE_LEVEL_CONTRACT, projections_hu_czw[None], self._timeout_s)
        rows = projections_hu_czw.shape[1]
        for spec in SPINE_LEVEL_CONTRACT.outputs:
            require_tensor(spec.name, answer[spec.name], spec.data_type, (1, rows))
        return SpineProfile(
            coordinate_z=answer["vertebral_coordinate"][0],
            spread_z=answer["coordinate_spread"][0],
            spine_z=answer["spine_probability"][0],
            rib_z=answer["rib_probability"][0],
            sacrum_z=answer["sacrum_probability"][0],
        )

    def segment_compartments(self, slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
        """See `ModelClient.segment_compartments`; more slices than a batch holds go in several calls."""
        require_axial_slices(slices_hu_nyx)
        contract = self._models.compartments
        return np.concatenate([self._member_probability(batch) for batch in _batches(slices_hu_nyx, contract)])

    def rate_quality(self, slices_hu_nyx: NDArray[np.int16]) -> QualityRating:
        """See `ModelClient.rate_quality`."""
        require_axial_slices(slices_hu_nyx)
        ratings = [self._rating(batch) for batch in _batches(slices_hu_nyx, SCAN_QUALITY_CONTRACT)]
        return QualityRating(*(np.concatenate(parts) for parts in zip(*ratings, strict=True)))

    def classify_slab(self, slab_hu_nyx: NDArray[np.int16]) -> SlabPattern | None:
        """See `ModelClient.classify_slab`."""
        require_axial_slices(slab_hu_nyx)
        if not self._models.research:
            return None
        answer = self._infer(SARCOPENIA_CLASSIFIER_CONTRACT, slab_hu_nyx[None], self._timeout_s)
        probability, attention = answer["low_muscle_probability"], answer["slice_attention"]
        require_pattern(probability, attention, len(slab_hu_nyx))
        return SlabPattern(float(probability[0, 0]), attention[0])

    def identities(self) -> tuple[ModelIdentity, ...]:
        """Identities from the configuration that the server itself reports, so that they hold for a remote one too.

        Raises
        ------
        InferenceRejectedError: the server does not say which weights it serves.
        """
        return tuple(self._identity(contract) for contract in self._models.contracts)

    def acceptance_rule(self) -> AcceptanceRule:
        """Limits from the configuration that the server itself reports.

        Raises
        ------
        InferenceRejectedError: the server does not tell them.
        """
        parameters = {c.name: _parameters(self._config(c)) for c in self._models.contracts}
        return acceptance_rule(self._models, parameters)

    def check(self, deadline_s: float = 5.0) -> tuple[ModelHealth, ...]:
        """See `ModelClient.check`. Triton's own readiness is not asked: it stays true when a model's process died."""
        pending = self._pending_requests()
        return tuple(self._canary(each, deadline_s, pending.get(each.name)) for each in self._models.contracts)

    def _member_probability(self, slices_hu_nyx: NDArray[np.int16]) -> NDArray[np.uint8]:
        answer = self._infer(self._models.compartments, slices_hu_nyx[:, None], self._timeout_s)
        require_member_probability(answer["member_probability"], slices_hu_nyx)
        return answer["member_probability"]

    def _rating(self, slices_hu_nyx: NDArray[np.int16]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Predicted SSIM (n,) and probabilities of the degradations (n, 6) of one batch."""
        answer = self._infer(SCAN_QUALITY_CONTRACT, slices_hu_nyx[:, None], self._timeout_s)
        ssim, degradation = answer["predicted_ssim"], answer["degradation_probability"]
        require_rating(ssim, degradation, len(slices_hu_nyx))
        return ssim[:, 0], degradation

    def _infer(self, contract: ModelContract, batch: NDArray[np.int16], timeout_s: float) -> dict[str, NDArray[Any]]:
        """Return the outputs of one call by name, held to the contract."""
        (spec,) = contract.inputs
        tensor = triton_grpc.InferInput(spec.name, batch.shape, spec.data_type.removeprefix("TYPE_"))
        tensor.set_data_from_numpy(np.ascontiguousarray(batch))
        outputs = [triton_grpc.InferRequestedOutput(output.name) for output in contract.outputs]
        try:
            result = self._client.infer(
                contract.name, [tensor], model_version=contract.version, outputs=outputs, client_timeout=timeout_s
            )
        except InferenceServerException as error:
            raise inference_error(error, contract.name) from error
        return {spec.name: _output(spec, result.as_numpy(spec.name), len(batch)) for spec in contract.outputs}

    def _config(self, contract: ModelContract) -> Any:  # noqa: ANN401 # a protobuf message without types
        """Return the configuration of a model as the server reports it."""
        try:
            return self._client.get_model_config(contract.name, contract.version, client_timeout=self._timeout_s).config
        except InferenceServerException as error:
            raise inference_error(error, contract.name) from error

    def _identity(self, contract: ModelContract) -> ModelIdentity:
        config = self._config(contract)
        parameters = _parameters(config)
        if not parameters.get("onnx_sha256"):
            raise InferenceRejectedError(
                f"The server does not say which weights of the model {contract.name} it serves."
            )
        return ModelIdentity(
            name=contract.name,
            version=contract.version,
            onnx_sha256=parameters["onnx_sha256"],
            precision=parameters.get("precision", "unknown"),
            backend=config.backend,
        )

    def _canary(self, contract: ModelContract, deadline_s: float, pending: int | None) -> ModelHealth:
        air = np.full((1, *contract.canary_dims), AIR_HU, np.int16)
        start = time.perf_counter()
        try:
            self._infer(contract, air, deadline_s)
        except InferenceError as error:
            return ModelHealth(contract.name, contract.version, False, None, pending, error.message, error.code)
        latency_ms = (time.perf_counter() - start) * 1000
        return ModelHealth(contract.name, contract.version, True, latency_ms, pending, "The model answers.")

    def _pending_requests(self) -> dict[str, int]:
        """Return the requests waiting per model, from Triton's metrics; empty when they cannot be read."""
        if self._metrics_address is None:
            return {}
        connection = http.client.HTTPConnection(self._metrics_address, timeout=METRICS_TIMEOUT_S)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return {}
        finally:
            connection.close()
        return {match["model"]: int(float(match["count"])) for match in PENDING_METRIC.finditer(text)}


def _batches(slices_hu_nyx: NDArray[np.int16], contract: ModelContract) -> list[NDArray[np.int16]]:
    size = contract.max_batch_size
    return [slices_hu_nyx[start : start + size] for start in range(0, len(slices_hu_nyx), size)]


def _parameters(config: Any) -> dict[str, str]:  # noqa: ANN401 # a protobuf message without types
    return {key: value.string_value for key, value in config.parameters.items()}


def _output(spec: TensorSpec, array: NDArray[Any] | None, batch_size: int) -> NDArray[Any]:
    shape = (batch_size, *(None if size == -1 else size for size in spec.dims))
    return require_tensor(spec.name, array, spec.data_type, shape)
