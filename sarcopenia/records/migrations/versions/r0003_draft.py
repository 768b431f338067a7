"""Drafts of corrections: they change with every stroke and go when the correction is stored, so no trigger."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "correction_draft",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("measurement_id", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(255), nullable=False),
        sa.Column("strokes", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["measurement_id"], ["measurement.id"], name=op.f("fk_correction_draft_measurement_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction_draft")),
        sa.UniqueConstraint("measurement_id", "author", name=op.f("uq_correction_draft_measurement_id")),
        sqlite_autoincrement=True,
    )
