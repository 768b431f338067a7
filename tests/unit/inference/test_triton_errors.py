"""Triton's words become the error that says what a person can do; no server needed."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from sarcopenia.domain.errors import (
    InferenceError,
    InferenceRejectedError,
    InferenceTimeoutError,
    ModelUnavailableError,
    QueueFullError,
    ServerUnavailableError,
)
from sarcopenia.domain.results import AcceptanceRule
from sarcopenia.inference.contract import (
    BODY_COMPARTMENTS_TEACHER_CONTRACT,
    COMPARTMENT_COUNT,
    CONTRACTS,
    DEFAULT_MODELS,
    SPINE_WIDTH,
    ModelSet,
)
from sarcopenia.inference.triton import TritonModelClient, inference_error
from sarcopenia.settings import Settings

NOWHERE = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        ("StatusCode.UNAVAILABLE", "failed to connect to all addresses", ServerUnavailableError),
        ("StatusCode.UNAVAILABLE", "Socket closed", ServerUnavailableError),
        ("StatusCode.UNAVAILABLE", "Server is stopping, scheduler has stopped accepting", ServerUnavailableError),
        ("StatusCode.UNAVAILABLE", "Exceeds maximum queue size", QueueFullError),
        ("StatusCode.UNAVAILABLE", "Request timeout expired", QueueFullError),
        (
            "StatusCode.UNAVAILABLE",
            "Request for unknown model: 'm' version 1 is not at ready state",
            ModelUnavailableError,
        ),
        ("StatusCode.NOT_FOUND", "Request for unknown model: 'm' is not found", ModelUnavailableError),
        (
            "StatusCode.INTERNAL",
            "Failed to process the request(s): Stub process 'm_0_0' is not healthy.",
            ModelUnavailableError,
        ),
        ("StatusCode.DEADLINE_EXCEEDED", "Deadline Exceeded", InferenceTimeoutError),
        ("StatusCode.INVALID_ARGUMENT", "unexpected shape for input 'ct_hu'", InferenceRejectedError),
        ("StatusCode.RESOURCE_EXHAUSTED", "Received message larger than max", InferenceRejectedError),
    ],
)
def test_what_triton_says_becomes_what_a_person_can_do(status: str, words: str, kind: type[InferenceError]) -> None:
    error = inference_error(InferenceServerException(words, status=status), "m")
    assert type(error) is kind
    assert error.next_step


def test_an_unknown_failure_stays_an_inference_error_without_raw_words() -> None:
    error = inference_error(InferenceServerException("0xdeadbeef in malloc", status="StatusCode.INTERNAL"), "m")
    assert type(error) is InferenceError
    assert "0xdeadbeef" not in error.message


def test_an_error_without_status_and_words_is_mapped_too() -> None:
    assert type(inference_error(InferenceServerException(None), "m")) is InferenceError


def test_a_rejection_tells_the_words_of_the_server() -> None:
    words = "unexpected shape for input 'ct_hu'"
    error = inference_error(InferenceServerException(words, status="StatusCode.INVALID_ARGUMENT"), "body_compartments")
    assert words in error.message


def test_no_server_is_told_by_every_call_and_never_raised_by_check() -> None:
    with TritonModelClient(NOWHERE, timeout_s=5, metrics_address=NOWHERE) as client:
        with pytest.raises(ServerUnavailableError):
            client.locate_spine(np.zeros((2, 16, SPINE_WIDTH), np.int16))
        with pytest.raises(ServerUnavailableError):
            client.identities()
        health = client.check(deadline_s=5)
    assert [(h.healthy, h.latency_ms, h.pending_requests, h.code) for h in health] == [
        (False, None, None, "server_unavailable")
    ] * len(CONTRACTS)


class StubbornServer:
    """Stands in for tritonclient's client: answers every call with the arrays or the config it was given."""

    def __init__(self, outputs: dict[str, np.ndarray | None], parameters: dict[str, str] | None = None) -> None:
        self._outputs = outputs
        self._parameters = parameters or {}
        self.calls: list[dict[str, Any]] = []

    def infer(self, name: str, inputs: list[Any], **options: Any) -> SimpleNamespace:
        self.calls.append({"name": name, "shape": inputs[0].shape(), **options})
        return SimpleNamespace(as_numpy=self._outputs.get)

    def get_model_config(self, name: str, version: str, client_timeout: float) -> SimpleNamespace:
        values = {key: SimpleNamespace(string_value=text) for key, text in self._parameters.items()}
        return SimpleNamespace(config=SimpleNamespace(parameters=values, backend="onnxruntime"))

    def close(self) -> None:
        pass


