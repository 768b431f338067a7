"""The theatre list: found columns, one reason for every line that cannot be used, nothing guessed."""

from datetime import date

import pytest

from sarcopenia.domain.errors import InputError
from sarcopenia.exchange.operation_list import MAX_ROWS, read_operation_list

PROCEDURES = {"colorectal": "colorectal", "bowel resection": "colorectal", "bypass": "lower_limb_bypass"}


def read(text: str):
    return read_operation_list(text.encode(), PROCEDURES)


def test_columns_are_found_by_name_in_any_order_and_with_any_separator():
    for separator in ",;\t":
        lines = ("Surgeon", "Patient_ID", " Date ", "Procedure"), ("Dr A", "77", "2026-05-04", "Bowel resection")
        found = read("\n".join(separator.join(line) for line in lines))
        assert found.refused == ()
        (line,) = found.lines
        assert (line.number, line.hospital_number, line.day) == (2, "77", date(2026, 5, 4))
        assert (line.procedure, line.surgeon, line.patient_name, line.note) == ("colorectal", "Dr A", "", "")


def test_quotes_byte_order_mark_and_blank_lines_are_no_trouble():
    found = read('\ufeffMRN,date,operation,name\r\n\r\n7,4.5.2026,bypass,"Doe, Jane"\r\n')
    assert [(line.number, line.day, line.patient_name) for line in found.lines] == [(3, date(2026, 5, 4), "Doe, Jane")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2026-05-04,bypass", "no hospital number"),
        ("7,04/05/2026,bypass", "'04/05/2026' is no date"),
        ("7,2026-02-30,bypass", "day"),
        ("7,31.2.2026,bypass", "day"),
        ("7,2026-05-04,haircut", "'haircut' is not known"),
        ("7", "is not known"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_its_reason_and_the_others_stay(row, reason):
    found = read(f"mrn,date,procedure\n{row}\n8,2026-05-04,bypass")
    assert [line.hospital_number for line in found.lines] == ["8"]
    (refused,) = found.refused
    assert refused.number == 2
    assert reason in refused.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"name,date\nx,y", "no column 'hospital number', 'procedure'"),
        ("mrn,date,procedure\nMüller,1,2".encode("latin-1"), "not UTF-8"),
        (b"mrn,date,procedure\n" + b"7,2026-05-04,bypass\n" * (MAX_ROWS + 1), "more than"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_words(content, words):
    with pytest.raises(InputError, match=words):
        read_operation_list(content, PROCEDURES)
