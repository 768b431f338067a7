"""The work list as the records read it: in one query, from the newest version of every scan."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from sarcopenia.domain.results import Verdict
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.records import Records, ReviewState, StoredArrays
from tests.unit.records.samples import make_measurement, new_measurement

STROKE = Stroke(StrokeTool.BRUSH, ((1.0, 1.0),), 1.0, within_muscle_hu=False)


def test_a_scan_without_a_result_is_in_the_list_too(records: Records, store_scan: Callable[..., int]) -> None:
    scan_id = store_scan(study_date=date(2026, 3, 1), series_description="Abdomen")
    (item,) = records.work_items.find()
    assert (item.scan_id, item.study_date, item.series_description) == (scan_id, date(2026, 3, 1), "Abdomen")
    assert item.patient_id == records.scans.get(scan_id).patient_id
    assert item.result is None
    assert records.work_items.count() == 1


def test_the_newest_version_and_the_newest_review_stand_in_the_list(
    records: Records, store_scan: Callable[..., int]
) -> None:
    scan_id = store_scan()
    first = records.measurements.store(scan_id, new_measurement())
    records.reviews.add(first.measurement_id, ReviewState.SIGNED, author="ann")
    (item,) = records.work_items.find()
    result = item.result
    assert (result.version, result.level, result.sma_cm2, result.sma_cov_percent) == (1, "L3", 151.5, 1.01)
    assert (result.verdict, result.flags) == (Verdict.REVIEW, make_measurement().flags)
    assert result.review == records.scans.get(scan_id).latest.review

    records.reviews.add(first.measurement_id, ReviewState.WITHDRAWN, author="ben", comment="why")
    (item,) = records.work_items.find()
    assert (item.result.review.state, item.result.review.author) == (ReviewState.WITHDRAWN, "ben")

    second = records.measurements.store(
        scan_id, new_measurement(measurement=make_measurement(140.0), parent_id=first.measurement_id)
    )
    (item,) = records.work_items.find()
    result = item.result
    assert (result.measurement_id, result.version, result.sma_cm2) == (second.measurement_id, 2, 140.0)
    assert result.review is None


def test_what_was_not_measured_has_no_numbers(records: Records, store_scan: Callable[..., int]) -> None:
    nothing = replace(
        make_measurement(), level=None, composition=None, uncertainty=None, flags=(), verdict=Verdict.NO_L3
    )
    new = new_measurement(measurement=nothing, arrays=StoredArrays(None, None, None))
    records.measurements.store(store_scan(), new)
    (item,) = records.work_items.find()
    result = item.result
    assert (result.level, result.sma_cm2, result.sma_cov_percent, result.flags) == (None, None, None, ())


def test_the_search_finds_every_scan_and_the_count_stays_that_of_all(
    records: Records, store_scan: Callable[..., int], jane: dict[str, object]
) -> None:
    hers = store_scan(series_hash="b" * 64, series_description="Portal venous", **jane)
    other = store_scan(series_hash="c" * 64, patient_id="9", name="ROE^RICHARD", study_date=date(2026, 3, 1))
    assert [item.scan_id for item in records.work_items.find()] == [other, hers]
    for text, found in (("doe jane", [hers]), ("VENOUS", [hers]), ("2026-03", [other]), ("nobody", [])):
        assert [item.scan_id for item in records.work_items.find(text)] == found
    assert records.work_items.count() == 2


def test_drafts_of_everybody_on_every_version_are_found(records: Records, store_scan: Callable[..., int]) -> None:
    scan_id, other = store_scan(), store_scan(series_hash="d" * 64)
    first = records.measurements.store(scan_id, new_measurement())
    records.drafts.save(first.measurement_id, "ann", [STROKE], on_revision=0)
    second = records.measurements.store(scan_id, new_measurement(parent_id=first.measurement_id))
    records.drafts.save(second.measurement_id, "ben", [STROKE], on_revision=0)
    assert [draft.author for draft in records.drafts.of_scan(scan_id)] == ["ann", "ben"]
    assert records.drafts.of_scan(other) == ()
