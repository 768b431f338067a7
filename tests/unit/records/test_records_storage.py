"""Blobs, codec, migrations, immutability: what everything else stands on."""

import dataclasses
import hashlib
import json
import threading
import typing
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from sarcopenia.domain.errors import RecordError, RecordNotFoundError, SettingsError
from sarcopenia.domain.results import (
    AcceptanceRule,
    BodyComposition,
    CompartmentMap,
    Flag,
    ImageQuality,
    LevelFinding,
    Measurement,
    Provenance,
    Severity,
    Uncertainty,
)
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.domain.volume import SeriesHeader
from sarcopenia.records import (
    ContextKind,
    ContextSource,
    EventKind,
    NewContext,
    NewEvent,
    Records,
    ReviewState,
    open_records,
)
from sarcopenia.records.arrays import pack, unpack
from sarcopenia.records.blobs import BlobStore
from sarcopenia.records.codec import decode, encode
from sarcopenia.records.database import Database
from sarcopenia.records.schema import IMMUTABLE_TABLES, Base
from sarcopenia.settings import Settings
from tests.unit.records.samples import (
    make_arrays,
    make_level,
    make_measurement,
    make_volume,
    new_measurement,
    new_reading,
)


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_blob_comes_back_under_the_hash_of_its_bytes(kind: str, tmp_path: Path) -> None:
    store = BlobStore(f"file://{tmp_path}/blobs" if kind == "file" else f"memory://{tmp_path}/blobs")
    digest = store.put(b"pixels")
    assert digest == hashlib.sha256(b"pixels").hexdigest()
    assert store.put(b"pixels") == digest
    assert store.get(digest) == b"pixels"


def test_stored_blob_leaves_no_temporary_file(tmp_path: Path) -> None:
    digest = BlobStore(f"file://{tmp_path}").put(b"pixels")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [digest]


def test_missing_and_damaged_blobs_are_told_apart(tmp_path: Path) -> None:
    store = BlobStore(f"file://{tmp_path}")
    digest = store.put(b"pixels")
    next(tmp_path.rglob(digest)).write_bytes(b"pixel")
    with pytest.raises(RecordError, match="damaged"):
        store.get(digest)
    with pytest.raises(RecordNotFoundError, match="missing"):
        store.get("0" * 64)


def test_store_that_cannot_be_written_says_which_setting_to_check(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file where a folder should be")
    with pytest.raises(RecordError) as caught:
        BlobStore(f"file://{tmp_path}/blobs").put(b"pixels")
    assert "SARCOPENIA_BLOB_URL" in caught.value.next_step


def test_unknown_blob_protocol_names_the_setting() -> None:
    with pytest.raises(SettingsError, match="SARCOPENIA_BLOB_URL"):
        BlobStore("nosuch://blobs")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Measurement, make_measurement()),
        (LevelFinding, make_level()),
        (SeriesHeader, make_volume(patient_id="1", name="A^B", kvp=120.0).header),
        (tuple[Flag, ...], (Flag("a", "b", Severity.BLOCK), Flag("c", "d"))),
    ],
)
def test_what_is_stored_as_json_comes_back_equal(kind: type, value: object) -> None:
    assert decode(kind, encode(value)) == value


def drawn(kind: type, **fields: st.SearchStrategy) -> st.SearchStrategy:
    """Any object of a dataclass, with finite numbers; ``fields`` for what its type hints do not tell."""
    finite = st.floats(allow_nan=False, allow_infinity=False)
    for name, hint in typing.get_type_hints(kind).items():
        if hint in (float, float | None):
            fields.setdefault(name, finite if hint is float else st.none() | finite)
    return st.builds(kind, **fields)


POINTS = st.lists(st.tuples(st.floats(-9, 600), st.floats(-9, 600)), min_size=3, max_size=5).map(tuple)
STROKES = st.lists(st.builds(Stroke, st.sampled_from(StrokeTool), POINTS, st.floats(0.5, 50), st.booleans())).map(tuple)


@given(
    drawn(
        Measurement,
        composition=st.none() | drawn(BodyComposition),
        uncertainty=st.none() | drawn(Uncertainty, member_sma_cm2=st.lists(st.floats(0, 500)).map(tuple)),
        quality=st.none() | drawn(ImageQuality),
        provenance=drawn(Provenance, acceptance=st.none() | drawn(AcceptanceRule), strokes=STROKES),
    )
)
def test_any_measurement_survives_json(measurement: Measurement) -> None:
    assert decode(Measurement, json.loads(json.dumps(encode(measurement)))) == measurement


