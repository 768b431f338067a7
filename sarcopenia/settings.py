"""Settings as data: every setting's name, environment variable, default, unit and meaning, read at one place.

`SETTINGS` is the table that the documentation and the tests read; `Settings.from_environment` is the only reader of
``SARCOPENIA_*`` variables. Nothing here touches the disk: a missing folder fails where it is used.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from platformdirs import user_data_path

from sarcopenia.domain.errors import SettingsError
from sarcopenia.inference.contract import BODY_COMPARTMENTS, COMPARTMENT_CONTRACTS, ModelSet
from sarcopenia.loopback import LOOPBACK

SettingValue = str | int | float | Path | frozenset[str] | None


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes
    ----------
    name: field of `Settings`.
    default: the default in words, as the documentation shows it.
    unit: unit of the value, "" for text.
    help: what it changes, one sentence.
    parse: text of the environment variable -> value; raises `ValueError` with the rule that was broken.
    """

    name: str
    default: str
    unit: str
    help: str
    parse: Callable[[str], SettingValue]

    @property
    def variable(self) -> str:
        """Name of the environment variable, for example ``SARCOPENIA_DATA_DIR``."""
        return f"SARCOPENIA_{self.name.upper()}"


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _url(text: str) -> str:
    if "://" not in text:
        raise ValueError("must be a URL such as sqlite:////srv/records.sqlite3 or file:///srv/blobs")
    return text


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or "/" in text or not port.isdigit():
        raise ValueError("must be HOST:PORT of Triton's gRPC endpoint, for example 127.0.0.1:8001")
    return text


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        message = f"must be a number of seconds from {low:g} to {high:g}"
        try:
            value = float(text)
        except ValueError:
            raise ValueError(message) from None
        if not low <= value <= high:
            raise ValueError(message)
        return value

    return parse


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(choices)}")
        return text

    return parse


def _switch(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError("must be on or off")
    return text.lower() == "on"


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise ValueError("must be names separated by commas, for example: Ann Lee, Ben Roth")
    return names


_PORT: Final = _whole(1, 65535)

SETTINGS: Final = (
    Setting("data_dir", "the user's data folder", "", "Folder of the default database and blob store.", _path),
    Setting("database_url", "SQLite in data_dir", "", "SQLAlchemy URL of the records; sqlite or postgresql.", _url),
    Setting("blob_url", "a folder in data_dir", "", "fsspec URL of the store of uploads, pixels and masks.", _url),
    Setting("model_repository", "beside the package", "", "Folder with the models that Triton serves.", _path),
    Setting("triton_environment", "beside the package", "", "Virtual environment with the embedded Triton.", _path),
    Setting(
        "triton_url", "not set", "", "HOST:PORT of a running Triton (gRPC); not set: start the embedded.", _address
    ),
    Setting("triton_http_port", "8000", "port", "HTTP port of the embedded Triton, on loopback.", _PORT),
    Setting("triton_grpc_port", "8001", "port", "gRPC port of the embedded Triton, on loopback.", _PORT),
    Setting("triton_metrics_port", "8002", "port", "Metrics port of the embedded Triton, on loopback.", _PORT),
    Setting(
        "compartment_model",
        BODY_COMPARTMENTS,
        "",
        "Model that outlines muscle and fat; the teacher is for servers with a GPU.",
        _one_of(*(contract.name for contract in COMPARTMENT_CONTRACTS)),
    ),
    Setting("research", "off", "", "Load the experimental pattern classifier and show its view.", _switch),
    Setting(
        "signers", "everybody", "", "Names, separated by commas, of those who may sign; not set: everybody.", _names
    ),
    Setting("dashboard_port", "8501", "port", "Port of the dashboard, on loopback.", _PORT),
    Setting("lease_s", "60", "s", "A job whose worker is silent for so long is taken over.", _seconds(1, 3600)),
    Setting("poll_s", "1", "s", "How long an idle worker waits before it looks for work again.", _seconds(0.05, 60)),
    Setting("max_attempts", "3", "tries", "How often a job is tried before it is given up.", _whole(1, 20)),
)
"""Every setting, in the order of the documentation."""


@dataclass(frozen=True)
class Settings:
    """The settings of one process; see `SETTINGS` for units and meaning."""

    data_dir: Path
    database_url: str
    blob_url: str
    model_repository: Path
    triton_environment: Path
    triton_url: str | None = None
    triton_http_port: int = 8000
    triton_grpc_port: int = 8001
    triton_metrics_port: int = 8002
    compartment_model: str = BODY_COMPARTMENTS
    research: bool = False
    signers: frozenset[str] | None = None
    dashboard_port: int = 8501
    lease_s: float = 60.0
    poll_s: float = 1.0
    max_attempts: int = 3

    @property
    def triton_address(self) -> str:
        """HOST:PORT of the gRPC endpoint: of the given Triton, else of the embedded one of this machine."""
        return self.triton_url or f"{LOOPBACK}:{self.triton_grpc_port}"

    @property
    def models(self) -> ModelSet:
        """The models that these settings ask for."""
        (compartments,) = [each for each in COMPARTMENT_CONTRACTS if each.name == self.compartment_model]
        return ModelSet(compartments=compartments, research=self.research)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Read the variables named in `SETTINGS`; a variable that is absent or blank leaves the default.

        Raises `SettingsError` naming the variable, the rule and what to do.
        """
        environment = os.environ if environment is None else environment
        given = {s.name: _read(s, environment[s.variable]) for s in SETTINGS if environment.get(s.variable, "").strip()}
        data_dir = given.setdefault("data_dir", user_data_path("sarcopenia-dashboard"))
        given.setdefault("database_url", f"sqlite:///{data_dir}/records.sqlite3")
        given.setdefault("blob_url", f"file://{data_dir}/blobs")
        beside_the_package = Path(__file__).resolve().parents[1]
        given.setdefault("model_repository", beside_the_package / "model_repository")
        given.setdefault("triton_environment", beside_the_package / ".venv-triton")
        return cls(**given)  # type: ignore[arg-type] # each parser gives its field's type; a test holds them together


def _read(setting: Setting, text: str) -> SettingValue:
    try:
        return setting.parse(text.strip())
    except ValueError as error:
        raise SettingsError(
            f"{setting.variable} is {text.strip()!r}, but {error}.",
            f"Correct {setting.variable} or remove it (default: {setting.default}). {setting.help}",
        ) from error
