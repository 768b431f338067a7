"""Every scan is found by what a person knows of it, however old it is."""

from datetime import date

import pytest


@pytest.fixture
def scans(store_scan, jane):
    """Jane's two scans and one of somebody else."""
    first = store_scan(series_hash="a" * 64, study_date=date(2024, 3, 1), series_description="Abdomen 5 mm", **jane)
    second = store_scan(
        series_hash="b" * 64,
        study_date=date(2025, 4, 2),
        series_description="Köln 100%",
        accession_number="ACC7",
        **jane,
    )
    other = store_scan(
        series_hash="c" * 64, series_description="Abdomen 1 mm", **(jane | {"patient_id": "99", "name": "ROE"})
    )
    return first, second, other


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (2, 1, 0)),
        ("jane", (1, 0)),
        ("4711", (1, 0)),
        ("abdomen", (2, 0)),
        ("doe ABDOMEN", (0,)),
        ("2025-04", (1,)),
        ("acc7", (1,)),
        ("Köln", (1,)),
        ("100%", (1,)),
        ("ja%e", ()),
        ("nobody", ()),
    ],
)
def test_scans_that_hold_every_word_the_newest_first(records, scans, text, expected):
    assert [scan.scan_id for scan in records.scans.search(text, 10)] == [scans[index] for index in expected]


def test_a_number_is_also_the_scans_own(records, scans):
    assert scans[1] in [scan.scan_id for scan in records.scans.search(str(scans[1]), 10)]


def test_no_more_than_asked_for_and_search_reaches_the_others(records, scans):
    assert [scan.scan_id for scan in records.scans.search("", 1)] == [scans[2]]
    assert [scan.scan_id for scan in records.scans.search("2024", 1)] == [scans[0]]


def test_a_merged_patients_scans_are_found_by_either_name(records, scans):
    keep, other = (records.scans.get(scans[index]).patient_id for index in (0, 2))
    records.patients.merge(keep, other, author="Ann", reason="one person")
    assert [scan.scan_id for scan in records.scans.search("roe", 10)] == [scans[2], scans[1], scans[0]]
