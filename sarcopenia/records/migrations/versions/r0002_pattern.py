"""What the experimental classifier says, beside the measurement and no part of it; it may go, so no trigger."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "pattern_finding",
        sa.Column("measurement_id", sa.Integer(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["measurement_id"], ["measurement.id"], name=op.f("fk_pattern_finding_measurement_id")),
        sa.PrimaryKeyConstraint("measurement_id", name=op.f("pk_pattern_finding")),
    )