def client_of(
    server: StubbornServer, monkeypatch: pytest.MonkeyPatch, models: ModelSet = DEFAULT_MODELS
) -> TritonModelClient:
    monkeypatch.setattr("tritonclient.grpc.InferenceServerClient", lambda url, channel_args: server)
    return TritonModelClient("triton:8001", models, timeout_s=7)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        np.zeros((0,), np.uint8),
        np.zeros((1, 2, COMPARTMENT_COUNT, 32, 32), np.float32),
        np.zeros((1, 2, COMPARTMENT_COUNT + 1, 32, 32), np.uint8),
        np.zeros((1, 2, COMPARTMENT_COUNT, 32, 64), np.uint8),
        np.zeros((1, 0, COMPARTMENT_COUNT, 32, 32), np.uint8),
        np.zeros((2, 2, COMPARTMENT_COUNT, 32, 32), np.uint8),
    ],
    ids=["missing", "empty", "type", "compartments", "size", "no members", "batch"],
)
def test_answers_off_the_contract_are_rejected(answer: np.ndarray | None, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(StubbornServer({"member_probability": answer}), monkeypatch)
    with pytest.raises(InferenceRejectedError):
        client.segment_compartments(np.zeros((1, 32, 32), np.int16))


def test_a_profile_of_another_length_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("vertebral_coordinate", "coordinate_spread", "spine_probability", "rib_probability", "sacrum_probability")
    client = client_of(StubbornServer({name: np.zeros((1, 17), np.float32) for name in names}), monkeypatch)
    with pytest.raises(InferenceRejectedError, match="vertebral_coordinate"):
        client.locate_spine(np.zeros((2, 16, SPINE_WIDTH), np.int16))


@pytest.mark.parametrize(
    ("ssim", "degradation"),
    [((2, 1), (2, 5)), ((1, 1), (2, 6)), ((2,), (2, 6)), ((2, 2), (2, 6))],
    ids=["kinds", "batch", "axes", "values"],
)
def test_ratings_off_the_contract_are_rejected(
    ssim: tuple[int, ...], degradation: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = {
        "predicted_ssim": np.ones(ssim, np.float32),
        "degradation_probability": np.ones(degradation, np.float32),
    }
    client = client_of(StubbornServer(answer), monkeypatch)
    with pytest.raises(InferenceRejectedError):
        client.rate_quality(np.zeros((2, 32, 32), np.int16))


def test_a_rating_that_is_no_number_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN is not below any limit: it would pass."""
    answer = {
        "predicted_ssim": np.full((1, 1), np.nan, np.float32),
        "degradation_probability": np.ones((1, 6), np.float32),
    }
    client = client_of(StubbornServer(answer), monkeypatch)
    with pytest.raises(InferenceRejectedError, match="no number"):
        client.rate_quality(np.zeros((1, 32, 32), np.int16))


@pytest.mark.parametrize("attention", [(1, 4), (3, 1), (1, 3, 1)])
def test_patterns_off_the_contract_are_rejected(attention: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {
        "low_muscle_probability": np.ones((1, 1), np.float32),
        "slice_attention": np.ones(attention, np.float32),
    }
    client = client_of(StubbornServer(answer), monkeypatch, ModelSet(research=True))
    with pytest.raises(InferenceRejectedError):
        client.classify_slab(np.zeros((3, 32, 32), np.int16))


def test_a_model_out_of_the_set_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    server = StubbornServer({})
    client = client_of(server, monkeypatch)
    assert client.classify_slab(np.zeros((1, 32, 32), np.int16)) is None
    assert server.calls == []


def test_the_teacher_is_asked_in_place_of_the_student(monkeypatch: pytest.MonkeyPatch) -> None:
    server = StubbornServer({"member_probability": np.zeros((1, 2, COMPARTMENT_COUNT, 32, 32), np.uint8)})
    teacher = ModelSet(compartments=BODY_COMPARTMENTS_TEACHER_CONTRACT)
    client_of(server, monkeypatch, teacher).segment_compartments(np.zeros((1, 32, 32), np.int16))
    assert [call["name"] for call in server.calls] == ["body_compartments_teacher"]


def test_a_server_that_hides_its_limits_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InferenceRejectedError, match="cov_review_percent"):
        client_of(StubbornServer({}, {"onnx_sha256": "ab" * 32}), monkeypatch).acceptance_rule()


def test_limits_come_from_the_served_config(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters = {"cov_review_percent": "3", "cov_reject_percent": "9", "temperature": "1.5"}
    parameters |= {"ssim_review": "0.8", "ssim_reject": "0.5"}
    rule = client_of(StubbornServer({}, parameters), monkeypatch).acceptance_rule()
    assert rule == AcceptanceRule(3.0, 9.0, 1.5, 0.8, 0.5)


def test_every_call_names_version_and_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    server = StubbornServer({"member_probability": np.zeros((1, 2, COMPARTMENT_COUNT, 32, 32), np.uint8)})
    client_of(server, monkeypatch).segment_compartments(np.zeros((1, 32, 32), np.int16))
    (call,) = server.calls
    assert (call["name"], call["model_version"], call["client_timeout"]) == ("body_compartments", "2", 7)


def test_a_server_that_hides_its_weights_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InferenceRejectedError, match="weights"):
        client_of(StubbornServer({}), monkeypatch).identities()


def test_identity_comes_from_the_served_config(monkeypatch: pytest.MonkeyPatch) -> None:
    server = StubbornServer({}, {"onnx_sha256": "ab" * 32, "precision": "FP16 (TensorRT)"})
    first, *_ = client_of(server, monkeypatch).identities()
    assert (first.name, first.onnx_sha256, first.precision) == ("spine_level", "ab" * 32, "FP16 (TensorRT)")


METRICS = """# HELP nv_inference_pending_request_count Instantaneous number of pending requests
# TYPE nv_inference_pending_request_count gauge
nv_inference_pending_request_count{model="body_compartments",version="1"} 3
nv_inference_pending_request_count{model="spine_level",version="1"} 0
nv_inference_count{model="spine_level",version="1"} 17
"""


class MetricsHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(METRICS.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def metrics_address() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), MetricsHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_queues_come_from_the_metrics(metrics_address: str) -> None:
    with TritonModelClient(NOWHERE, metrics_address=metrics_address) as client:
        pending = {h.name: h.pending_requests for h in client.check(deadline_s=5)}
    assert (pending["spine_level"], pending["body_compartments"]) == (0, 3)


@pytest.mark.parametrize(
    ("triton_url", "url"), [(None, "127.0.0.1:8101"), ("triton.hospital:8001", "triton.hospital:8001")]
)
def test_settings_lead_to_the_given_server_else_to_the_embedded(triton_url: str | None, url: str) -> None:
    settings = replace(Settings.from_environment({}), triton_url=triton_url, triton_grpc_port=8101)
    with TritonModelClient.from_settings(settings) as client:
        assert client.url == url
