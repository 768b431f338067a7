"""What people say about measurements; it is only ever added to."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import ConflictError, RecordNotFoundError
from sarcopenia.records.lineage import corrected_by
from sarcopenia.records.schema import MeasurementRow, ReviewRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import ReviewState, StoredReview


class Reviews:
    """Signing, rejecting and withdrawing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, measurement_id: int, state: ReviewState, *, author: str, comment: str = "") -> StoredReview:
        """Say something about a measurement; the newest review holds.

        Raises
        ------
        ConflictError: a correction has replaced the measurement. RecordNotFoundError: no such measurement.
        """
        with self._store.database.writing() as session:
            if session.get(MeasurementRow, measurement_id) is None:
                raise RecordNotFoundError(f"There is no measurement {measurement_id}.")
            if corrected_by(session, measurement_id) is not None:
                raise ConflictError(
                    f"Measurement {measurement_id} has been corrected.", "Open the correction and review that one."
                )
            row = ReviewRow(
                measurement_id=measurement_id,
                state=state,
                author=author,
                comment=comment,
                recorded_at=self._store.now(),
            )
            session.add(row)
            session.flush()
            self._store.audit(session, author, f"review.{state}", f"measurement:{measurement_id}", review=row.id)
            return _review(row)

    def of_measurement(self, measurement_id: int) -> tuple[StoredReview, ...]:
        """All reviews of a measurement, the newest first."""
        query = select(ReviewRow).where(ReviewRow.measurement_id == measurement_id).order_by(ReviewRow.id.desc())
        with self._store.database.reading() as session:
            return tuple(_review(row) for row in session.scalars(query))


def latest_reviews(session: Session, measurement_ids: Iterable[int]) -> dict[int, StoredReview]:
    """Review that holds for every measurement that has one."""
    query = select(ReviewRow).where(ReviewRow.measurement_id.in_(list(measurement_ids))).order_by(ReviewRow.id)
    return {row.measurement_id: _review(row) for row in session.scalars(query)}


def _review(row: ReviewRow) -> StoredReview:
    return StoredReview(row.id, row.measurement_id, ReviewState(row.state), row.author, row.comment, row.recorded_at)
