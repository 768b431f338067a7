"""The work list: every scan with what a list says of it, read in one query without decoding the measurements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ScalarSelect, Select, func, select
from sqlalchemy.orm import aliased

from sarcopenia.domain.results import Flag, Verdict
from sarcopenia.records.codec import decode
from sarcopenia.records.patient_groups import root_id
from sarcopenia.records.scans import holds
from sarcopenia.records.schema import MeasurementRow, PatientRow, ReviewRow, ScanRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import ReviewState, StoredReview


@dataclass(frozen=True)
class WorkResult:
    """What a list says of the newest measurement of a scan.

    Attributes
    ----------
    version: 1 for the first measurement of the scan.
    sma_cm2, sma_cov_percent: ``None`` where nothing was measured.
    review: the review that holds, ``None`` where nobody has said anything.
    """

    measurement_id: int
    version: int
    level: str | None
    sma_cm2: float | None
    sma_cov_percent: float | None
    verdict: Verdict
    flags: tuple[Flag, ...]
    review: StoredReview | None


@dataclass(frozen=True)
class WorkItem:
    """A scan in the work list; ``result`` is ``None`` as long as it has no measurement."""

    scan_id: int
    patient_id: int
    study_date: date | None
    series_description: str
    result: WorkResult | None


class WorkItems:
    """Reading the work list."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, text: str = "") -> tuple[WorkItem, ...]:
        """All scans that hold every word of the text, as `Scans.search` does; the newest first."""
        query = _selection()
        for word in text.split():
            query = query.where(holds(word))
        with self._store.database.reading() as session:
            return tuple(_item(row) for row in session.execute(query.order_by(ScanRow.id.desc())))

    def count(self) -> int:
        """Number of all scans."""
        with self._store.database.reading() as session:
            return session.scalar(select(func.count(ScanRow.id))) or 0


def _selection() -> Select[Any]:
    payload = MeasurementRow.payload
    return (
        select(
            ScanRow.id,
            root_id(),
            ScanRow.study_date,
            ScanRow.header["series_description"].as_string(),
            MeasurementRow.id,
            _version(),
            payload["level"].as_string(),
            payload[("composition", "sma_cm2")].as_float(),
            payload[("uncertainty", "sma_cov_percent")].as_float(),
            payload["verdict"].as_string(),
            payload["flags"],
            ReviewRow,
        )
        .select_from(ScanRow)
        .join(PatientRow, PatientRow.id == ScanRow.patient_id)
        .join(MeasurementRow, MeasurementRow.id == _newest(), isouter=True)
        .join(ReviewRow, ReviewRow.id == _holding_review(), isouter=True)
    )


def _newest() -> ScalarSelect[Any]:
    """Newest measurement of a `ScanRow` that no correction has replaced."""
    found, child = aliased(MeasurementRow), aliased(MeasurementRow)
    replaced = select(child.id).where(child.parent_id == found.id).exists()
    query = select(func.max(found.id)).where(found.scan_id == ScanRow.id, ~replaced)
    return query.correlate(ScanRow).scalar_subquery()


def _version() -> ScalarSelect[Any]:
    """How many measurements the scan of a `MeasurementRow` had when that one was stored, itself among them."""
    older = aliased(MeasurementRow)
    query = select(func.count(older.id)).where(older.scan_id == MeasurementRow.scan_id, older.id <= MeasurementRow.id)
    return query.correlate(MeasurementRow).scalar_subquery()


def _holding_review() -> ScalarSelect[Any]:
    said = aliased(ReviewRow)
    query = select(func.max(said.id)).where(said.measurement_id == MeasurementRow.id)
    return query.correlate(MeasurementRow).scalar_subquery()


def _item(row: Sequence[Any]) -> WorkItem:
    scan_id, patient_id, study_date, description, *result = row
    return WorkItem(scan_id, patient_id, study_date, description or "", _result(*result))


def _result(*columns: Any) -> WorkResult | None:  # noqa: ANN401 # the columns of a row have no common type
    measurement_id, version, level, sma_cm2, cov_percent, verdict, flags, review = columns
    if measurement_id is None:
        return None
    return WorkResult(
        measurement_id=measurement_id,
        version=version,
        level=level,
        sma_cm2=sma_cm2,
        sma_cov_percent=cov_percent,
        verdict=Verdict(verdict),
        flags=decode(tuple[Flag, ...], flags),
        review=None if review is None else _review(review),
    )


def _review(row: ReviewRow) -> StoredReview:
    return StoredReview(row.id, row.measurement_id, ReviewState(row.state), row.author, row.comment, row.recorded_at)
