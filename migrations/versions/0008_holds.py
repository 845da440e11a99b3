"""Billing holds, and the scopes whose holds are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0008_holds"
down_revision = "0007_facts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_hold_scope",
        sa.Column("type", sa.String(20), primary_key=True),
        sa.Column("id", sa.String(60), primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("tb_hold_scope")
