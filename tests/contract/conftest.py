"""Servers and clients of the contract tests: the embedded Triton on tiny models, the fake, and the published models."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from inference_server.serve import triton_launch
from inference_server.supervisor import EmbeddedTriton, SupervisionPolicy
from inference_server.triton_process import TritonPorts
from sarcopenia.inference.contract import DEFAULT_MODELS, ModelContract, ModelSet
from sarcopenia.inference.fake import FakeModelClient
from sarcopenia.inference.port import ModelClient
from sarcopenia.inference.triton import TritonModelClient
from sarcopenia.settings import Settings
from tests.contract.tiny_models import REPOSITORY, write_tiny_repository

EVERYTHING = ModelSet(research=True)
"""The tiny server and the fake play the largest set that an installation can have."""
QUICK = SupervisionPolicy(poll_s=0.1, canary_every_s=0.5, first_pause_s=0.1)


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def settings(tiny_repository: Path, tmp_path: Path) -> Settings:
    """Settings with the tiny models, an empty data folder and free ports."""
    ports = TritonPorts.free()
    return replace(
        Settings.from_environment({}),
        data_dir=tmp_path / "data",
        model_repository=tiny_repository,
        triton_http_port=ports.http,
        triton_grpc_port=ports.grpc,
        triton_metrics_port=ports.metrics,
    )


def serve_and_connect(repository: Path, models: ModelSet) -> Iterator[TritonModelClient]:
    settings = replace(Settings.from_environment({}), model_repository=repository)
    with triton_launch(settings, TritonPorts.free()) as launch:
        whole = replace(launch, models=models)
        with (
            EmbeddedTriton(whole, QUICK),
            TritonModelClient(whole.ports.grpc_address, models, metrics_address=whole.ports.metrics_address) as client,
        ):
            yield client


@pytest.fixture(scope="session")
def tiny_triton(tiny_repository: Path) -> Iterator[TritonModelClient]:
    """The embedded server on the tiny models; tests must leave it as it is."""
    yield from serve_and_connect(tiny_repository, EVERYTHING)


@pytest.fixture(scope="session")
def published_triton() -> Iterator[TritonModelClient]:
    """The embedded server on the models of the repository."""
    yield from serve_and_connect(REPOSITORY, DEFAULT_MODELS)


@pytest.fixture(
    params=[
        "fake",
        pytest.param("tiny_triton", marks=pytest.mark.triton),
        pytest.param("published_triton", marks=pytest.mark.triton),
    ]
)
def models(request: pytest.FixtureRequest) -> ModelClient:
    """Each implementation of the port in turn."""
    return FakeModelClient(models=EVERYTHING) if request.param == "fake" else request.getfixturevalue(request.param)


@pytest.fixture
def contracts(request: pytest.FixtureRequest) -> tuple[ModelContract, ...]:
    """Contracts of the set that `models` plays."""
    published = request.node.callspec.params["models"] == "published_triton"
    return (DEFAULT_MODELS if published else EVERYTHING).contracts
