"""Corrections as they are stored: a child of the measurement, from the models' mask on."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sarcopenia.assessment.correction import fold
from sarcopenia.domain.errors import ConflictError, RecordError
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import Records, StoredArrays, open_records
from sarcopenia.review import models_own, models_slice, store_correction
from sarcopenia.settings import Settings
from tests.unit.records.samples import make_volume, new_measurement

PAINT = Stroke(StrokeTool.BRUSH, ((2.0, 2.0),), 1.5, within_muscle_hu=False)
ERASE = Stroke(StrokeTool.ERASER, ((2.0, 2.0),), 0.5, within_muscle_hu=False)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with open_records(Settings.from_environment({"SARCOPENIA_DATA_DIR": str(tmp_path)})) as opened:
        yield opened


@pytest.fixture
def scan_id(records: Records) -> int:
    upload = records.uploads.submit([("ct", b"bytes")], source="test")
    return records.scans.register(upload.upload_id, make_volume()).scan_id


@pytest.fixture
def measurement_id(records: Records, scan_id: int) -> int:
    return records.measurements.store(scan_id, new_measurement()).measurement_id


def test_a_correction_is_the_newest_version_and_the_models_mask_stays(records, scan_id, measurement_id):
    before = records.measurements.arrays(measurement_id)
    stored = store_correction(records, measurement_id, [PAINT], author="ann")
    assert records.scans.get(scan_id).latest == stored
    assert (stored.parent_id, stored.author) == (measurement_id, "ann")
    after = records.measurements.arrays(stored.measurement_id).slice.compartments
    np.testing.assert_array_equal(
        after.muscle_yx, fold(before.slice.compartments, before.slice.hu_yx, [PAINT]).muscle_yx
    )
    area_cm2 = after.muscle_yx.sum() * before.slice.plane.pixel_area_mm2 / 100
    assert stored.measurement.composition.sma_cm2 == pytest.approx(area_cm2)
    np.testing.assert_array_equal(
        records.measurements.arrays(measurement_id).slice.compartments.muscle_yx, before.slice.compartments.muscle_yx
    )


def test_a_second_correction_starts_from_the_models_mask_too(records, measurement_id):
    first = store_correction(records, measurement_id, [PAINT], author="ann")
    second = store_correction(records, first.measurement_id, [PAINT, ERASE], author="ben")
    assert models_own(records, second.measurement_id).measurement_id == measurement_id
    model = models_slice(records, second.measurement_id)
    mask = records.measurements.arrays(second.measurement_id).slice.compartments.muscle_yx
    np.testing.assert_array_equal(mask, fold(model.compartments, model.hu_yx, [PAINT, ERASE]).muscle_yx)


def test_the_second_of_two_people_is_told_and_keeps_the_draft(records, measurement_id):
    records.drafts.save(measurement_id, "ann", [PAINT], on_revision=0)
    records.drafts.save(measurement_id, "ben", [ERASE], on_revision=0)
    store_correction(records, measurement_id, [PAINT], author="ann")
    with pytest.raises(ConflictError):
        store_correction(records, measurement_id, [ERASE], author="ben")
    assert records.drafts.get(measurement_id, "ann") is None
    assert records.drafts.get(measurement_id, "ben").strokes == (ERASE,)


def test_without_a_change_or_a_slice_nothing_is_stored(records, scan_id, measurement_id):
    first = store_correction(records, measurement_id, [PAINT], author="ann")
    for strokes in ([], [PAINT]):
        with pytest.raises(RecordError, match="no change"):
            store_correction(records, first.measurement_id, strokes, author="ann")
    empty = records.measurements.store(scan_id, new_measurement(arrays=StoredArrays(None, None, None)))
    with pytest.raises(RecordError, match="no measured slice"):
        store_correction(records, empty.measurement_id, [PAINT], author="ann")
