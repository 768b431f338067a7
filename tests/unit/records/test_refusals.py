"""What the records refuse, and what they repair: foreign facts, values without room, damage, replaced rows."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from sarcopenia.domain.errors import RecordError
from sarcopenia.records import ContextKind, ContextSource, NewContext, Records, ReviewState
from sarcopenia.records.database import Database
from sarcopenia.settings import Settings
from tests.unit.records.samples import new_measurement

HEIGHT = NewContext(ContextKind.HEIGHT, 1.7, ContextSource.TYPED, date(2024, 1, 1))


@pytest.fixture
def blob_root(settings: Settings) -> Path:
    return Path(settings.blob_url.removeprefix("file://"))


def patient_of(records: Records, scan_id: int) -> int:
    return records.scans.get(scan_id).patient_id


def test_report_refuses_facts_of_another_patient(
    records: Records, store_scan: Callable[..., int], jane: dict[str, object]
) -> None:
    own_scan = store_scan(**jane)
    other_scan = store_scan(series_hash="b" * 64, **jane | {"patient_id": "4712", "height_m": 1.6})
    measured = records.measurements.store(own_scan, new_measurement()).measurement_id
    patient_id, other_id = patient_of(records, own_scan), patient_of(records, other_scan)
    typed = records.contexts.add(other_id, HEIGHT, author="Dr A")
    from_header = next(e for e in records.contexts.history(other_id) if e.kind is ContextKind.HEIGHT)
    assert from_header.source is ContextSource.DICOM
    for entry in (typed, from_header):
        with pytest.raises(RecordError, match="own patient"):
            records.reports.freeze(patient_id, [measured], [entry.entry_id], author="Dr A")


def test_report_takes_facts_of_a_merged_patient_from_header_and_keyboard(
    records: Records, store_scan: Callable[..., int], jane: dict[str, object]
) -> None:
    own_scan = store_scan(**jane)
    other_scan = store_scan(series_hash="b" * 64, **jane | {"patient_id": "4712", "height_m": 1.6})
    measured = records.measurements.store(own_scan, new_measurement()).measurement_id
    patient_id, other_id = patient_of(records, own_scan), patient_of(records, other_scan)
    records.contexts.add(other_id, HEIGHT, author="Dr A")
    entry_ids = tuple(e.entry_id for e in records.contexts.history(other_id) if e.kind is ContextKind.HEIGHT)
    assert len(entry_ids) == 2
    records.patients.merge(patient_id, other_id, author="Dr A", reason="one person")
    report = records.reports.freeze(patient_id, [measured], entry_ids, author="Dr A")
    assert report.context_entry_ids == entry_ids


def test_measurement_cannot_be_replaced_by_an_insert(
    records: Records, settings: Settings, store_scan: Callable[..., int]
) -> None:
    measured = records.measurements.store(store_scan(), new_measurement()).measurement_id
    columns = "scan_id, parent_id, request_key, 'somebody else', payload, level, frame, stored_at FROM measurement"
    verb = "INSERT OR REPLACE" if settings.database_url.startswith("sqlite") else "INSERT"
    database = Database(settings.database_url)
    with pytest.raises(sa.exc.IntegrityError), database.writing() as session:
        session.execute(
            sa.text(
                f"{verb} INTO measurement "
                "(id, scan_id, parent_id, request_key, author, payload, level, frame, stored_at) "
                f"SELECT id, {columns}"
            )
        )
    database.close()
    assert records.measurements.get(measured).author == "sarcopenia 0.1.0"


def test_id_beyond_all_rows_is_a_record_error(records: Records) -> None:
    for number in (-1, 2**40, 2**70):
        with pytest.raises(RecordError):
            records.patients.get(number)


def test_name_that_is_not_text_is_a_record_error_and_leaves_no_upload(records: Records) -> None:
    with pytest.raises(RecordError, match="cannot hold"):
        records.uploads.submit([("s\udce9rie", b"one")], source="test")
    assert records.jobs.recent() == ()


def test_author_beyond_its_column_is_kept_whole_or_refused(records: Records, store_scan: Callable[..., int]) -> None:
    measured = records.measurements.store(store_scan(), new_measurement()).measurement_id
    author = "x" * 300
    try:
        records.reviews.add(measured, ReviewState.SIGNED, author=author)
    except RecordError:
        assert records.reviews.of_measurement(measured) == ()
    else:
        assert records.reviews.of_measurement(measured)[0].author == author


@pytest.mark.parametrize("damage", [b"", b"0ne"])
def test_damaged_blob_is_repaired_by_the_same_upload(records: Records, blob_root: Path, damage: bytes) -> None:
    receipt = records.uploads.submit([("a", b"one")], source="test")
    (blob,) = (path for path in blob_root.rglob("*") if path.is_file())
    blob.write_bytes(damage)
    with pytest.raises(RecordError, match="damaged"):
        records.uploads.read(receipt.upload_id)
    assert records.uploads.submit([("a", b"one")], source="test").already_known
    assert records.uploads.read(receipt.upload_id) == (("a", b"one"),)


def test_blobs_are_closed_to_other_users(records: Records, blob_root: Path) -> None:
    records.uploads.submit([("a", b"one")], source="test")
    assert blob_root.stat().st_mode & 0o077 == 0
