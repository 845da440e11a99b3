"""The sets of policy files that are or were in force."""

import sqlalchemy as sa
from alembic import op

revision = "0012_policy_sets"
down_revision = "0011_audit_seals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "tb_policy_set",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("loaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("loaded_by", sa.String(200), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("note", sa.Text),
    )
    once = sa.text("state IN ('live', 'previous')")
    op.create_index(
        "uq_tb_policy_set_state", "tb_policy_set", ["state"], unique=True, postgresql_where=once, sqlite_where=once
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("tb_policy_set")
