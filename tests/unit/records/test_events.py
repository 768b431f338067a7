"""Events: kept for ever, taken back only by a mark, and found with their patient."""

from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from sarcopenia import records as records_package
from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.records import EventKind, EventWithdrawal, NewEvent, Records, open_records
from sarcopenia.records.database import Database
from sarcopenia.settings import Settings
from tests.unit.records.samples import START, Clock

OPERATION = NewEvent(EventKind.OPERATION, date(2025, 3, 1), note="  right hemicolectomy ")
CHEMOTHERAPY = NewEvent(EventKind.CHEMOTHERAPY, date(2025, 1, 5), date(2025, 2, 20))


@pytest.fixture
def patient_id(records: Records, store_scan) -> int:
    return records.scans.get(store_scan(patient_id="1", name="A^B")).patient_id


def test_events_come_back_by_their_first_day(records: Records, patient_id: int) -> None:
    operation = records.events.add(patient_id, OPERATION, author=" Dr A ")
    chemotherapy = records.events.add(patient_id, CHEMOTHERAPY, author="Dr B")
    assert records.events.of_patient(patient_id) == (chemotherapy, operation)
    assert (operation.kind, operation.first_day, operation.last_day) == (EventKind.OPERATION, date(2025, 3, 1), None)
    assert (operation.note, operation.author, operation.recorded_at) == ("right hemicolectomy", "Dr A", START)
    assert (chemotherapy.first_day, chemotherapy.last_day) == (date(2025, 1, 5), date(2025, 2, 20))
    assert (operation.patient_id, operation.withdrawn) == (patient_id, None)


def test_a_range_of_one_day_is_a_day(records: Records, patient_id: int) -> None:
    new = NewEvent(EventKind.EXERCISE, date(2025, 1, 5), date(2025, 1, 5))
    assert records.events.add(patient_id, new, author="Dr A").last_day is None


def test_a_withdrawn_event_stays_and_says_so(records: Records, patient_id: int, clock: Clock) -> None:
    stored = records.events.add(patient_id, OPERATION, author="Dr A")
    clock.time += timedelta(days=1)
    withdrawn = records.events.withdraw(stored.event_id, author="Dr B", reason=" the wrong patient ")
    assert records.events.of_patient(patient_id) == (withdrawn,)
    assert withdrawn.withdrawn == EventWithdrawal("Dr B", "the wrong patient", START + timedelta(days=1))
    assert (withdrawn.author, withdrawn.recorded_at) == ("Dr A", START)
    with pytest.raises(ConflictError, match="withdrawn before"):
        records.events.withdraw(stored.event_id, author="Dr B", reason="again")


def test_what_cannot_be_true_is_refused(records: Records, patient_id: int) -> None:
    with pytest.raises(RecordError, match="ends before"):
        backwards = NewEvent(EventKind.CHEMOTHERAPY, date(2025, 2, 2), date(2025, 2, 1))
        records.events.add(patient_id, backwards, author="Dr A")
    with pytest.raises(RecordError, match="needs a note"):
        records.events.add(patient_id, NewEvent(EventKind.OTHER, date(2025, 2, 2), note=" "), author="Dr A")
    with pytest.raises(RecordError, match="name"):
        records.events.add(patient_id, OPERATION, author=" ")
    with pytest.raises(RecordNotFoundError, match="no patient 99"):
        records.events.add(99, OPERATION, author="Dr A")
    with pytest.raises(RecordNotFoundError, match="no patient 99"):
        records.events.of_patient(99)
    with pytest.raises(RecordNotFoundError, match="no event 7"):
        records.events.withdraw(7, author="Dr A", reason="mistake")
    stored = records.events.add(patient_id, OPERATION, author="Dr A")
    for author, reason in (("", "mistake"), ("Dr A", " ")):
        with pytest.raises(RecordError, match="reason and a name"):
            records.events.withdraw(stored.event_id, author=author, reason=reason)
    assert records.events.of_patient(patient_id) == (stored,)


def test_events_follow_a_merged_patient(records: Records, store_scan, patient_id: int) -> None:
    other = records.scans.get(store_scan(patient_id="2", name="C^D", series_hash="b" * 64)).patient_id
    event = records.events.add(other, OPERATION, author="Dr A")
    records.patients.merge(patient_id, other, author="Dr A", reason="the same person")
    (found,) = records.events.of_patient(patient_id)
    assert (found.event_id, found.patient_id) == (event.event_id, patient_id)
    assert records.events.of_patient(other) == (found,)


def test_the_audit_names_the_event_and_not_its_note(records: Records, patient_id: int) -> None:
    stored = records.events.add(patient_id, OPERATION, author="Dr A")
    records.events.withdraw(stored.event_id, author="Dr B", reason="mistake")
    withdrawn, added = records.audit.entries(f"patient:{patient_id}")[:2]
    assert (added.author, added.action) == ("Dr A", "event.added")
    assert added.details == (("event", str(stored.event_id)), ("kind", "operation"))
    assert (withdrawn.author, withdrawn.action) == ("Dr B", "event.withdrawn")
    assert withdrawn.details == (("event", str(stored.event_id)),)


def test_an_older_database_gets_the_tables(empty_settings: Settings) -> None:
    database = Database(empty_settings.database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(records_package.__file__).parent / "migrations"))
    with database._writer.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        assert not sa.inspect(connection).has_table("patient_event")
    database.close()
    with open_records(empty_settings) as records, pytest.raises(RecordNotFoundError):
        records.events.of_patient(1)
