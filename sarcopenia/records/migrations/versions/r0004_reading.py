"""Readings: masks that people drew outside the tool, against the models' own; never changed once stored."""

import sqlalchemy as sa
from alembic import op

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
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER reading_no_{verb.lower()} BEFORE {verb} ON reading "
                "BEGIN SELECT RAISE(ABORT, 'reading rows are immutable'); END"
            )
    else:
        # The function comes from the first migration.
        op.execute(
            "CREATE TRIGGER reading_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON reading "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
