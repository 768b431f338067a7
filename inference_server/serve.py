"""The inference server as the product uses it: an embedded Triton under supervision, or a given one, checked.

    with embedded_triton(settings) as url:             # a test, one command: own free ports, gone afterwards
    with triton_service(settings) as url:              # `sarcopenia run | serve`: ports of the settings, a state file
    with running_or_embedded_triton(settings) as url:  # `sarcopenia assess`: the one that runs, else an own one

With SARCOPENIA_TRITON_URL set nothing is started by any of them: the external server is checked and its address given.
Each raises, before the body runs, `SettingsError` (Triton missing, port taken …) or an `InferenceError` (no answer).
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from inference_server.supervisor import DEFAULT_POLICY, EmbeddedTriton, SupervisionPolicy
from inference_server.triton_installation import find_triton
from inference_server.triton_process import TritonLaunch, TritonPorts, prepare_backends, require_models
from sarcopenia.domain.errors import ModelUnavailableError, QueueFullError, ServerUnavailableError
from sarcopenia.inference.contract import ModelSet
from sarcopenia.inference.supervision import write_supervision
from sarcopenia.inference.triton import TritonModelClient
from sarcopenia.settings import Settings

CHECK_DEADLINE_S: Final = 10.0
"""Deadline of each canary when a server that should be there already is checked."""
LOG_FILE: Final = Path("logs") / "triton.log"
"""Log of the long-running server, in the data folder; it begins anew with every supervisor."""


@contextmanager
def triton_launch(settings: Settings, ports: TritonPorts, log_file: Path | None = None) -> Iterator[TritonLaunch]:
    """Prepare a start in a temporary folder, which also holds the log unless ``log_file`` is given.

    Raises
    ------
    SettingsError: Triton or its environment is missing or unfit, or the model repository is not complete.
    """
    installation = find_triton(settings.triton_environment)
    require_models(settings.model_repository, settings.models)
    with tempfile.TemporaryDirectory(prefix="sarcopenia-triton-") as name:
        folder = Path(name)
        backends = prepare_backends(installation, folder)
        log_file = log_file or folder / "triton.log"
        yield TritonLaunch(installation, backends, settings.model_repository, settings.models, ports, log_file)


@contextmanager
def embedded_triton(
    settings: Settings, *, ports: TritonPorts | None = None, policy: SupervisionPolicy = DEFAULT_POLICY
) -> Iterator[str]:
    """Serve the models on free ports (or the given ones) while the body runs; gives HOST:PORT of the gRPC endpoint."""
    if settings.triton_url is not None:
        require_serving(settings.triton_url, settings.models)
        yield settings.triton_url
        return
    with triton_launch(settings, ports or TritonPorts.free()) as launch:
        server = EmbeddedTriton(launch, policy)
        server.start()
        try:
            yield launch.ports.grpc_address
        finally:
            server.stop(wait_for_requests=False)  # the body was the only one to be served


@contextmanager
def triton_service(settings: Settings, *, policy: SupervisionPolicy = DEFAULT_POLICY) -> Iterator[str]:
    """Serve the models on the ports of the settings, and tell other processes about it through the data folder."""
    if settings.triton_url is not None:
        require_serving(settings.triton_url, settings.models)
        yield settings.triton_url
        return
    ports = TritonPorts.of(settings)
    ports.require_free()
    log_file = settings.data_dir / LOG_FILE
    log_file.unlink(missing_ok=True)
    report = partial(write_supervision, settings.data_dir)
    with triton_launch(settings, ports, log_file) as launch, EmbeddedTriton(launch, policy, report):
        yield launch.ports.grpc_address


@contextmanager
def running_or_embedded_triton(settings: Settings) -> Iterator[str]:
    """Use the server that runs on the ports of the settings, if all its models answer; else start one for the body."""
    running = TritonPorts.of(settings).grpc_address
    if settings.triton_url is None and _is_serving(running, settings.models):
        yield running
        return
    with embedded_triton(settings) as url:
        yield url


def require_serving(url: str, models: ModelSet) -> None:
    """Raise `ServerUnavailableError` or `ModelUnavailableError` unless a given Triton answers with every model."""
    with TritonModelClient(url, models) as client:
        health = client.check(CHECK_DEADLINE_S)
    ill = [each for each in health if not each.healthy and each.code != QueueFullError.code]
    if not ill:
        return
    next_step = "Start or repair that server, or remove SARCOPENIA_TRITON_URL to use the embedded one."
    words = " ".join(dict.fromkeys(each.message for each in ill))
    if ill[0].code == ServerUnavailableError.code:
        raise ServerUnavailableError(f"No Triton answers at {url} (SARCOPENIA_TRITON_URL).", next_step)
    raise ModelUnavailableError(f"The Triton at {url} (SARCOPENIA_TRITON_URL) does not work: {words}", next_step)


def _is_serving(url: str, models: ModelSet) -> bool:
    with TritonModelClient(url, models) as client:
        return all(each.healthy for each in client.check(CHECK_DEADLINE_S))
