"""What the edge keeps: the answers of creating calls, and who did what."""

import sqlalchemy as sa
from alembic import op

revision = "0003_edge"
down_revision = "0002_write_intents"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_idempotency_record",
        sa.Column("client_id", sa.String(200), primary_key=True),
        sa.Column("operation", sa.String(200), primary_key=True),
        sa.Column("idempotency_key", sa.String(128), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(32)),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.LargeBinary),
        sa.Column("body", sa.LargeBinary),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_tb_idempotency_record_expires_at", "tb_idempotency_record", ["expires_at"])
    op.create_table(
        "tb_audit",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client_id", sa.String(200)),
        sa.Column("actor", sa.String(200)),
        sa.Column("operation", sa.String(200), nullable=False),
        sa.Column("method", sa.String(20), nullable=False),
        sa.Column("path", sa.String(8192), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("code", sa.String(80)),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("correlation_id", sa.String(128), nullable=False),
        sa.Column("writer", sa.String(32), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("writer", "sequence", name="uq_tb_audit_writer_sequence"),
    )
    op.create_index("ix_tb_audit_at", "tb_audit", ["at"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("tb_audit")
    op.drop_table("tb_idempotency_record")
