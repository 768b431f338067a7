"""What all parts of the records stand on: the database, the blobs, the clock, and the audit that they all write."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from sarcopenia.records.blobs import BlobStore
from sarcopenia.records.database import Database
from sarcopenia.records.schema import AuditRow
from sarcopenia.records.views import AuditEntry

SYSTEM_AUTHOR = "system"
"""Author of what the software did by itself."""


@dataclass(frozen=True)
class Store:
    """Database, blob store and clock (aware UTC) of one set of records."""

    database: Database
    blobs: BlobStore
    now: Callable[[], datetime]

    def audit(self, session: Session, author: str, action: str, subject: str, **details: object) -> None:
        """Note who did what; part of the caller's transaction, so that neither exists without the other."""
        texts = {name: str(value) for name, value in details.items()}
        session.add(AuditRow(author=author, action=action, subject=subject, details=texts, recorded_at=self.now()))


class AuditTrail:
    """Reading of the audit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def entries(self, subject: str | None = None, limit: int = 200) -> tuple[AuditEntry, ...]:
        """Newest entries first, of one subject such as "patient:3" or of all."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if subject is not None:
            query = query.where(AuditRow.subject == subject)
        with self._store.database.reading() as session:
            return tuple(_entry(row) for row in session.scalars(query))


def _entry(row: AuditRow) -> AuditEntry:
    details = tuple((name, str(value)) for name, value in row.details.items())
    return AuditEntry(row.id, row.author, row.action, row.subject, details, row.recorded_at)
