"""Measurements, reviews, reports and the facts beside them."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.domain.volume import Sex
from sarcopenia.records import (
    ContextKind,
    ContextSource,
    NewContext,
    Records,
    ReportItem,
    ReviewState,
    StoredArrays,
)
from sarcopenia.settings import Settings
from tests.unit.records.samples import Clock, make_arrays, make_level, make_measurement, new_measurement

StoreScan = Callable[..., int]
NO_PICTURES = StoredArrays(None, None, None)


def test_measurement_comes_back_with_its_pictures(records: Records, store_scan: StoreScan, clock: Clock) -> None:
    scan_id = store_scan(patient_id="1")
    stored = records.measurements.store(scan_id, new_measurement())
    assert records.measurements.get(stored.measurement_id) == stored
    assert (stored.measurement, stored.level) == (make_measurement(), make_level())
    assert (stored.author, stored.stored_at, stored.scan_id) == ("sarcopenia 0.1.0", clock(), scan_id)
    pictures = records.measurements.arrays(stored.measurement_id)
    np.testing.assert_array_equal(pictures.slice.hu_yx, make_arrays().slice.hu_yx)
    np.testing.assert_array_equal(pictures.coronal.z_mm, make_arrays().coronal.z_mm)


def test_same_mask_has_the_same_hash_and_another_mask_another(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan(patient_id="1")
    seeds = (0, 0, 1)
    one, same, other = (records.measurements.store(scan_id, new_measurement(arrays=make_arrays(s))) for s in seeds)
    assert one.measurement_id != same.measurement_id
    assert one.muscle_sha256 == same.muscle_sha256 != other.muscle_sha256


def test_finding_without_a_slice_is_stored_too(records: Records, store_scan: StoreScan) -> None:
    stored = records.measurements.store(store_scan(), new_measurement(arrays=NO_PICTURES, level=None))
    assert (stored.level, stored.muscle_sha256) == (None, None)
    assert records.measurements.arrays(stored.measurement_id) == NO_PICTURES


def test_repeated_request_gives_the_first_measurement(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan()
    first = records.measurements.store(scan_id, new_measurement(request_key="k" * 64))
    again = records.measurements.store(scan_id, new_measurement(request_key="k" * 64, author="other"))
    assert again == first
    assert records.measurements.find(scan_id, "k" * 64) == first.measurement_id
    assert records.measurements.find(scan_id, "x" * 64) is None
    assert len(records.measurements.of_scan(scan_id)) == 1


def test_correction_replaces_its_parent_as_the_latest(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan()
    parent = records.measurements.store(scan_id, new_measurement())
    correction = new_measurement(parent_id=parent.measurement_id, author="Dr A", measurement=make_measurement(140.0))
    child = records.measurements.store(scan_id, correction)
    assert records.scans.get(scan_id).latest == child
    assert records.measurements.get(parent.measurement_id).superseded_by == child.measurement_id
    assert child.parent_id == parent.measurement_id
    assert [m.measurement_id for m in records.measurements.of_scan(scan_id)] == [
        parent.measurement_id,
        child.measurement_id,
    ]


def test_second_correction_of_one_measurement_is_a_conflict(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan()
    parent = records.measurements.store(scan_id, new_measurement())
    records.measurements.store(scan_id, new_measurement(parent_id=parent.measurement_id, author="Dr A"))
    with pytest.raises(ConflictError):
        records.measurements.store(scan_id, new_measurement(parent_id=parent.measurement_id, author="Dr B"))
    assert len(records.measurements.of_scan(scan_id)) == 2


def test_correction_stays_on_its_scan(records: Records, store_scan: StoreScan) -> None:
    here, there = store_scan(series_hash="1" * 64), store_scan(series_hash="2" * 64)
    parent = records.measurements.store(here, new_measurement())
    with pytest.raises(RecordError, match="another scan"):
        records.measurements.store(there, new_measurement(parent_id=parent.measurement_id))
    with pytest.raises(RecordNotFoundError):
        records.measurements.store(here, new_measurement(parent_id=99))


@pytest.mark.parametrize(
    "ask",
    [
        lambda records: records.measurements.get(99),
        lambda records: records.measurements.arrays(99),
        lambda records: records.measurements.store(99, new_measurement()),
        lambda records: records.scans.get(99),
        lambda records: records.scans.of_patient(99),
        lambda records: records.patients.get(99),
        lambda records: records.contexts.for_scan(99),
        lambda records: records.reviews.add(99, ReviewState.SIGNED, author="Dr A"),
        lambda records: records.reports.get(99),
    ],
)
def test_what_is_not_there_is_not_found(records: Records, ask: Callable[[Records], object]) -> None:
    with pytest.raises(RecordNotFoundError, match="99"):
        ask(records)


def test_lost_mask_is_told_and_the_numbers_stay(records: Records, store_scan: StoreScan, settings: Settings) -> None:
    stored = records.measurements.store(store_scan(), new_measurement())
    next(Path(settings.data_dir).rglob(stored.muscle_sha256)).unlink()
    with pytest.raises(RecordNotFoundError, match="missing"):
        records.measurements.arrays(stored.measurement_id)
    assert records.measurements.get(stored.measurement_id).measurement == make_measurement()


def test_newest_review_holds_and_none_is_lost(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan()
    measurement_id = records.measurements.store(scan_id, new_measurement()).measurement_id
    assert records.measurements.get(measurement_id).review is None
    records.reviews.add(measurement_id, ReviewState.SIGNED, author="Dr A")
    records.reviews.add(measurement_id, ReviewState.WITHDRAWN, author="Dr A", comment="Wrong slice")
    states = [review.state for review in records.reviews.of_measurement(measurement_id)]
    assert states == [ReviewState.WITHDRAWN, ReviewState.SIGNED]
    latest = records.scans.get(scan_id).latest.review
    assert (latest.state, latest.comment, latest.author) == (ReviewState.WITHDRAWN, "Wrong slice", "Dr A")


def test_correction_is_not_signed_by_its_parents_signature(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan()
    parent = records.measurements.store(scan_id, new_measurement())
    records.reviews.add(parent.measurement_id, ReviewState.SIGNED, author="Dr A")
    child = records.measurements.store(scan_id, new_measurement(parent_id=parent.measurement_id, author="Dr B"))
    assert child.review is None
    with pytest.raises(ConflictError, match="corrected"):
        records.reviews.add(parent.measurement_id, ReviewState.SIGNED, author="Dr A")


def test_report_keeps_what_held_when_it_was_made(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan(patient_id="1")
    patient_id = records.scans.get(scan_id).patient_id
    measurement_id = records.measurements.store(scan_id, new_measurement()).measurement_id
    review = records.reviews.add(measurement_id, ReviewState.SIGNED, author="Dr A")
    height = records.contexts.add(
        patient_id, NewContext(ContextKind.HEIGHT, 1.7, ContextSource.TYPED, date(2024, 1, 1)), author="Dr A"
    )
    report = records.reports.freeze(patient_id, [measurement_id], [height.entry_id], author="Dr A")
    records.reviews.add(measurement_id, ReviewState.REJECTED, author="Dr B")
    assert records.reports.get(report.report_id) == report
    assert report.items == (ReportItem(scan_id, measurement_id, review.review_id),)
    assert report.context_entry_ids == (height.entry_id,)


def test_report_holds_one_patient_only(records: Records, store_scan: StoreScan) -> None:
    one, other = (store_scan(series_hash=str(n) * 64, patient_id=f"P{n}") for n in (1, 2))
    measured = [records.measurements.store(scan_id, new_measurement()).measurement_id for scan_id in (one, other)]
    patient_id = records.scans.get(one).patient_id
    with pytest.raises(RecordError, match="one patient"):
        records.reports.freeze(patient_id, measured, [], author="Dr A")
    with pytest.raises(RecordNotFoundError):
        records.reports.freeze(patient_id, [99], [], author="Dr A")
    with pytest.raises(RecordNotFoundError):
        records.reports.freeze(patient_id, measured[:1], [99], author="Dr A")


def test_header_facts_hold_from_the_day_of_the_scan(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan(patient_id="1", study_date=date(2024, 3, 1), height_m=1.7, weight_kg=70.0, sex=Sex.FEMALE)
    context = records.contexts.for_scan(scan_id)
    assert (context.height.value, context.height.unit, context.height.source) == (1.7, "m", ContextSource.DICOM)
    assert (context.weight.value, context.sex.value, context.grip_strength) == (70.0, "F", None)
    patient_id = records.scans.get(scan_id).patient_id
    assert records.contexts.at(patient_id, ContextKind.HEIGHT, date(2024, 2, 28)) is None
    assert records.contexts.at(patient_id, ContextKind.HEIGHT, date(2025, 1, 1)).value == 1.7


@pytest.mark.parametrize("height_m", [None, 0.0, 172.0, 0.5])
def test_header_height_that_cannot_be_true_is_left_out(
    records: Records, store_scan: StoreScan, height_m: float | None
) -> None:
    assert records.contexts.for_scan(store_scan(height_m=height_m)).height is None


def add_weights(records: Records, patient_id: int, *facts: tuple[float, ContextSource, date | None]) -> None:
    for value, source, day in facts:
        records.contexts.add(patient_id, NewContext(ContextKind.WEIGHT, value, source, day), author="Dr A")


def test_each_scan_sees_the_weight_of_its_time(records: Records, store_scan: StoreScan) -> None:
    days = (date(2024, 1, 1), date(2025, 1, 1))
    early, late = (store_scan(series_hash=str(d.year) * 16, patient_id="1", study_date=d) for d in days)
    patient_id = records.scans.get(early).patient_id
    add_weights(
        records, patient_id, (70.0, ContextSource.TYPED, days[0]), (62.0, ContextSource.TYPED, date(2024, 12, 1))
    )
    weights = [records.contexts.for_scan(scan_id).weight.value for scan_id in (early, late)]
    assert weights == [70.0, 62.0]


def test_on_one_day_measured_goes_before_typed_before_header(records: Records, store_scan: StoreScan) -> None:
    day = date(2024, 1, 1)
    scan_id = store_scan(series_hash="1" * 64, patient_id="1", study_date=day, weight_kg=60.0)
    patient_id = records.scans.get(scan_id).patient_id
    add_weights(records, patient_id, (61.0, ContextSource.TYPED, day))
    store_scan(series_hash="2" * 64, patient_id="1", study_date=day, weight_kg=60.0)
    assert records.contexts.for_scan(scan_id).weight.value == 61.0
    add_weights(records, patient_id, (62.0, ContextSource.MEASURED, day), (61.5, ContextSource.TYPED, day))
    assert records.contexts.for_scan(scan_id).weight.value == 62.0
    assert [entry.value for entry in records.contexts.history(patient_id)] == [60.0, 61.0, 60.0, 62.0, 61.5]


def test_undated_scan_sees_its_own_header_and_what_was_typed_later(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan(patient_id="1", height_m=1.7)
    assert records.contexts.for_scan(scan_id).height.value == 1.7
    patient_id = records.scans.get(scan_id).patient_id
    fact = NewContext(ContextKind.HEIGHT, 1.72, ContextSource.TYPED, None)
    records.contexts.add(patient_id, fact, author="Dr A")
    assert records.contexts.for_scan(scan_id).height.value == 1.72


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        (ContextKind.HEIGHT, 172, "between 1.2 and 2.2 m"),
        (ContextKind.HEIGHT, float("nan"), "between 1.2 and 2.2 m"),
        (ContextKind.HEIGHT, "tall", "between 1.2 and 2.2 m"),
        (ContextKind.WEIGHT, 0, "between 20 and 350 kg"),
        (ContextKind.GRIP_STRENGTH, 500, "between 0 and 120 kg"),
        (ContextKind.SEX, "male", "M, F or O"),
        (ContextKind.SEX, "", "M, F or O"),
        (ContextKind.DIALYSIS, "perhaps", "yes or no"),
        (ContextKind.PREGNANCY, 1.0, "yes or no"),
    ],
)
def test_fact_that_cannot_be_true_is_refused_with_its_range(
    records: Records, store_scan: StoreScan, kind: ContextKind, value: float | str, said: str
) -> None:
    patient_id = records.scans.get(store_scan()).patient_id
    with pytest.raises(RecordError, match=said):
        records.contexts.add(patient_id, NewContext(kind, value, ContextSource.TYPED, None), author="Dr A")
    assert records.contexts.history(patient_id) == ()


@pytest.mark.parametrize("state", [ReviewState.SIGNED, ReviewState.REJECTED])
def test_newer_models_do_not_replace_what_a_person_reviewed(records: Records, store_scan: StoreScan, state) -> None:
    scan_id = store_scan(patient_id="1")
    reviewed = records.measurements.store(scan_id, new_measurement(request_key="a" * 64)).measurement_id
    records.reviews.add(reviewed, state, author="Dr A", comment="x")
    newer = records.measurements.store(scan_id, new_measurement(request_key="b" * 64)).measurement_id
    assert records.scans.get(scan_id).latest.measurement_id == reviewed
    assert [each.measurement_id for each in records.measurements.of_scan(scan_id)] == [reviewed, newer]
    records.reviews.add(reviewed, ReviewState.WITHDRAWN, author="Dr A", comment="take the newer one")
    assert records.scans.get(scan_id).latest.measurement_id == newer


def test_newer_models_do_not_replace_a_correction(records: Records, store_scan: StoreScan) -> None:
    scan_id = store_scan(patient_id="1")
    first = records.measurements.store(scan_id, new_measurement(request_key="a" * 64)).measurement_id
    corrected = records.measurements.store(scan_id, new_measurement(parent_id=first, author="Dr A")).measurement_id
    records.measurements.store(scan_id, new_measurement(request_key="b" * 64))
    assert records.scans.get(scan_id).latest.measurement_id == corrected
