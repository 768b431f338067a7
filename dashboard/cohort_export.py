"""Tables that leave the page: CSV, XLSX and Parquet with their data dictionary, without Streamlit.

One column says its name, unit, meaning and source, and how its value is read, so that data and dictionary cannot
differ. Units are UCUM codes (ucum.org).
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from dashboard.result_view import RESEARCH_USE
from dashboard.work_list_view import FORMULA_SIGNS

Cell = str | int | float | bool | date | None
Row = TypeVar("Row")
Table = list[list[Cell]]
DICTIONARY_HEAD: Final = ("column", "type", "unit_ucum", "meaning", "source")
ARROW_TYPES: Final = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    date: pa.date32(),
}
TYPE_WORDS: Final = {str: "text", int: "whole number", float: "number", bool: "true or false", date: "date"}


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of an export.

    Attributes
    ----------
    unit: UCUM code; "" for texts and dates, "1" for what has no unit.
    kind: type of the values, a key of `ARROW_TYPES`; a value may be ``None``.
    identifying: names a person, or a day or number by which a person is found again.
    """

    name: str
    kind: type
    unit: str
    meaning: str
    source: str
    value: Callable[[Row], Cell]
    identifying: bool = False


def chosen_columns(columns: Sequence[Column[Row]], *, with_identifiers: bool) -> tuple[Column[Row], ...]:
    """All columns, or those that do not name a person."""
    return tuple(column for column in columns if with_identifiers or not column.identifying)


def dictionary_rows(columns: Sequence[Column[Row]]) -> list[dict[str, str]]:
    """The data dictionary, one row a column."""
    return [
        dict(zip(DICTIONARY_HEAD, (c.name, TYPE_WORDS[c.kind], c.unit, c.meaning, c.source), strict=True))
        for c in columns
    ]


def csv_bytes(rows: Sequence[Row], columns: Sequence[Column[Row]]) -> bytes:
    """The data as CSV, UTF-8 with the mark that a spreadsheet needs."""
    return _csv(_data_table(rows, columns))


def dictionary_csv(columns: Sequence[Column[Row]]) -> bytes:
    """The dictionary alone as CSV."""
    return _csv(_dictionary_table(columns))


def xlsx_bytes(rows: Sequence[Row], columns: Sequence[Column[Row]]) -> bytes:
    """A workbook with the sheets "data" and "dictionary"."""
    workbook = Workbook(write_only=True)
    for title, table in (("data", _data_table(rows, columns)), ("dictionary", _dictionary_table(columns))):
        sheet = workbook.create_sheet(title)
        sheet.freeze_panes = "A2"
        for line in table:
            sheet.append(line)
    content = io.BytesIO()
    workbook.save(content)
    return content.getvalue()


def parquet_bytes(rows: Sequence[Row], columns: Sequence[Column[Row]]) -> bytes:
    """The data as Parquet; each field's metadata are its row of the dictionary."""
    fields = [
        pa.field(column.name, ARROW_TYPES[column.kind], metadata=entry)
        for column, entry in zip(columns, dictionary_rows(columns), strict=True)
    ]
    schema = pa.schema(fields, metadata={"notice": RESEARCH_USE})
    arrays = [pa.array([column.value(row) for row in rows], ARROW_TYPES[column.kind]) for column in columns]
    content = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), content)
    return content.getvalue()


def _data_table(rows: Sequence[Row], columns: Sequence[Column[Row]]) -> Table:
    """Head and rows for a spreadsheet."""
    head: list[Cell] = [column.name for column in columns]
    return [head, *([_safe(column.value(row)) for column in columns] for row in rows)]


def _dictionary_table(columns: Sequence[Column[Row]]) -> Table:
    return [list(DICTIONARY_HEAD), *([_safe(value) for value in row.values()] for row in dictionary_rows(columns))]


def _safe(value: Cell) -> Cell:
    """A spreadsheet must not run a text, and cannot hold control characters."""
    if not isinstance(value, str):
        return value
    text = ILLEGAL_CHARACTERS_RE.sub("", value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def _csv(table: Table) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue().encode("utf-8-sig")
