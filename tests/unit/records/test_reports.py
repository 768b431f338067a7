"""Reports: what was handed out stays what it was."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.records import ContextKind, ContextSource, NewContext, NewOperation, Records
from tests.unit.records.samples import new_measurement

PDF = b"%PDF-1.4 first"


@pytest.fixture
def measured(records: Records, store_scan: Callable[..., int]) -> tuple[int, int]:
    """Patient and measurement."""
    stored = records.measurements.store(store_scan(), new_measurement())
    return stored.patient_id, stored.measurement_id


def test_the_document_comes_back_byte_for_byte_and_there_is_only_one(records: Records, measured) -> None:
    patient_id, measurement_id = measured
    report = records.reports.freeze(patient_id, [measurement_id], [], author="Dr A")
    assert report.document_sha256 is None
    with pytest.raises(RecordNotFoundError, match="has no document"):
        records.reports.document(report.report_id)
    issued = records.reports.attach(report.report_id, PDF)
    assert records.reports.get(report.report_id) == issued
    assert records.reports.document(report.report_id) == PDF
    with pytest.raises(ConflictError, match="has a document already"):
        records.reports.attach(report.report_id, b"another")
    assert records.reports.document(report.report_id) == PDF


def test_reports_of_a_patient_are_found_after_a_merge_the_newest_first(records: Records, measured, store_scan) -> None:
    patient_id, measurement_id = measured
    first = records.reports.freeze(patient_id, [measurement_id], [], author="Dr A")
    second = records.reports.attach(
        records.reports.freeze(patient_id, [measurement_id], [], author="Dr A").report_id, PDF
    )
    assert records.reports.of_patient(patient_id) == (second, first)
    kept = records.scans.get(store_scan(patient_id="2", name="C^D", series_hash="b" * 64)).patient_id
    assert records.reports.of_patient(kept) == ()
    records.patients.merge(kept, patient_id, author="Dr A", reason="the same person")
    assert [each.report_id for each in records.reports.of_patient(kept)] == [second.report_id, first.report_id]


def test_a_height_that_is_entered_later_is_not_the_reports(records: Records, measured) -> None:
    patient_id, measurement_id = measured
    day = date(2026, 1, 1)
    old = records.contexts.add(
        patient_id, NewContext(ContextKind.HEIGHT, 1.75, ContextSource.TYPED, day), author="Dr A"
    )
    report = records.reports.freeze(patient_id, [measurement_id], [old.entry_id], author="Dr A")
    new = records.contexts.add(
        patient_id, NewContext(ContextKind.HEIGHT, 1.80, ContextSource.TYPED, day), author="Dr A"
    )
    assert records.contexts.at(patient_id, ContextKind.HEIGHT, None) == new
    assert records.reports.get(report.report_id).context_entry_ids == (old.entry_id,)


def test_a_report_may_name_its_operation(records: Records, measured) -> None:
    patient_id, measurement_id = measured
    new = NewOperation("77", date(2026, 5, 4), "colorectal", patient_id=patient_id)
    operation, other = records.operations.plan([new, replace(new, patient_id=None)], author="Ann")
    report = records.reports.freeze(
        patient_id, [measurement_id], [], author="Dr A", operation_id=operation.operation_id
    )
    assert records.reports.get(report.report_id).operation_id == operation.operation_id
    with pytest.raises(RecordError, match="another patient's"):
        records.reports.freeze(patient_id, [measurement_id], [], author="Dr A", operation_id=other.operation_id)
    records.operations.cancel(operation.operation_id, author="Ann", reason="moved")
    with pytest.raises(RecordError, match="taken off"):
        records.reports.freeze(patient_id, [measurement_id], [], author="Dr A", operation_id=operation.operation_id)
    with pytest.raises(RecordNotFoundError, match="no planned operation 99"):
        records.reports.freeze(patient_id, [measurement_id], [], author="Dr A", operation_id=99)
    with pytest.raises(RecordNotFoundError, match="no report 99"):
        records.reports.attach(99, PDF)
