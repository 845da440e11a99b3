"""Whose idempotency key it is: a client's, and that of the issuer who vouches for it.

The table is made anew. Its rows do not say who vouched, so none of them could be given to its caller; the call that is
repeated goes to its process by the business key, as after a crash.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014_keys_by_issuer"
down_revision = "0013_audit_by_client"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table anew, with the issuer in its key."""
    _make_anew(sa.Column("issuer", sa.String(500), primary_key=True))


def downgrade() -> None:
    """Make the table anew, without."""
    _make_anew()


def _make_anew(*more: sa.Column[str]) -> None:
    op.drop_index("ix_tb_idempotency_record_expires_at", "tb_idempotency_record")
    op.drop_table("tb_idempotency_record")
    op.create_table(
        "tb_idempotency_record",
        *more,
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
