"""What the experimental classifier says is stored beside its measurement and is no part of it."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

import sarcopenia.records as package
from sarcopenia.domain.results import ModelIdentity, PatternFinding
from sarcopenia.records import Records, open_records
from sarcopenia.records.database import Database
from sarcopenia.settings import Settings
from tests.unit.records.samples import new_measurement

PATTERN = PatternFinding(
    low_muscle_probability=0.25,
    slice_indices=(40, 41, 42),
    slice_attention=(0.2, 0.5, 0.3),
    model=ModelIdentity("sarcopenia_classifier", "1", "d" * 64, "FP32", "onnxruntime"),
)


def test_pattern_comes_back_and_the_measurement_does_not_know_it(
    records: Records, store_scan: Callable[..., int]
) -> None:
    scan_id = store_scan()
    plain = records.measurements.store(scan_id, new_measurement())
    with_pattern = records.measurements.store(scan_id, new_measurement(pattern=PATTERN))
    assert records.measurements.pattern(with_pattern.measurement_id) == PATTERN
    assert records.measurements.pattern(plain.measurement_id) is None
    assert with_pattern.measurement == plain.measurement


def test_records_of_the_first_revision_are_brought_on(empty_settings: Settings) -> None:
    database = Database(empty_settings.database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    with database.writing() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0001")
    database.close()
    with open_records(empty_settings) as records:
        assert records.measurements.pattern(1) is None
        assert records.drafts.get(1, "ann") is None
    newest = ScriptDirectory.from_config(config).get_current_head()
    database = Database(empty_settings.database_url)
    with database.reading() as session:
        assert session.scalar(text("SELECT version_num FROM alembic_version")) == newest
    database.close()
