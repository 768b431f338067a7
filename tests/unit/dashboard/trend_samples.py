"""Dated scans with a stored version, and events, by hand."""

from dataclasses import replace
from datetime import UTC, date, datetime

from dashboard.trend_view import TrendScan
from sarcopenia.domain.strokes import Stroke, StrokeTool
from sarcopenia.domain.volume import ContrastPhase, SeriesHeader
from sarcopenia.records import EventKind, EventWithdrawal, ReviewState, StoredEvent, StoredMeasurement, StoredReview
from tests.unit.dashboard.measurements import MEASURED, PROVENANCE, with_sma

HEADER = SeriesHeader(contrast_phase=ContrastPhase.NONE, kvp=120.0, slice_thickness_mm=5.0)
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def stored(scan_id=1, measurement=MEASURED, parent_id=None, state=None, author="sarcopenia 0.1.0"):
    review = None if state is None else StoredReview(1, scan_id, state, "Dr A", "", NOW)
    return StoredMeasurement(scan_id, scan_id, 1, parent_id, None, author, NOW, measurement, None, None, review)


def scan(day, sma, header=HEADER, state=None, **changes):
    """A scan of a study of its own; ``changes`` are the measurement's."""
    number = day.toordinal()
    uid = header.study_instance_uid or f"1.2.{number}"
    measurement = with_sma(sma, **changes)
    return TrendScan(number, day, stored(number, measurement, state=state), 1, replace(header, study_instance_uid=uid))


def mended(one, author="Dr B"):
    """The same scan with a mask that a person mended, as version 2."""
    stroke = Stroke(StrokeTool.BRUSH, ((1.0, 1.0),), 2.0, within_muscle_hu=False)
    measurement = replace(one.stored.measurement, provenance=replace(PROVENANCE, strokes=(stroke,)))
    return replace(one, stored=stored(one.scan_id + 1, measurement, parent_id=one.scan_id, author=author), version=2)


def event(day, kind=EventKind.OPERATION, last_day=None, note="", withdrawn=False):
    mark = EventWithdrawal("Dr B", "mistake", NOW) if withdrawn else None
    return StoredEvent(day.toordinal(), 1, kind, day, last_day, note, "Dr A", NOW, mark)


SIGNED = ReviewState.SIGNED
REJECTED = ReviewState.REJECTED
SCANS = (scan(date(2025, 6, 1), 150.0), scan(date(2025, 1, 1), 160.0), scan(date(2025, 12, 1), 130.0))
