"""Events of a patient beside the scans: operation, chemotherapy, nutrition, exercise; append-only.

What was said by mistake is withdrawn with a reason: the event stays and says so. Events belong to the patient, as facts
that people typed do, and follow a merge.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import ConflictError, RecordError, RecordNotFoundError
from sarcopenia.records.event_views import EventKind, EventWithdrawal, NewEvent, StoredEvent
from sarcopenia.records.patient_groups import member_ids, resolve
from sarcopenia.records.schema import EventRow, EventWithdrawalRow
from sarcopenia.records.store import Store


class Events:
    """Adding, withdrawing and reading events."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, patient_id: int, new: NewEvent, *, author: str) -> StoredEvent:
        """Add an event to a patient.

        Raises
        ------
        RecordError: it ends before it begins, nobody's name, or an "other" event without a note. RecordNotFoundError:
        no such patient.
        """
        _require_plausible(new, author)
        with self._store.database.writing() as session:
            row = EventRow(
                patient_id=resolve(session, patient_id),
                kind=new.kind,
                first_day=new.first_day,
                last_day=None if new.last_day == new.first_day else new.last_day,
                note=new.note.strip(),
                author=author.strip(),
                recorded_at=self._store.now(),
            )
            session.add(row)
            session.flush()
            self._store.audit(session, author, "event.added", f"patient:{row.patient_id}", event=row.id, kind=new.kind)
            return _event(row, row.patient_id, None)

    def withdraw(self, event_id: int, *, author: str, reason: str) -> StoredEvent:
        """Say that an event was told by mistake; it stays, with the mark.

        Raises
        ------
        RecordError: no reason, or nobody's name. ConflictError: it was withdrawn before. RecordNotFoundError: no such
        event.
        """
        if not reason.strip() or not author.strip():
            raise RecordError("Withdrawing an event needs a reason and a name.", "Enter both.")
        with self._store.database.writing() as session:
            row = session.get(EventRow, event_id)
            if row is None:
                raise RecordNotFoundError(f"There is no event {event_id}.")
            if session.get(EventWithdrawalRow, event_id) is not None:
                raise ConflictError(f"Event {event_id} has been withdrawn before.", "Load the page again.")
            mark = EventWithdrawalRow(
                event_id=event_id, author=author.strip(), reason=reason.strip(), recorded_at=self._store.now()
            )
            session.add(mark)
            patient_id = resolve(session, row.patient_id)
            self._store.audit(session, author, "event.withdrawn", f"patient:{patient_id}", event=event_id)
            return _event(row, patient_id, mark)

    def of_patient(self, patient_id: int) -> tuple[StoredEvent, ...]:
        """All events of a patient by their first day, withdrawn ones too; raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            return _of_patient(session, resolve(session, patient_id))


def _of_patient(session: Session, patient_id: int) -> tuple[StoredEvent, ...]:
    query = (
        select(EventRow, EventWithdrawalRow)
        .join(EventWithdrawalRow, EventWithdrawalRow.event_id == EventRow.id, isouter=True)
        .where(EventRow.patient_id.in_(member_ids(patient_id)))
        .order_by(EventRow.first_day, EventRow.id)
    )
    return tuple(_event(row, patient_id, mark) for row, mark in session.execute(query))


def _require_plausible(new: NewEvent, author: str) -> None:
    if not author.strip():
        raise RecordError("An event needs the name of who tells it.", "Enter your name.")
    if new.last_day is not None and new.last_day < new.first_day:
        raise RecordError("The event ends before it begins.", "Check both days.")
    if new.kind is EventKind.OTHER and not new.note.strip():
        raise RecordError("An event of another kind needs a note.", "Say in a few words what happened.")


def _event(row: EventRow, patient_id: int, mark: EventWithdrawalRow | None) -> StoredEvent:
    return StoredEvent(
        event_id=row.id,
        patient_id=patient_id,
        kind=EventKind(row.kind),
        first_day=row.first_day,
        last_day=row.last_day,
        note=row.note,
        author=row.author,
        recorded_at=row.recorded_at,
        withdrawn=None if mark is None else EventWithdrawal(mark.author, mark.reason, mark.recorded_at),
    )
