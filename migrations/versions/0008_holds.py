"""Billing holds, and the scopes whose holds are counted."""

revision = "0008_holds"
down_revision = "0007_facts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
