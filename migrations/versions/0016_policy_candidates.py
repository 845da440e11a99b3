"""Sets of policies that are tried before they are put in force, and what calls would have got otherwise from them."""

import sqlalchemy as sa
from alembic import op

revision = "0016_policy_candidates"
down_revision = "0015_usage"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_policy_candidate",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("beside", sa.String(40), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("proposed_by", sa.String(200), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("ended_by", sa.String(200)),
        sa.Column("policy_set", sa.String(40)),
    )
    once = sa.text("state = 'open'")
    op.create_index(
        *("uq_tb_policy_candidate_state", "tb_policy_candidate", ["state"]),
        unique=True,
        postgresql_where=once,
        sqlite_where=once,
    )
    _make_counted("tb_shadow_call")
    _make_counted(
        "tb_shadow_difference",
        sa.Column("live", sa.String(300), primary_key=True),
        sa.Column("candidate", sa.String(300), primary_key=True),
        sa.Column("correlation_id", sa.String(128), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("tb_shadow_difference")
    op.drop_table("tb_shadow_call")
    op.drop_table("tb_policy_candidate")


def _make_counted(name: str, *more: sa.Column[str]) -> None:
    op.create_table(
        name,
        sa.Column("candidate_id", sa.String(40), primary_key=True),
        sa.Column("client_id", sa.String(200), primary_key=True),
        sa.Column("operation", sa.String(200), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        *more,
    )
