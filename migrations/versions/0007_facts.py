"""Time entries as they were read, the inbox that they wait in, and the facts made of them."""

revision = "0007_facts"
down_revision = "0006_write_slots"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
