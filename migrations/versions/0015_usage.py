"""Who calls what, since when and how often."""

import sqlalchemy as sa
from alembic import op

revision = "0015_usage"
down_revision = "0014_keys_by_issuer"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "tb_usage",
        sa.Column("client_id", sa.String(200), primary_key=True),
        sa.Column("contract", sa.String(100), primary_key=True),
        sa.Column("operation", sa.String(100), primary_key=True),
        sa.Column("place", sa.String(10), primary_key=True),
        sa.Column("pointer", sa.String(400), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("tb_usage")
