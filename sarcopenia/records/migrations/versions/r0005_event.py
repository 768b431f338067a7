"""Events of a patient and their withdrawals; never changed once stored."""

import sqlalchemy as sa
from alembic import op

from sarcopenia.records.migrations.immutable import forbid_changes

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the triggers that keep them."""
    op.create_table(
        "patient_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk_patient_event_patient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_event")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_patient_event_patient_id"), "patient_event", ["patient_id"], unique=False)
    op.create_table(
        "patient_event_withdrawal",
        sa.Column("event_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["patient_event.id"], name=op.f("fk_patient_event_withdrawal_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_patient_event_withdrawal")),
    )
    for table in ("patient_event", "patient_event_withdrawal"):
        forbid_changes(table)
