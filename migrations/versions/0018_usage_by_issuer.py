"""Whose usage it is: a client's, and that of the issuer who vouches for it; and which counts were written already.

What was counted before stays where it is, and is read beside: the release before goes on writing there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018_usage_by_issuer"
down_revision = "0017_monitors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_client_usage",
        sa.Column("issuer", sa.String(500), primary_key=True),
        sa.Column("client_id", sa.String(200), primary_key=True),
        sa.Column("contract", sa.String(100), primary_key=True),
        sa.Column("operation", sa.String(100), primary_key=True),
        sa.Column("place", sa.String(10), primary_key=True),
        sa.Column("pointer", sa.String(400), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_tb_client_usage_contract_client_id", "tb_client_usage", ["contract", "client_id"])
    op.create_table(
        "tb_flush",
        sa.Column("writer", sa.String(32), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("tb_flush")
    op.drop_index("ix_tb_client_usage_contract_client_id", "tb_client_usage")
    op.drop_table("tb_client_usage")
