"""Overrides of billing holds. What runs beside it and does not know of them holds the request again."""

import sqlalchemy as sa
from alembic import op

revision = "0019_hold_overrides"
down_revision = "0018_audit_address"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "tb_hold_override",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("hold_id", sa.String(40), sa.ForeignKey("tb_billing_hold.id"), nullable=False),
        sa.Column("request_id", sa.String(40), sa.ForeignKey("tb_invoice_request.id"), nullable=False),
        sa.Column("business_key", sa.String(64), nullable=False),
        sa.Column("net", sa.String(24), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("requested_by_issuer", sa.String(500), nullable=False),
        sa.Column("requested_through", sa.String(200), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved_by", sa.Text),
        sa.Column("approved_by_issuer", sa.String(500)),
        sa.Column("approved_through", sa.String(200)),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("withdrawn_by", sa.Text),
        sa.Column("withdrawn_by_issuer", sa.String(500)),
        sa.Column("withdrawn_through", sa.String(200)),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True)),
        sa.Column("passed", sa.String(40), sa.ForeignKey("tb_invoice_request.id")),
        sa.UniqueConstraint("hold_id", "request_id", name="uq_tb_hold_override_request"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("tb_hold_override")
