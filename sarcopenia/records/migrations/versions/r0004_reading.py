"""Readings: masks that people drew outside the tool, against the models' own; never changed once stored."""

import sqlalchemy as sa
from alembic import op

from sarcopenia.records.migrations.immutable import forbid_changes

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the triggers that keep it."""
    op.create_table(
        "reading",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("scan_id", sa.Integer(), nullable=False),
        sa.Column("measurement_id", sa.Integer(), nullable=True),
        sa.Column("slice_index", sa.Integer(), nullable=False),
        sa.Column("reader", sa.String(255), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("method", sa.String(64), nullable=False),
        sa.Column("mask_sha256", sa.String(64), nullable=False),
        sa.Column("ai_mask_sha256", sa.String(64), nullable=False),
        sa.Column("comparison", sa.JSON(), nullable=False),
        sa.Column("models", sa.JSON(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["measurement_id"], ["measurement.id"], name=op.f("fk_reading_measurement_id")),
        sa.ForeignKeyConstraint(["scan_id"], ["scan.id"], name=op.f("fk_reading_scan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_reading_scan_id"), "reading", ["scan_id"], unique=False)
    forbid_changes("reading")
