"""Writes that a system takes one at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0006_write_slots"
down_revision = "0005_workers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_write_slot",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("holder", sa.String(32)),
        sa.Column("until", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("tb_write_slot")
