"""The guard's rows: one for each write to another system."""

import sqlalchemy as sa
from alembic import op

revision = "0002_write_intents"
down_revision = "0001_foundation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "tb_write_intent",
        sa.Column("connection", sa.String(40), primary_key=True),
        sa.Column("operation", sa.String(80), primary_key=True),
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("payload_sha256", sa.String(64)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("settles_from", sa.DateTime(timezone=True)),
        sa.Column("uncertain_since", sa.DateTime(timezone=True)),
        sa.Column("lease_owner", sa.String(32)),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("tb_write_intent")
