"""Planned operations, the marks that take them off the list, and documents of reports; never changed once stored."""

import sqlalchemy as sa
from alembic import op

from sarcopenia.records.migrations.immutable import forbid_changes

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the triggers that keep them."""
    op.create_table(
        "planned_operation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=True),
        sa.Column("hospital_number", sa.Text(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("procedure", sa.String(64), nullable=False),
        sa.Column("surgeon", sa.String(255), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk_planned_operation_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_planned_operation")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_planned_operation_patient_id"), "planned_operation", ["patient_id"], unique=False)
    op.create_index(op.f("ix_planned_operation_day"), "planned_operation", ["day"], unique=False)
    op.create_table(
        "planned_operation_cancellation",
        sa.Column("operation_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["planned_operation.id"], name=op.f("fk_planned_operation_cancellation_operation_id")
        ),
        sa.PrimaryKeyConstraint("operation_id", name=op.f("pk_planned_operation_cancellation")),
    )
    op.create_table(
        "report_document",
        sa.Column("report_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("blob_sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["report_id"], ["report.id"], name=op.f("fk_report_document_report_id")),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_report_document")),
    )
    for table in ("planned_operation", "planned_operation_cancellation", "report_document"):
        forbid_changes(table)
