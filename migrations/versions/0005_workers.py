"""Several workers: who is alive, and who runs which schedule.

A lease says nothing that outlives its worker, so the table of the one worker is made anew. Stop that worker before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005_workers"
down_revision = "0004_contracts_and_projects"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.drop_table("tb_worker_lease")
    op.create_table(
        "tb_worker_lease",
        sa.Column("executor", sa.String(200), primary_key=True),
        sa.Column("until_s", sa.Float, nullable=False),
    )
    op.create_table(
        "tb_schedule",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holder", sa.String(200)),
        sa.Column("held_until", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("tb_schedule")
    op.drop_table("tb_worker_lease")
    op.create_table(
        "tb_worker_lease",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("until_s", sa.Float, nullable=False),
    )
