"""Frozen dataclasses of the domain <-> JSON, driven by their type hints; no class needs code of its own.

A stored payload outlives the software that wrote it: a field that is missing in the payload takes the default of its
class, a field that the class no longer has is ignored. NaN and infinity are refused, since JSON has none.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Hashable
from datetime import date
from enum import Enum
from functools import cache
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def encode(value: object) -> Any:  # noqa: ANN401 # JSON has no closed static type that the database layer accepts
    """JSON value of a dataclass, enum, date, tuple, number, text or ``None``.

    Raises `ValueError` for a number that is not finite and `TypeError` for what has no JSON form.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored: JSON has finite numbers only")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def decode(kind: type[T], data: object) -> T:
    """Object of type ``kind`` from what `encode` gave; raises `ValueError`, `TypeError` or `KeyError` if unfit."""
    return typing.cast("T", _decode(kind, data))


def _decode(kind: Any, data: Any) -> object:  # noqa: ANN401 # type hints are values of no common type
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(typing.get_args(kind), data)
    if origin is tuple:
        return _decode_tuple(typing.get_args(kind), data)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast("type[Any]", kind), data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if kind is date:
        return date.fromisoformat(data)
    return kind(data)


def _decode_union(options: tuple[Any, ...], data: Any) -> object:  # noqa: ANN401
    if data is None and type(None) in options:
        return None
    others = [option for option in options if option is not type(None)]
    if len(others) == 1:
        return _decode(others[0], data)
    return next(data for option in others if isinstance(data, option))


def _decode_tuple(items: tuple[Any, ...], data: list[Any]) -> tuple[object, ...]:
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_decode(items[0], item) for item in data)
    return tuple(_decode(item_kind, item) for item_kind, item in zip(items, data, strict=True))


def _decode_dataclass(kind: type[Any], data: dict[str, Any]) -> object:
    hints = _hints(typing.cast("Hashable", kind))
    return kind(**{f.name: _decode(hints[f.name], data[f.name]) for f in dataclasses.fields(kind) if f.name in data})


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    # Resolving them takes half of the time of a decoding, and they never change.
    return typing.get_type_hints(kind)
