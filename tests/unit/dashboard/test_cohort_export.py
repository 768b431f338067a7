import io
from dataclasses import replace
from datetime import date

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from dashboard.cohort_change_columns import CHANGE_COLUMNS
from dashboard.cohort_change_view import changes_between
from dashboard.cohort_columns import COLUMNS
from dashboard.cohort_export import chosen_columns, csv_bytes, dictionary_csv, parquet_bytes, xlsx_bytes
from dashboard.result_view import NOT_REVIEWED, RESEARCH_USE
from sarcopenia.records import ReviewState
from tests.unit.dashboard.cohort_samples import MAN, row, without_l3
from tests.unit.dashboard.trend_samples import HEADER

ROWS = (
    row(1, 128.0, 40.5),
    row(2, 150.0, 30.25, state=None, person=replace(MAN, height_m=None), age_years=70.9),
    row(3, state=ReviewState.REJECTED),
    without_l3(4),
    row(5, stored=None, study_date=None, age_years=None),
)
SAFE = chosen_columns(COLUMNS, with_identifiers=False)
NAMED = chosen_columns(COLUMNS, with_identifiers=True)
CHANGES = changes_between(
    (row(1, 150.0, study_date=date(2025, 1, 1)), row(2, 120.0, patient_id=1, study_date=date(2025, 12, 1))),
    date(2025, 1, 1),
    date(2025, 12, 1),
    0,
).changes


def frame(content):
    return pd.read_csv(io.BytesIO(content), encoding="utf-8-sig", keep_default_na=False)


def test_the_csv_reads_back_as_the_rows():
    read = frame(csv_bytes(ROWS, SAFE))
    assert list(read["scan_number"]) == [1, 2, 3, 4, 5]
    assert list(read["sma_cm2"]) == ["128.0", "150.0", "100.0", "", ""]
    assert list(read["smi_cm2_m2"]) == ["50.0", "", "39.0625", "", ""]
    assert list(read["vat_from_hu"]) == ["-150", "-150", "-150", "", ""]
    assert list(read["age_years"]) == ["64", "70", "64", "64", ""]
    assert list(read["counts"]) == [True, True, False, False, False]
    assert list(read["left_out_because"])[2:] == ["rejected by a person", "L3 is not in the scan", "no measurement yet"]
    assert list(read["review_state"]) == ["signed", NOT_REVIEWED, "rejected", NOT_REVIEWED, ""]
    assert set(read["use"]) == {RESEARCH_USE}
    assert read["weights"][0] == f"spine_level 1 {'ab' * 32}"
    assert read["software_version"][0] == "0.1.0"


def test_the_workbook_has_data_and_dictionary_and_reads_back():
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(ROWS, NAMED)))
    assert book.sheetnames == ["data", "dictionary"]
    head, *lines = book["data"].iter_rows(values_only=True)
    assert head == tuple(column.name for column in NAMED)
    first = dict(zip(head, lines[0], strict=True))
    assert (first["patient_name"], first["sma_cm2"], first["counts"]) == ("DOE, P1", 128, True)
    assert first["study_date"].date() == date(2025, 6, 1)
    assert len(lines) == len(ROWS)
    names = [line[0] for line in book["dictionary"].iter_rows(min_row=2, values_only=True)]
    assert names == list(head)


def test_parquet_keeps_types_values_and_the_dictionary_in_its_fields():
    content = parquet_bytes(ROWS, NAMED)
    schema = pq.read_schema(io.BytesIO(content))
    assert schema.metadata[b"notice"].decode() == RESEARCH_USE
    for column in NAMED:
        told = schema.field(column.name).metadata
        assert (told[b"unit_ucum"].decode(), told[b"meaning"].decode(), told[b"source"].decode()) == (
            column.unit,
            column.meaning,
            column.source,
        )
    table = pq.read_table(io.BytesIO(content)).to_pylist()
    for line, found in zip(table, ROWS, strict=True):
        assert line == {column.name: column.value(found) for column in NAMED}


@pytest.mark.parametrize("columns", [SAFE, NAMED, CHANGE_COLUMNS])
def test_the_dictionary_covers_every_column_with_meaning_and_source(columns):
    told = frame(dictionary_csv(columns))
    assert list(told["column"]) == [column.name for column in columns]
    assert len(set(told["column"])) == len(columns)
    assert all(told["meaning"])
    assert all(told["source"])
    numbers = told[told["type"].isin(["number", "whole number"])]
    assert set(numbers.loc[numbers["unit_ucum"] == "", "column"]) <= {
        "study_year",
        "before_study_year",
        "after_study_year",
    }
    for name, unit in (("sma_cm2", "cm2"), ("smi_cm2_m2", "cm2/m2"), ("smd_hu", "[hnsf'U]"), ("days", "d")):
        assert set(told.loc[told["column"] == name, "unit_ucum"]) <= {unit}


SECRETS = ("DOE", "H-1", "2025-06-01", "1.2.3.4", "A-77", "Dr A", "Dr B", "cdcdcd")


def test_without_identifiers_nothing_names_a_patient_a_day_or_a_member_of_staff():
    header = replace(HEADER, series_instance_uid="1.2.3.4", accession_number="A-77", study_date=date(2025, 6, 1))
    found = row(1, header=header)
    mended = replace(found, stored=replace(found.stored, author="Dr B"))
    rejected = row(2, header=header, state=ReviewState.REJECTED)
    safe = csv_bytes((mended, rejected), SAFE).decode()
    named = csv_bytes((mended, rejected), NAMED).decode()
    for secret in SECRETS:
        assert secret not in safe
        assert secret in named
    assert "2025" in safe


def test_the_changes_read_back_and_name_nobody_by_default():
    safe = chosen_columns(CHANGE_COLUMNS, with_identifiers=False)
    content = csv_bytes(CHANGES, safe)
    (line,) = frame(content).to_dict("records")
    assert (line["before_sma_cm2"], line["after_sma_cm2"], line["difference_cm2"]) == (150.0, 120.0, -30.0)
    assert (line["difference_percent"], line["days"]) == (-20.0, 334)
    assert line["outcome"] == "loss beyond measurement error"
    assert (line["before_scan_number"], line["after_scan_number"], line["record_number"]) == (1, 2, 1)
    assert "DOE" not in content.decode()
    assert "2025-01-01" not in content.decode()
    assert "2025-01-01" in csv_bytes(CHANGES, CHANGE_COLUMNS).decode()


def test_a_spreadsheet_runs_no_text_and_meets_no_control_character():
    evil = replace(row(1), patient_name='=HYPERLINK("http://x")\x1b', hospital_number="-1+1")
    (line,) = frame(csv_bytes((evil,), NAMED)).to_dict("records")
    assert (line["patient_name"], line["hospital_number"]) == ('\'=HYPERLINK("http://x")', "'-1+1")
    sheet = openpyxl.load_workbook(io.BytesIO(xlsx_bytes((evil,), NAMED)))["data"]
    assert "f" not in {cell.data_type for cell in sheet[2]}


def test_no_rows_leave_a_file_with_its_head():
    assert list(frame(csv_bytes((), SAFE)).columns) == [column.name for column in SAFE]
    assert pq.read_table(io.BytesIO(parquet_bytes((), SAFE))).num_rows == 0
