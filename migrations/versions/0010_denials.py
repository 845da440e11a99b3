"""Tokens and clients that are not let in any more."""

import sqlalchemy as sa
from alembic import op

revision = "0010_denials"
down_revision = "0009_invoice_requests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "tb_denial",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("denied_by", sa.String(200), nullable=False),
        sa.Column("denied_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("kind", "name", "issuer", name="uq_tb_denial_of"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("tb_denial")
