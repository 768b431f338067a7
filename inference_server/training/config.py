"""The options of every training, from TOML: the defaults in ``training.toml``, and what a file of one's own overrides.

The file is read against the dataclasses below: an unknown key or a value of another type is refused by its name.
"""

import tomllib
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final, get_args, get_origin, get_type_hints

from sarcopenia.domain.errors import SettingsError

DEFAULTS: Final = Path(__file__).with_name("training.toml")


@dataclass(frozen=True)
class PhantomConfig:
    """How many random people are made: spines for `spine_level`, people with axial slices for the others."""

    spines: int
    people: int


@dataclass(frozen=True)
class PretrainConfig:
    """Masked auto-encoding."""

    steps: int
    batch_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class CompartmentsConfig:
    """The teacher's members: ``cycle_ends`` are the steps at which members are kept; shares lie in 0..1."""

    cycle_ends: tuple[int, ...]
    batch_size: int
    phantom_share: float
    labelled_share: float
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class DistilConfig:
    """The student: ``pool`` slices are answered by the teacher."""

    pool: int
    steps: int
    batch_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class SpineConfig:
    """`spine_level`."""

    steps: int
    batch_size: int
    phantom_share: float
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class QualityConfig:
    """`scan_quality`."""

    steps: int
    batch_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class ClassifierConfig:
    """`sarcopenia_classifier`: ``bags`` for each person, and as many phantoms as ``phantom_count``."""

    bags: int
    phantom_count: int
    steps: int
    batch_size: int
    learning_rate: float
    seed: int


@dataclass(frozen=True)
class TrainingConfig:
    """All of it; ``threads`` are the cores that torch uses."""

    threads: int
    phantoms: PhantomConfig
    pretrain: PretrainConfig
    body_compartments: CompartmentsConfig
    distil: DistilConfig
    spine_level: SpineConfig
    scan_quality: QualityConfig
    sarcopenia_classifier: ClassifierConfig

    def with_seed(self, seed: int) -> "TrainingConfig":
        """The same with another seed for every training."""
        seeded = {
            field.name: replace(section, seed=seed)
            for field in fields(self)
            if hasattr(section := getattr(self, field.name), "seed")
        }
        return replace(self, **seeded)


def read_config(overrides: Path | None = None) -> TrainingConfig:
    """The defaults, with what a file of the same form names put over them.

    Raises
    ------
    SettingsError: not TOML, an unknown key, or a value of another type.
    """
    content = _read_toml(DEFAULTS)
    if overrides is not None:
        content = _merged(content, _read_toml(overrides))
    config = _built(TrainingConfig, content, "", overrides or DEFAULTS)
    assert isinstance(config, TrainingConfig)  # noqa: S101 # tells mypy what _built made
    return config


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = {
        key: _merged(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
        for key, value in above.items()
    }
    return below | merged


def _built(kind: type, value: Any, key: str, path: Path) -> object:  # noqa: ANN401 - whatever the file holds
    """``value`` as an instance of ``kind``: a section, a tuple of numbers, or a number."""
    if is_dataclass(kind) and isinstance(value, dict):
        kinds = get_type_hints(kind)
        if unknown := sorted(value.keys() - kinds.keys()):
            raise SettingsError(f"{path}: unknown {_joined(key, unknown[0])}; known are {', '.join(kinds)}.")
        return kind(**{name: _built(kinds[name], inner, _joined(key, name), path) for name, inner in value.items()})
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_built(get_args(kind)[0], inner, key, path) for inner in value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise SettingsError(f"{path}: {key} = {value!r} is not of the kind {getattr(kind, '__name__', kind)}.")
    return value


def _joined(section: str, key: str) -> str:
    return f"{section}.{key}" if section else key
