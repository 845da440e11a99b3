"""Who asked for a release, and who approved a request of one that is not like the contract's others."""

import sqlalchemy as sa
from alembic import op

revision = "0020_unusual"
down_revision = "0019_hold_overrides"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("tb_release", sa.Column("issuer", sa.String(500)))
    op.add_column("tb_release", sa.Column("subject", sa.String(200)))
    op.add_column("tb_invoice_request", sa.Column("approval", sa.Text()))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("tb_invoice_request", "approval")
    op.drop_column("tb_release", "subject")
    op.drop_column("tb_release", "issuer")
