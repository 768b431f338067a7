"""A list of planned operations as a CSV file, the way a theatre schedule is exported: read row by row, never guessed.

Columns are found by their names in any order; a comma, semicolon or tab separates them. Dates are ISO 8601 or
day.month.year; ``04/05/2026`` means two different days in two countries and is refused.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from sarcopenia.domain.errors import InputError

COLUMNS: Final = {
    "hospital_number": ("hospital number", "patient id", "patientid", "mrn"),
    "day": ("date", "operation date", "day"),
    "procedure": ("procedure", "operation"),
    "surgeon": ("surgeon",),
    "patient_name": ("name", "patient", "patient name"),
    "note": ("note", "remark", "comment"),
}
"""Names of each column, compared without case, underscores and surrounding blanks."""
REQUIRED: Final = ("hospital_number", "day", "procedure")
MAX_ROWS: Final = 5000


@dataclass(frozen=True)
class OperationLine:
    """One operation of the list; ``number`` is its line in the file, the header being line 1."""

    number: int
    hospital_number: str
    day: date
    procedure: str
    surgeon: str
    patient_name: str
    note: str


@dataclass(frozen=True)
class RefusedLine:
    """A line that cannot be used, and why."""

    number: int
    reason: str


@dataclass(frozen=True)
class OperationList:
    """What a file holds: the lines to plan, and the lines a person must mend."""

    lines: tuple[OperationLine, ...]
    refused: tuple[RefusedLine, ...]


def read_operation_list(content: bytes, procedures: Mapping[str, str]) -> OperationList:
    """Read a CSV file of planned operations.

    Parameters
    ----------
    content: UTF-8 text, with or without byte order mark.
    procedures: code of every procedure by what a list may call it, in lower case.

    Raises
    ------
    InputError: no text, no header with the needed columns, or more than `MAX_ROWS` lines.
    """
    rows = _rows(content)
    header = next(rows, None)
    if header is None:
        raise InputError("The file is empty.", "Export the list again as CSV with a header line.")
    places = _places(header[1])
    lines: list[OperationLine] = []
    refused: list[RefusedLine] = []
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(lines) + len(refused) == MAX_ROWS:
            raise InputError(f"The list has more than {MAX_ROWS} operations.", "Export a shorter time span.")
        try:
            lines.append(_line(number, row, places, procedures))
        except ValueError as error:
            refused.append(RefusedLine(number, str(error)))
    return OperationList(tuple(lines), tuple(refused))


def _rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("The file is not UTF-8 text.", "Save the list as CSV in UTF-8.") from error
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    try:
        yield from enumerate(csv.reader(io.StringIO(text), delimiter=separator), start=1)
    except csv.Error as error:
        raise InputError(f"The file cannot be read as CSV: {error}.", "Export the list again as CSV.") from error


def _places(header: list[str]) -> dict[str, int]:
    """Column of every field that the header names."""
    names = [cell.strip().lower().replace("_", " ") for cell in header]
    found = {
        field: next((names.index(alias) for alias in aliases if alias in names), None)
        for field, aliases in COLUMNS.items()
    }
    missing = [COLUMNS[field][0] for field in REQUIRED if found[field] is None]
    if missing:
        raise InputError(
            f"The list has no column {', '.join(repr(name) for name in missing)}.",
            "Name the columns in the first line: hospital number, date, procedure, and if known surgeon, name, note.",
        )
    return {field: place for field, place in found.items() if place is not None}


def _line(number: int, row: list[str], places: Mapping[str, int], procedures: Mapping[str, str]) -> OperationLine:
    cells = {field: row[place].strip() if place < len(row) else "" for field, place in places.items()}
    if not cells["hospital_number"]:
        raise ValueError("there is no hospital number")
    procedure = procedures.get(cells["procedure"].lower())
    if procedure is None:
        raise ValueError(f"the procedure {cells['procedure']!r} is not known")
    return OperationLine(
        number=number,
        hospital_number=cells["hospital_number"],
        day=_day(cells["day"]),
        procedure=procedure,
        surgeon=cells.get("surgeon", ""),
        patient_name=cells.get("patient_name", ""),
        note=cells.get("note", ""),
    )


def _day(text: str) -> date:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return date.fromisoformat(text)
    parts = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", text)
    if parts is None:
        raise ValueError(f"{text!r} is no date like 2026-05-04 or 4.5.2026")
    day, month, year = (int(part) for part in parts.groups())
    return date(year, month, day)
