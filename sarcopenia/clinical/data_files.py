"""The data files of this package: read, and checked so that a missing, unknown or mistyped field is named.

A number without its source is worse than no number, so nothing is filled in: a field without a default in the dataclass
must be written in the file.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from importlib import resources
from types import GenericAlias, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from sarcopenia.domain.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NEXT_STEP = "Correct that entry of the file in sarcopenia/clinical, or install the package again."
Member = TypeVar("Member", bound=StrEnum)


def entries_of(file: str, table: str) -> list[dict[str, Any]]:
    """Entries ``[[table]]`` of a TOML file of this package."""
    text = resources.files("sarcopenia.clinical").joinpath(file).read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)[table]
    return found


def checked(kind: "type[DataclassInstance]", entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Fields of one entry, arrays as tuples, held against the dataclass they are for.

    ``where`` says in the error which entry of which file it is.

    Raises
    ------
    SettingsError: a field is missing, unknown or of the wrong type.
    """
    known = {field.name: field for field in fields(kind)}
    missing = [name for name, field in known.items() if field.default is MISSING and name not in entry]
    unknown = [name for name in entry if name not in known]
    hints = get_type_hints(kind)
    mistyped = [name for name in entry if name in known and not _fits(entry[name], hints[name])]
    for what, names in (("is missing", missing), ("is unknown", unknown), ("has the wrong type", mistyped)):
        if names:
            raise faulty(where, f"{', '.join(names)} {what}")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}


def member(kind: type[Member], value: str, where: str) -> Member:
    """One of the values of an enumeration.

    Raises
    ------
    SettingsError: it is none of them.
    """
    if value not in list(kind):
        raise faulty(where, f"“{value}” is not one of {', '.join(kind)}")
    return kind(value)


def faulty(where: str, what: str) -> SettingsError:
    """The error for a wrong entry."""
    return SettingsError(f"{where}: {what}", NEXT_STEP)


def _fits(value: object, hint: type | UnionType | GenericAlias) -> bool:
    if get_origin(hint) is tuple:
        return isinstance(value, list)
    kinds = get_args(hint) or (hint,)
    if isinstance(value, bool):
        return bool in kinds
    return any(_is_a(value, kind) for kind in kinds)


def _is_a(value: object, kind: type) -> bool:
    if issubclass(kind, StrEnum):
        return isinstance(value, str)
    return isinstance(value, (int, float) if kind is float else kind)
