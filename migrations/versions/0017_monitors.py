"""What the monitors ask again and again, without reading all that was ever posted.

A migration is one transaction, all of it or nothing, and PostgreSQL builds no index in one without holding up writes.
Who cannot have that builds these before, as `docs/operations/upgrade.md` says; those that are there are left.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017_monitors"
down_revision = "0016_policy_candidates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    waiting = ["transfer", "approval", "legal_entity", "first_approved_at"]
    op.create_index("ix_tb_time_entry_waiting", "tb_time_entry", waiting, if_not_exists=True)
    request = ["state", "legal_entity", "code"]
    op.create_index("ix_tb_invoice_request_state", "tb_invoice_request", request, if_not_exists=True)
    mismatch = sa.text("erp_gross != gross")
    op.create_index(
        *("ix_tb_invoice_request_mismatch", "tb_invoice_request", ["legal_entity"]),
        postgresql_where=mismatch,
        sqlite_where=mismatch,
        if_not_exists=True,
    )


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("ix_tb_invoice_request_mismatch", "tb_invoice_request")
    op.drop_index("ix_tb_invoice_request_state", "tb_invoice_request")
    op.drop_index("ix_tb_time_entry_waiting", "tb_time_entry")
