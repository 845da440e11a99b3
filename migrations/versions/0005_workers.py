"""Several workers: who is alive, and who runs which schedule."""

revision = "0005_workers"
down_revision = "0004_contracts_and_projects"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""


def downgrade() -> None:
    """Drop the tables."""
