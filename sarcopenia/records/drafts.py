"""Drafts: strokes that survive a refresh of the browser until they are stored as a correction, or thrown away."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import ConflictError, RecordNotFoundError
from sarcopenia.domain.strokes import Stroke
from sarcopenia.records.codec import decode, encode
from sarcopenia.records.lineage import corrected_by
from sarcopenia.records.schema import DraftRow, MeasurementRow
from sarcopenia.records.store import Store
from sarcopenia.records.views import StoredDraft

FIRST_REVISION = 0
"""What a change names when there is no draft yet."""


class Drafts:
    """One draft for every measurement and person."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, measurement_id: int, author: str) -> StoredDraft | None:
        """The draft of a person on a measurement, if there is one."""
        with self._store.database.reading() as session:
            row = _find(session, measurement_id, author)
            return None if row is None else _draft(row)

    def of_scan(self, scan_id: int) -> tuple[StoredDraft, ...]:
        """Drafts of everybody on every version of a scan, the oldest first."""
        query = select(DraftRow).join(MeasurementRow, MeasurementRow.id == DraftRow.measurement_id)
        with self._store.database.reading() as session:
            rows = session.scalars(query.where(MeasurementRow.scan_id == scan_id).order_by(DraftRow.id))
            return tuple(_draft(row) for row in rows)

    def save(self, measurement_id: int, author: str, strokes: Sequence[Stroke], on_revision: int) -> StoredDraft:
        """Replace the strokes of a draft that is still at ``on_revision``.

        Raises
        ------
        ConflictError: the draft was changed elsewhere, or the measurement has been corrected meanwhile; nothing is
        lost, the newer one is kept. RecordNotFoundError: no such measurement.
        """
        with self._store.database.writing() as session:
            _require_open(session, measurement_id)
            row = _find(session, measurement_id, author)
            if (row.revision if row else FIRST_REVISION) != on_revision:
                raise ConflictError(
                    "These strokes were changed in another tab.", "The newer strokes are shown; go on from them."
                )
            if row is None:
                row = DraftRow(measurement_id=measurement_id, author=author)
                session.add(row)
            row.strokes = encode(tuple(strokes))
            row.revision = on_revision + 1
            row.updated_at = self._store.now()
            session.flush()
            return _draft(row)

    def discard(self, measurement_id: int, author: str) -> None:
        """Throw a draft away; none is no error."""
        with self._store.database.writing() as session:
            row = _find(session, measurement_id, author)
            if row is not None:
                session.delete(row)


def _find(session: Session, measurement_id: int, author: str) -> DraftRow | None:
    query = select(DraftRow).where(DraftRow.measurement_id == measurement_id, DraftRow.author == author)
    return session.scalars(query).one_or_none()


def _require_open(session: Session, measurement_id: int) -> None:
    if session.get(MeasurementRow, measurement_id) is None:
        raise RecordNotFoundError(f"There is no measurement {measurement_id}.")
    if corrected_by(session, measurement_id) is not None:
        raise ConflictError(
            f"Measurement {measurement_id} has been corrected by somebody else.",
            "Open the newest version; your strokes are kept as a draft of the old one.",
        )


def _draft(row: DraftRow) -> StoredDraft:
    strokes = decode(tuple[Stroke, ...], row.strokes)
    return StoredDraft(row.measurement_id, row.author, strokes, row.revision, row.updated_at)
