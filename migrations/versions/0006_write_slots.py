"""Writes that a system takes one at a time."""

revision = "0006_write_slots"
down_revision = "0005_workers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
