"""Readings: kept for ever with both masks, and found with their patient."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from sarcopenia import records as records_package
from sarcopenia.domain.errors import RecordError, RecordNotFoundError
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import Records, open_records
from sarcopenia.records.database import Database
from sarcopenia.settings import Settings
from tests.unit.records.samples import START, make_measurement, new_measurement, new_reading


def test_a_reading_comes_back_with_both_masks(records: Records, store_scan: Callable[..., int]) -> None:
    scan_id = store_scan()
    measurement_id = records.measurements.store(scan_id, new_measurement()).measurement_id
    new = new_reading(scan_id, measurement_id=measurement_id, reader="  Ann ")
    stored = records.readings.add(new)
    assert records.readings.all() == records.readings.of_scan(scan_id) == (stored,)
    assert (stored.scan_id, stored.measurement_id, stored.slice_index) == (scan_id, measurement_id, 1)
    assert (stored.reader, stored.blind, stored.method) == ("Ann", True, new.method)
    assert (stored.comparison, stored.models, stored.recorded_at) == (new.comparison, new.models, START)
    assert stored.patient_id == records.scans.get(scan_id).patient_id
    masks = records.readings.masks(stored.reading_id)
    np.testing.assert_array_equal(masks.reader_yx, new.masks.reader_yx)
    np.testing.assert_array_equal(masks.ai_yx, new.masks.ai_yx)
    assert stored.mask_sha256 != stored.ai_mask_sha256


def test_the_same_mask_has_the_same_hash_and_both_readings_are_kept(records: Records, store_scan) -> None:
    scan_id = store_scan()
    first = records.readings.add(new_reading(scan_id))
    second = records.readings.add(new_reading(scan_id, blind=False))
    assert [each.reading_id for each in records.readings.all()] == [first.reading_id, second.reading_id]
    assert (first.mask_sha256, second.blind) == (second.mask_sha256, False)


def test_readings_follow_a_merged_patient(records: Records, store_scan, jane) -> None:
    kept = records.scans.get(store_scan(patient_id="1", name="A^B")).patient_id
    scan_id = store_scan(patient_id="2", name="C^D", series_hash="b" * 64)
    records.readings.add(new_reading(scan_id))
    records.patients.merge(kept, records.scans.get(scan_id).patient_id, author="Dr A", reason="the same person")
    assert records.readings.all()[0].patient_id == kept
    assert records.readings.of_scan(scan_id) == records.readings.all()


def test_a_reading_has_a_scan_a_name_and_a_measurement_of_that_scan(records: Records, store_scan) -> None:
    scan_id, other_id = store_scan(), store_scan(series_hash="b" * 64)
    other = records.measurements.store(other_id, new_measurement()).measurement_id
    with pytest.raises(RecordNotFoundError, match="no scan 99"):
        records.readings.add(new_reading(99))
    for measurement_id in (other, 99):
        with pytest.raises(RecordError, match="none of scan"):
            records.readings.add(new_reading(scan_id, measurement_id=measurement_id))
    with pytest.raises(RecordError, match="name of its reader"):
        records.readings.add(new_reading(scan_id, reader="  "))
    with pytest.raises(RecordNotFoundError, match="no reading 5"):
        records.readings.masks(5)
    assert records.readings.all() == ()


def test_the_audit_names_the_reading_and_no_patient(records: Records, store_scan) -> None:
    scan_id = store_scan(patient_id="4711", name="DOE^JANE")
    stored = records.readings.add(new_reading(scan_id))
    entry = records.audit.entries(f"scan:{scan_id}")[0]
    assert (entry.author, entry.action) == ("Ann", "reading.stored")
    assert entry.details == (("reading", str(stored.reading_id)),)


@pytest.mark.parametrize("statement", ["UPDATE reading SET blind = true", "DELETE FROM reading"])
def test_nobody_changes_a_reading(records: Records, settings: Settings, store_scan, statement: str) -> None:
    stored = records.readings.add(new_reading(store_scan(), blind=False))
    database = Database(settings.database_url)
    with pytest.raises(sa.exc.IntegrityError, match="immutable"), database.writing() as session:
        session.execute(sa.text(statement))
    database.close()
    assert records.readings.all() == (stored,)


def test_an_older_database_gets_the_table(empty_settings: Settings) -> None:
    database = Database(empty_settings.database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(records_package.__file__).parent / "migrations"))
    with database._writer.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        assert not sa.inspect(connection).has_table("reading")
    database.close()
    with open_records(empty_settings) as records:
        assert records.readings.all() == ()


def test_versions_that_a_person_mended_are_found_over_all_scans(records: Records, store_scan) -> None:
    stroke = Stroke(StrokeTool.BRUSH, ((1.0, 1.0),), 2.0, within_muscle_hu=False)
    measurement = make_measurement()
    mended = replace(measurement, provenance=replace(measurement.provenance, strokes=(stroke,)))
    found = []
    for series_hash in ("a" * 64, "b" * 64):
        scan_id = store_scan(series_hash=series_hash)
        first = records.measurements.store(scan_id, new_measurement()).measurement_id
        moved = records.measurements.store(scan_id, new_measurement(parent_id=first)).measurement_id
        found.append(records.measurements.store(scan_id, new_measurement(measurement=mended, parent_id=moved)))
    assert records.measurements.corrected() == tuple(found)
