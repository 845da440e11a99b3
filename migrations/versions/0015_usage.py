"""Who calls what, since when and how often; and which counts were written already."""

import sqlalchemy as sa
from alembic import op

revision = "0015_usage"
down_revision = "0014_keys_by_issuer"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_usage",
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
    op.create_index("ix_tb_usage_contract_client_id", "tb_usage", ["contract", "client_id"])
    op.create_table(
        "tb_flush",
        sa.Column("writer", sa.String(32), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("tb_flush")
    op.drop_index("ix_tb_usage_contract_client_id", "tb_usage")
    op.drop_table("tb_usage")
