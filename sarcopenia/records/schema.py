"""The tables of the records. Nothing outside `sarcopenia.records` sees a row; `views` holds what leaves.

Times are UTC. Rows of the tables in `IMMUTABLE_TABLES` are never changed or deleted: triggers of the migrations refuse
it, whoever asks.
"""

from datetime import UTC, date, datetime
from typing import Any, ClassVar, Final

from sqlalchemy import JSON, CheckConstraint, DateTime, Dialect, ForeignKey, MetaData, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

IMMUTABLE_TABLES: Final = (
    "patient_context",
    "measurement",
    "measurement_blob",
    "review",
    "report",
    "audit",
    "reading",
    "patient_event",
    "patient_event_withdrawal",
)

_SHA256: Final = String(64)
_CODE: Final = String(64)
_NAME: Final = String(255)
_NEVER_REUSE_IDS: Final = {"sqlite_autoincrement": True}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time on every database; SQLite alone would forget the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: D102
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: D102
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of the rows; constraints get names so that migrations can address them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        dict[str, Any]: JSON(none_as_null=True),
        list[int]: JSON,
        list[Any]: JSON,
    }


class PatientRow(Base):
    """One person. ``merged_into_id`` always names the patient that is kept, never a merged one."""

    __tablename__ = "patient"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    provisional: Mapped[bool]
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("patient.id"), index=True)
    created_at: Mapped[datetime]


class IdentityRow(Base):
    """One way in which a patient was named in images: (issuer, Patient ID) with name, birth date and sex."""

    __tablename__ = "patient_identity"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"), index=True)
    issuer: Mapped[str] = mapped_column(Text)
    dicom_patient_id: Mapped[str] = mapped_column(Text, index=True)
    name: Mapped[str] = mapped_column(Text)
    birth_date: Mapped[date | None]
    sex: Mapped[str] = mapped_column(String(1))
    recorded_at: Mapped[datetime]


class ContextRow(Base):
    """A fact about the person from a day on: height, weight, sex, grip. From a scan's header or for the patient."""

    __tablename__ = "patient_context"
    __table_args__ = (
        CheckConstraint("(patient_id IS NULL) <> (scan_id IS NULL)", name="one_owner"),
        CheckConstraint("(value_number IS NULL) <> (value_text IS NULL)", name="one_value"),
        _NEVER_REUSE_IDS,
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int | None] = mapped_column(ForeignKey("patient.id"), index=True)
    scan_id: Mapped[int | None] = mapped_column(ForeignKey("scan.id"), index=True)
    kind: Mapped[str] = mapped_column(_CODE)
    value_number: Mapped[float | None]
    value_text: Mapped[str | None] = mapped_column(_NAME)
    unit: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(_CODE)
    valid_from: Mapped[date | None]
    author: Mapped[str] = mapped_column(_NAME)
    recorded_at: Mapped[datetime]


class UploadRow(Base):
    """What somebody gave in one go; ``content_sha256`` covers names and bytes, in any order."""

    __tablename__ = "upload"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    content_sha256: Mapped[str] = mapped_column(_SHA256, unique=True)
    source: Mapped[str] = mapped_column(_NAME)
    received_at: Mapped[datetime]