@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.float32("nan")])
def test_number_without_a_json_form_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        encode(make_measurement(sma_cm2=number))


def test_payload_of_an_older_version_takes_the_default_and_ignores_what_is_gone() -> None:
    assert decode(Flag, {"code": "a", "text": "b", "colour": "red"}) == Flag("a", "b")


def test_pictures_come_back_with_values_types_and_geometry() -> None:
    arrays = make_arrays()
    frame, blobs = pack(arrays)
    back = unpack(decode(type(frame), encode(frame)), blobs)
    assert back.slice.plane == arrays.slice.plane
    assert back.sagittal.spacing_mm_zx == arrays.sagittal.spacing_mm_zx
    np.testing.assert_array_equal(back.sagittal.z_mm, arrays.sagittal.z_mm)
    np.testing.assert_array_equal(back.coronal.hu_zx, arrays.coronal.hu_zx)
    np.testing.assert_array_equal(back.slice.hu_yx, arrays.slice.hu_yx)
    for field in dataclasses.fields(CompartmentMap):
        before, after = (getattr(a.slice.compartments, field.name) for a in (arrays, back))
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(after, before)


def test_migrations_build_what_the_models_describe(empty_settings: Settings) -> None:
    database = Database(empty_settings.database_url)
    database.upgrade()
    with database.reading() as session:
        differences = compare_metadata(MigrationContext.configure(session.connection()), Base.metadata)
    database.close()
    assert differences == []


def test_records_may_be_opened_again_and_by_many_at_once(empty_settings: Settings) -> None:
    errors: list[BaseException] = []

    def open_and_read() -> None:
        try:
            with open_records(empty_settings) as records:
                assert records.patients.search() == ()
        except BaseException as error:  # the test's thread must see it
            errors.append(error)

    threads = [threading.Thread(target=open_and_read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_database_of_a_newer_version_is_left_alone(settings: Settings) -> None:
    with open_records(settings):
        pass
    database = Database(settings.database_url)
    with database.writing() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = 'future'"))
    database.close()
    with pytest.raises(SettingsError, match="revision future"):
        open_records(settings)


@pytest.mark.parametrize("url", ["oracle://x/y", "nonsense://", "sqlite:////dev/null/x.sqlite3"])
def test_database_url_that_cannot_be_used_names_the_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="SARCOPENIA_DATABASE_URL"):
        Database(url)


def test_database_that_does_not_answer_is_a_record_error(tmp_path: Path) -> None:
    settings = Settings.from_environment(
        {
            "SARCOPENIA_DATA_DIR": str(tmp_path),
            "SARCOPENIA_DATABASE_URL": f"postgresql://nobody@/nothing?host={tmp_path}",
        }
    )
    with pytest.raises(RecordError, match="did not answer"):
        open_records(settings)


@pytest.fixture
def one_of_each(records: Records, store_scan) -> Records:
    """Records with a row in every immutable table."""
    scan_id = store_scan(patient_id="1", height_m=1.7)
    patient_id = records.scans.get(scan_id).patient_id
    measurement = records.measurements.store(scan_id, new_measurement())
    fact = NewContext(ContextKind.WEIGHT, 70.0, ContextSource.TYPED, None)
    entry = records.contexts.add(patient_id, fact, author="Dr A")
    records.reviews.add(measurement.measurement_id, ReviewState.SIGNED, author="Dr A")
    records.reports.freeze(patient_id, [measurement.measurement_id], [entry.entry_id], author="Dr A")
    records.readings.add(new_reading(scan_id))
    event = records.events.add(patient_id, NewEvent(EventKind.OPERATION, date(2024, 1, 1)), author="Dr A")
    records.events.withdraw(event.event_id, author="Dr A", reason="the wrong patient")
    return records


@pytest.mark.parametrize("table", IMMUTABLE_TABLES)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_immutable_rows_refuse_every_change(one_of_each: Records, settings: Settings, table: str, verb: str) -> None:
    database, rows = Database(settings.database_url), Base.metadata.tables[table]
    column = next(column for column in rows.columns if not column.primary_key)
    change = rows.update().values({column.name: column}) if verb == "update" else rows.delete()
    with database.reading() as session:
        before = session.execute(sa.select(rows)).all()
    with pytest.raises(sa.exc.IntegrityError, match="immutable"), database.writing() as session:
        session.execute(change)
    with database.reading() as session:
        after = session.execute(sa.select(rows)).all()
    database.close()
    assert before == after
    assert len(before) >= 1
