"""`sarcopenia doctor`: is this machine set up? One finding a line, each saying what to do."""

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sarcopenia.domain.errors import SarcopeniaError
from sarcopenia.loopback import answers
from sarcopenia.settings import Settings


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is well, and a sentence."""

    subject: str
    healthy: bool
    text: str


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Look at Python, Triton, the models, the records and the ports."""
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("Python", _python),
        ("Triton", _triton),
        ("Models", _models),
        ("Records", _records),
    )
    return (*(_finding(name, check, settings) for name, check in checks), *_ports(settings))


def _finding(subject: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(subject, True, check(settings))
    except SarcopeniaError as error:
        return Finding(subject, False, f"{error.message} {error.next_step}")


def _python(_: Settings) -> str:
    return f"{platform.python_version()} at {sys.executable}"


def _triton(settings: Settings) -> str:
    from inference_server.serve import require_serving  # noqa: PLC0415 # only this check needs the server
    from inference_server.triton_installation import find_triton  # noqa: PLC0415

    if settings.triton_url is not None:
        require_serving(settings.triton_url, settings.models)
        return f"external, answers at {settings.triton_url}"
    return f"embedded, in {find_triton(settings.triton_environment).server.parent}"


def _models(settings: Settings) -> str:
    from inference_server.triton_process import require_models  # noqa: PLC0415 # only this check needs the server

    require_models(settings.model_repository, settings.models)
    names = ", ".join(contract.name for contract in settings.models.contracts)
    return f"{names} in {settings.model_repository}"


def _records(settings: Settings) -> str:
    from sarcopenia.records import open_records  # noqa: PLC0415 # opening migrates; only this check wants that

    open_records(settings)
    return settings.database_url.split("@")[-1]


def _ports(settings: Settings) -> Iterator[Finding]:
    """A taken port is well when the product itself runs; this only tells."""
    for name in ("dashboard_port", "triton_grpc_port", "triton_http_port", "triton_metrics_port"):
        port = getattr(settings, name)
        state = "in use (by this product if it runs)" if answers(port) else "free"
        yield Finding(f"Port {port}", True, f"{state}; SARCOPENIA_{name.upper()}")
