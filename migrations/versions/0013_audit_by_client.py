"""An index that finds what one client did, the newest first, without reading what all others did."""

from alembic import op

revision = "0013_audit_by_client"
down_revision = "0012_policy_sets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_tb_audit_client_id_at", "tb_audit", ["client_id", "at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_tb_audit_client_id_at", "tb_audit")
