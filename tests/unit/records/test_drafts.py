"""Drafts of corrections: kept until stored, and never overwritten by another tab."""

from collections.abc import Callable

import pytest

from sarcopenia.domain.errors import ConflictError, RecordNotFoundError
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import Records
from tests.unit.records.samples import new_measurement

FIRST = Stroke(StrokeTool.BRUSH, ((1.25, 2.5), (3.0, 4.0)), 3.5, within_muscle_hu=True)
SECOND = Stroke(StrokeTool.POLYGON_REMOVE, ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0)), 0.0, within_muscle_hu=False)


@pytest.fixture
def measurement_id(records: Records, store_scan: Callable[..., int]) -> int:
    return records.measurements.store(store_scan(), new_measurement()).measurement_id


def test_a_draft_comes_back_as_it_was_saved(records: Records, measurement_id: int) -> None:
    assert records.drafts.get(measurement_id, "ann") is None
    saved = records.drafts.save(measurement_id, "ann", [FIRST], on_revision=0)
    saved = records.drafts.save(measurement_id, "ann", [FIRST, SECOND], on_revision=saved.revision)
    assert records.drafts.get(measurement_id, "ann") == saved
    assert (saved.strokes, saved.revision) == ((FIRST, SECOND), 2)
    records.drafts.discard(measurement_id, "ann")
    records.drafts.discard(measurement_id, "ann")
    assert records.drafts.get(measurement_id, "ann") is None


def test_the_second_tab_is_told_and_overwrites_nothing(records: Records, measurement_id: int) -> None:
    records.drafts.save(measurement_id, "ann", [FIRST], on_revision=0)
    with pytest.raises(ConflictError, match="another tab"):
        records.drafts.save(measurement_id, "ann", [SECOND], on_revision=0)
    assert records.drafts.get(measurement_id, "ann").strokes == (FIRST,)


def test_everybody_has_a_draft_of_their_own(records: Records, measurement_id: int) -> None:
    records.drafts.save(measurement_id, "ann", [FIRST], on_revision=0)
    records.drafts.save(measurement_id, "ben", [SECOND], on_revision=0)
    assert records.drafts.get(measurement_id, "ann").strokes == (FIRST,)


def test_a_measurement_that_was_corrected_takes_no_more_strokes(records: Records, measurement_id: int) -> None:
    scan_id = records.measurements.get(measurement_id).scan_id
    draft = records.drafts.save(measurement_id, "ann", [FIRST], on_revision=0)
    records.measurements.store(scan_id, new_measurement(parent_id=measurement_id, author="ben"))
    with pytest.raises(ConflictError, match="somebody else"):
        records.drafts.save(measurement_id, "ann", [FIRST, SECOND], on_revision=draft.revision)
    assert records.drafts.get(measurement_id, "ann") == draft


def test_there_is_no_draft_of_nothing(records: Records) -> None:
    with pytest.raises(RecordNotFoundError):
        records.drafts.save(99, "ann", [FIRST], on_revision=0)
