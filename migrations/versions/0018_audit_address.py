"""Where a stranger's call came from: a row that has it holds it in its hash too, and one from before does not."""

import sqlalchemy as sa
from alembic import op

revision = "0018_audit_address"
down_revision = "0017_monitors"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("tb_audit", sa.Column("address", sa.String(50)))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("tb_audit", "address")
