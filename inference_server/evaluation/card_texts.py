"""What a model card says besides figures: intended use, how it was trained, limits, and where the data come from.

The words stand in ``cards.toml``.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

TEXTS: Final = Path(__file__).with_name("cards.toml")


@dataclass(frozen=True)
class DataSource:
    """Scans of one collection: their names in the annotated CT, the collection with its DOI, licence, and use."""

    names: tuple[str, ...]
    collection: str
    licence: str
    use: str


@dataclass(frozen=True)
class CardText:
    """The words of one card; ``evidence`` are the pages of docs/evidence that it leans on."""

    model: str
    intended_use: str
    training: str
    limits: tuple[str, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class CardTexts:
    """All cards, the sources that they share, and how the labels were made."""

    cards: tuple[CardText, ...]
    sources: tuple[DataSource, ...]
    labels: str


@cache
def card_texts() -> CardTexts:
    """Everything in ``cards.toml``."""
    content = tomllib.loads(TEXTS.read_text(encoding="utf-8"))
    return CardTexts(
        tuple(CardText(**_fields(entry)) for entry in content["card"]),
        tuple(DataSource(**_fields(entry)) for entry in content["source"]),
        _one_line(content["labels"]),
    )


def _fields(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else _one_line(value) for key, value in entry.items()}


def _one_line(text: str) -> str:
    return " ".join(text.split())