class UploadFileRow(Base):
    """One file of an upload: its name and the blob with its bytes."""

    __tablename__ = "upload_file"

    upload_id: Mapped[int] = mapped_column(ForeignKey("upload.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(Text)
    blob_sha256: Mapped[str] = mapped_column(_SHA256)


class ScanRow(Base):
    """One CT series of one patient; header, report and rejected other series as the reader gave them."""

    __tablename__ = "scan"
    __table_args__ = (UniqueConstraint("patient_id", "series_hash"), _NEVER_REUSE_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"))
    upload_id: Mapped[int] = mapped_column(ForeignKey("upload.id"), index=True)
    series_hash: Mapped[str] = mapped_column(_SHA256, index=True)
    header: Mapped[dict[str, Any]]
    reader_report: Mapped[dict[str, Any]]
    rejected_series: Mapped[list[Any]]
    study_date: Mapped[date | None]
    slice_count: Mapped[int]
    stored_at: Mapped[datetime]


class JobRow(Base):
    """The work that an upload asks for, and how far it is."""

    __tablename__ = "job"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    upload_id: Mapped[int] = mapped_column(ForeignKey("upload.id"), index=True)
    state: Mapped[str] = mapped_column(_CODE, index=True)
    idempotency_key: Mapped[str] = mapped_column(String(255), index=True)
    stage: Mapped[str | None] = mapped_column(_CODE)
    stage_index: Mapped[int | None]
    stage_total: Mapped[int | None]
    stage_text: Mapped[str | None] = mapped_column(Text)
    attempt: Mapped[int]
    lease_owner: Mapped[str | None] = mapped_column(_NAME)
    lease_expires_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    question: Mapped[dict[str, Any] | None]
    accepted_patient_id: Mapped[int | None] = mapped_column(ForeignKey("patient.id"))
    refused_patient_ids: Mapped[list[int]]
    failure: Mapped[dict[str, Any] | None]
    scan_id: Mapped[int | None] = mapped_column(ForeignKey("scan.id"))
    measurement_id: Mapped[int | None] = mapped_column(ForeignKey("measurement.id"))
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class MeasurementRow(Base):
    """One immutable measurement; a correction names its parent.

    ``request_key`` (series, models, options) lets a repeated job find the measurement that it has already made.
    """

    __tablename__ = "measurement"
    __table_args__ = (UniqueConstraint("scan_id", "request_key"), _NEVER_REUSE_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scan.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("measurement.id"), unique=True)
    request_key: Mapped[str | None] = mapped_column(_SHA256)
    author: Mapped[str] = mapped_column(_NAME)
    payload: Mapped[dict[str, Any]]
    level: Mapped[dict[str, Any] | None]
    frame: Mapped[dict[str, Any]]
    stored_at: Mapped[datetime]


class MeasurementBlobRow(Base):
    """One array of a measurement, by its role: the blob holds it in NumPy's .npy format."""

    __tablename__ = "measurement_blob"

    measurement_id: Mapped[int] = mapped_column(ForeignKey("measurement.id"), primary_key=True)
    role: Mapped[str] = mapped_column(_CODE, primary_key=True)
    blob_sha256: Mapped[str] = mapped_column(_SHA256)


class PatternFindingRow(Base):
    """What the experimental classifier said of a measurement's slab; no part of the measurement."""

    __tablename__ = "pattern_finding"

    measurement_id: Mapped[int] = mapped_column(ForeignKey("measurement.id"), primary_key=True, autoincrement=False)
    payload: Mapped[dict[str, Any]]


class DraftRow(Base):
    """Strokes that a person has not stored yet; ``revision`` counts their changes, so that a second tab is noticed."""

    __tablename__ = "correction_draft"
    __table_args__ = (UniqueConstraint("measurement_id", "author"), _NEVER_REUSE_IDS)

    id: Mapped[int] = mapped_column(primary_key=True)
    measurement_id: Mapped[int] = mapped_column(ForeignKey("measurement.id"))
    author: Mapped[str] = mapped_column(_NAME)
    strokes: Mapped[list[Any]]
    revision: Mapped[int]
    updated_at: Mapped[datetime]


class ReviewRow(Base):
    """What a person says about a measurement; the newest row is the state."""

    __tablename__ = "review"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    measurement_id: Mapped[int] = mapped_column(ForeignKey("measurement.id"), index=True)
    state: Mapped[str] = mapped_column(_CODE)
    author: Mapped[str] = mapped_column(_NAME)
    comment: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime]


class ReadingRow(Base):
    """A mask that a person drew outside the tool, and how far the models' own on the same slice lies from it.

    ``measurement_id`` names the measurement whose mask it was compared with; ``None``: the models outlined the slice
    for the comparison alone. Both masks are blobs in NumPy's .npy format.
    """

    __tablename__ = "reading"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    scan_id: Mapped[int] = mapped_column(ForeignKey("scan.id"), index=True)
    measurement_id: Mapped[int | None] = mapped_column(ForeignKey("measurement.id"))
    slice_index: Mapped[int]
    reader: Mapped[str] = mapped_column(_NAME)
    blind: Mapped[bool]
    method: Mapped[str] = mapped_column(_CODE)
    mask_sha256: Mapped[str] = mapped_column(_SHA256)
    ai_mask_sha256: Mapped[str] = mapped_column(_SHA256)
    comparison: Mapped[dict[str, Any]]
    models: Mapped[list[Any]]
    recorded_at: Mapped[datetime]


class EventRow(Base):
    """Something that happened to a patient, on one day or from ``first_day`` to ``last_day``."""

    __tablename__ = "patient_event"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"), index=True)
    kind: Mapped[str] = mapped_column(_CODE)
    first_day: Mapped[date]
    last_day: Mapped[date | None]
    note: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(_NAME)
    recorded_at: Mapped[datetime]


class EventWithdrawalRow(Base):
    """The mark that an event was told by mistake; one at the most for every event."""

    __tablename__ = "patient_event_withdrawal"

    event_id: Mapped[int] = mapped_column(ForeignKey("patient_event.id"), primary_key=True, autoincrement=False)
    author: Mapped[str] = mapped_column(_NAME)
    reason: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime]


class OperationRow(Base):
    """An operation that is planned; ``hospital_number`` names the patient where no page of a patient was open."""

    __tablename__ = "planned_operation"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int | None] = mapped_column(ForeignKey("patient.id"), index=True)
    hospital_number: Mapped[str] = mapped_column(Text)
    patient_name: Mapped[str] = mapped_column(Text)
    day: Mapped[date] = mapped_column(index=True)
    procedure: Mapped[str] = mapped_column(_CODE)
    surgeon: Mapped[str] = mapped_column(_NAME)
    note: Mapped[str] = mapped_column(Text)
    author: Mapped[str] = mapped_column(_NAME)
    recorded_at: Mapped[datetime]


class OperationCancellationRow(Base):
    """The mark that an operation was taken off the list; one at the most for every operation."""

    __tablename__ = "planned_operation_cancellation"

    operation_id: Mapped[int] = mapped_column(ForeignKey("planned_operation.id"), primary_key=True, autoincrement=False)
    author: Mapped[str] = mapped_column(_NAME)
    reason: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime]


class ReportRow(Base):
    """Exactly which scans, measurements, reviews and context a report was made of."""

    __tablename__ = "report"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"), index=True)
    snapshot: Mapped[dict[str, Any]]
    author: Mapped[str] = mapped_column(_NAME)
    frozen_at: Mapped[datetime]


class ReportDocumentRow(Base):
    """The document of a report as it was handed out; one at the most for every report."""

    __tablename__ = "report_document"

    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"), primary_key=True, autoincrement=False)
    blob_sha256: Mapped[str] = mapped_column(_SHA256)


class AuditRow(Base):
    """Who did what to which row, and when; details hold ids and codes, no names of patients."""

    __tablename__ = "audit"
    __table_args__ = _NEVER_REUSE_IDS

    id: Mapped[int] = mapped_column(primary_key=True)
    author: Mapped[str] = mapped_column(_NAME)
    action: Mapped[str] = mapped_column(_CODE)
    subject: Mapped[str] = mapped_column(_CODE, index=True)
    details: Mapped[dict[str, Any]]
    recorded_at: Mapped[datetime]
