"""Requests for invoices, and the facts that are on them."""

revision = "0009_invoice_requests"
down_revision = "0008_holds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
