"""Planned operations: on the list, off the list with a reason, and found with the patient whose number they carry."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.records import NewOperation, Records
from sarcopenia.records.database import Database
from sarcopenia.settings import Settings
from tests.unit.records.samples import START

MAY = date(2026, 5, 4)
NEW = NewOperation(" 77 ", MAY, "colorectal", " Dr B ", "Doe, Jane")


def test_an_operation_comes_back_as_it_was_entered_without_stray_blanks(records: Records) -> None:
    (planned,) = records.operations.plan([NEW], author=" Ann ")
    assert planned.plan == NewOperation("77", MAY, "colorectal", "Dr B", "Doe, Jane")
    assert (planned.author, planned.recorded_at, planned.cancelled) == ("Ann", START, None)
    assert records.operations.planned(MAY) == (planned,)
    assert records.operations.get(planned.operation_id) == planned


def test_the_list_begins_at_a_day_and_goes_by_date(records: Records) -> None:
    days = [date(2026, 5, 6), date(2026, 5, 3), MAY]
    records.operations.plan([replace(NEW, day=day) for day in days], author="Ann")
    assert [each.plan.day for each in records.operations.planned(MAY)] == [MAY, date(2026, 5, 6)]


def test_a_list_that_is_imported_twice_is_no_second_list(records: Records) -> None:
    first = records.operations.plan([NEW, replace(NEW, hospital_number="78")], author="Ann")
    again = records.operations.plan([NEW, replace(NEW, hospital_number="79")], author="Ann")
    assert again[0] == first[0]
    assert len(records.operations.planned(MAY)) == 3


def test_what_was_taken_off_is_gone_from_the_list_kept_in_the_records_and_may_be_planned_again(
    records: Records,
) -> None:
    (planned,) = records.operations.plan([NEW], author="Ann")
    cancelled = records.operations.cancel(planned.operation_id, author="Ben", reason="moved")
    assert (cancelled.cancelled.author, cancelled.cancelled.reason) == ("Ben", "moved")
    assert records.operations.planned(MAY) == ()
    assert records.operations.get(planned.operation_id) == cancelled
    with pytest.raises(ConflictError, match="taken off the list before"):
        records.operations.cancel(planned.operation_id, author="Ben", reason="moved")
    (again,) = records.operations.plan([NEW], author="Ann")
    assert again.operation_id != planned.operation_id


def test_the_patient_is_found_as_soon_as_there_are_images(records: Records, store_scan: Callable[..., int]) -> None:
    (planned,) = records.operations.plan([replace(NEW, hospital_number="1")], author="Ann")
    assert planned.patient_ids == ()
    kept = records.scans.get(store_scan(patient_id="1", name="A^B")).patient_id
    assert records.operations.get(planned.operation_id).patient_ids == (kept,)


def test_a_number_that_two_hospitals_use_leaves_the_choice_to_a_person(records: Records, store_scan) -> None:
    ids = [
        records.scans.get(store_scan(patient_id="1", issuer=issuer, series_hash=letter * 64)).patient_id
        for issuer, letter in (("NORTH", "b"), ("SOUTH", "c"))
    ]
    (planned,) = records.operations.plan([replace(NEW, hospital_number="1")], author="Ann")
    assert planned.patient_ids == tuple(sorted(ids))
    (chosen,) = records.operations.plan([replace(NEW, hospital_number="1", patient_id=ids[1])], author="Ann")
    assert chosen.patient_ids == (ids[1],)
    records.patients.merge(ids[0], ids[1], author="Ann", reason="the same person")
    assert records.operations.get(chosen.operation_id).patient_ids == (ids[0],)
    assert records.operations.get(planned.operation_id).patient_ids == (ids[0],)


@pytest.mark.parametrize(
    ("new", "author", "words"),
    [
        (NEW, " ", "name of who enters"),
        (replace(NEW, hospital_number=" "), "Ann", "hospital number"),
        (replace(NEW, procedure=""), "Ann", "procedure"),
    ],
)
def test_what_is_missing_is_said_and_nothing_of_the_list_is_stored(records, new, author, words) -> None:
    with pytest.raises(RecordError, match=words):
        records.operations.plan([replace(NEW, hospital_number="1"), new], author=author)
    assert records.operations.planned(MAY) == ()


def test_unknown_operations_and_patients_and_nameless_cancellations_are_refused(records: Records) -> None:
    with pytest.raises(RecordNotFoundError, match="no planned operation 99"):
        records.operations.get(99)
    with pytest.raises(RecordNotFoundError, match="no planned operation 99"):
        records.operations.cancel(99, author="Ann", reason="x")
    with pytest.raises(RecordNotFoundError, match="99"):
        records.operations.plan([replace(NEW, patient_id=99)], author="Ann")
    with pytest.raises(RecordError, match="needs a reason and a name"):
        records.operations.cancel(99, author="Ann", reason=" ")


def test_a_planned_operation_is_never_changed(records: Records, settings: Settings) -> None:
    records.operations.plan([NEW], author="Ann")
    database = Database(settings.database_url)
    for statement in ("UPDATE planned_operation SET surgeon = 'x'", "DELETE FROM planned_operation"):
        with pytest.raises(sa.exc.DatabaseError), database.writing() as session:
            session.execute(sa.text(statement))
    database.close()
