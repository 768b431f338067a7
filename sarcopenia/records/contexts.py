"""Facts about a person beside the scan: height, sex, grip, confounders; append-only, with day, source and author.

A fact holds from its day on until a newer one. Facts of a scan's header belong to the scan and follow it when it is
moved to another patient; facts that people typed belong to the patient. On one day a measured value goes before a
typed one, and a typed one before the header's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from sarcopenia.domain.errors import RecordError, RecordNotFoundError
from sarcopenia.domain.volume import SeriesHeader, Sex
from sarcopenia.records.patient_groups import member_ids, resolve
from sarcopenia.records.schema import ContextRow, ScanRow
from sarcopenia.records.store import SYSTEM_AUTHOR, Store
from sarcopenia.records.views import ContextEntry, ContextKind, ContextSource, ScanContext


@dataclass(frozen=True)
class NumberRule:
    """Unit of a numeric fact, and the range beyond which it is a slip of the keyboard or of the unit."""

    unit: str
    low: float
    high: float


NUMBER_RULES: Final = {
    ContextKind.HEIGHT: NumberRule("m", 1.20, 2.20),  # the range in which an SMI is given
    ContextKind.WEIGHT: NumberRule("kg", 20, 350),
    ContextKind.GRIP_STRENGTH: NumberRule("kg", 0, 120),
    ContextKind.GAIT_SPEED: NumberRule("m/s", 0, 3),
    ContextKind.SARC_F: NumberRule("points", 0, 10),
}
YES, NO = "yes", "no"
TEXT_RULES: Final = {
    ContextKind.SEX: ((Sex.MALE.value, Sex.FEMALE.value, Sex.OTHER.value), "M, F or O"),
    **dict.fromkeys(
        (
            ContextKind.PREGNANCY,
            ContextKind.AMPUTATION,
            ContextKind.PARALYSIS,
            ContextKind.DIALYSIS,
            ContextKind.RECENT_LAPAROTOMY,
        ),
        ((YES, NO), "yes or no"),
    ),
}
"""Values that a fact in words may have, and how that is said."""
_SOURCE_RANK: Final = {ContextSource.DICOM: 0, ContextSource.TYPED: 1, ContextSource.MEASURED: 2}


@dataclass(frozen=True)
class NewContext:
    """A fact to be added; ``valid_from`` is the day on which it was true first, normally the day of the scan."""

    kind: ContextKind
    value: float | str
    source: ContextSource
    valid_from: date | None


class Contexts:
    """Adding facts and finding the one that holds on a day."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, patient_id: int, fact: NewContext, *, author: str) -> ContextEntry:
        """Add a fact to a patient; nothing that was said before is changed.

        Raises
        ------
        RecordError: the value cannot be true, for example a height in cm. RecordNotFoundError: no such patient.
        """
        require_plausible(fact.kind, fact.value)
        with self._store.database.writing() as session:
            row = self._row(fact, author, patient_id=resolve(session, patient_id))
            session.add(row)
            session.flush()
            self._store.audit(session, author, "context.added", f"patient:{patient_id}", entry=row.id, kind=fact.kind)
            return _entry(row)

    def add_from_header(self, session: Session, scan_id: int, header: SeriesHeader) -> None:
        """Keep what a scan's header says, where it can be true; part of the caller's transaction."""
        said = (
            (ContextKind.HEIGHT, header.height_m),
            (ContextKind.WEIGHT, header.weight_kg),
            (ContextKind.SEX, header.sex.value or None),
        )
        for kind, value in said:
            if value is not None and is_plausible(kind, value):
                fact = NewContext(kind, value, ContextSource.DICOM, header.study_date)
                session.add(self._row(fact, SYSTEM_AUTHOR, scan_id=scan_id))

    def at(self, patient_id: int, kind: ContextKind, on: date | None) -> ContextEntry | None:
        """Fact of a kind that holds on a day (``None``: now); ``None`` when nobody said anything until then."""
        with self._store.database.reading() as session:
            return _holding(_entries(session, resolve(session, patient_id)), kind, on)

    def for_scan(self, scan_id: int) -> ScanContext:
        """Facts that hold on the day of a scan; for an undated scan the newest. Raises `RecordNotFoundError`."""
        with self._store.database.reading() as session:
            scan = session.get(ScanRow, scan_id)
            if scan is None:
                raise RecordNotFoundError(f"There is no scan {scan_id}.")
            entries = _entries(session, resolve(session, scan.patient_id))
        return ScanContext(**{kind.value: _holding(entries, kind, scan.study_date) for kind in ContextKind})

    def history(self, patient_id: int) -> tuple[ContextEntry, ...]:
        """Everything that was ever said about a patient, in the order in which it was recorded."""
        with self._store.database.reading() as session:
            return tuple(_entries(session, resolve(session, patient_id)))

    def _row(
        self, fact: NewContext, author: str, *, patient_id: int | None = None, scan_id: int | None = None
    ) -> ContextRow:
        is_text = isinstance(fact.value, str)
        return ContextRow(
            patient_id=patient_id,
            scan_id=scan_id,
            kind=fact.kind,
            value_number=None if is_text else fact.value,
            value_text=fact.value if is_text else None,
            unit=NUMBER_RULES[fact.kind].unit if fact.kind in NUMBER_RULES else "",
            source=fact.source,
            valid_from=fact.valid_from,
            author=author,
            recorded_at=self._store.now(),
        )


def is_plausible(kind: ContextKind, value: float | str) -> bool:
    """Whether a value can be true of an adult."""
    rule = NUMBER_RULES.get(kind)
    if rule is None:
        return value in TEXT_RULES[kind][0]
    return not isinstance(value, str) and math.isfinite(value) and rule.low <= value <= rule.high


def require_plausible(kind: ContextKind, value: float | str) -> None:
    """Raise `RecordError` saying the range and the unit when a value cannot be true."""
    if is_plausible(kind, value):
        return
    rule = NUMBER_RULES.get(kind)
    allowed = TEXT_RULES[kind][1] if rule is None else f"between {rule.low:g} and {rule.high:g} {rule.unit}"
    label = kind.value.replace("_", " ").capitalize()
    raise RecordError(f"{label} must be {allowed}, not {value}.", "Check the value and its unit.")


def _entries(session: Session, patient_id: int) -> Sequence[ContextEntry]:
    members = member_ids(patient_id)
    scans = select(ScanRow.id).where(ScanRow.patient_id.in_(members))
    query = select(ContextRow).where(or_(ContextRow.patient_id.in_(members), ContextRow.scan_id.in_(scans)))
    return [_entry(row) for row in session.scalars(query.order_by(ContextRow.id))]


def _holding(entries: Sequence[ContextEntry], kind: ContextKind, on: date | None) -> ContextEntry | None:
    """Newest entry of the kind until the day; an entry of an undated scan only where no dated one fits."""
    fitting = [e for e in entries if e.kind is kind and (on is None or e.valid_from is None or e.valid_from <= on)]
    return max(fitting, key=lambda e: (e.valid_from or date.min, _SOURCE_RANK[e.source], e.entry_id), default=None)


def _entry(row: ContextRow) -> ContextEntry:
    value = row.value_number if row.value_number is not None else row.value_text or ""
    return ContextEntry(
        entry_id=row.id,
        kind=ContextKind(row.kind),
        value=value,
        unit=row.unit,
        source=ContextSource(row.source),
        valid_from=row.valid_from,
        author=row.author,
        recorded_at=row.recorded_at,
    )
