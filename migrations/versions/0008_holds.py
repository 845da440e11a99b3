"""Billing holds, the scopes whose holds are counted, what holds met, and what other systems were told of them."""

import sqlalchemy as sa
from alembic import op

revision = "0008_holds"
down_revision = "0007_facts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_hold_scope",
        sa.Column("type", sa.String(20), primary_key=True),
        sa.Column("id", sa.String(60), primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
    )
    op.create_table(
        "tb_billing_hold",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("business_key", sa.String(64), nullable=False),
        sa.Column("scope_type", sa.String(20), nullable=False),
        sa.Column("scope_id", sa.String(60), nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("dimensions", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(20), nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("placed_by", sa.String(200), nullable=False),
        sa.Column("placed_in", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("review_on", sa.Date, nullable=False),
        sa.Column("lift_mode", sa.String(20), nullable=False),
        sa.Column("until", sa.Date),
        sa.Column("payload_sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("legal_entity", sa.String(20)),
        sa.Column("customer", sa.String(40), nullable=False),
        sa.Column("project", sa.String(40)),
        sa.Column("contract", sa.String(40)),
        sa.Column("contract_line", sa.Integer),
        sa.Column("pushes", sa.Integer, nullable=False),
        sa.Column("pushed", sa.Integer, nullable=False),
        sa.Column("push_asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.String(200)),
        sa.Column("lifted_at", sa.DateTime(timezone=True)),
        sa.Column("lift_reason", sa.Text),
        sa.Column("correlation_id", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("business_key", name="uq_tb_billing_hold_business_key"),
    )
    in_force = sa.text("lifted_at IS NULL")
    op.create_index(
        "uq_tb_billing_hold_in_force",
        "tb_billing_hold",
        ["scope_type", "scope_id", "placed_in", "placed_by", "reference"],
        unique=True,
        postgresql_where=in_force,
        sqlite_where=in_force,
    )
    op.create_index("ix_tb_billing_hold_customer", "tb_billing_hold", ["customer"])
    op.create_index("ix_tb_billing_hold_project", "tb_billing_hold", ["project"])
    op.create_table(
        "tb_hold_request",
        sa.Column("hold_id", sa.String(40), sa.ForeignKey("tb_billing_hold.id"), primary_key=True),
        # No foreign key: the requests' table comes with the next revision.
        sa.Column("request_id", sa.String(40), primary_key=True, index=True),
        sa.Column("effect", sa.String(20), nullable=False),
        sa.Column("invoice_id", sa.String(200)),
        sa.Column("invoice_number", sa.String(200)),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "tb_hold_ack",
        sa.Column("hold_id", sa.String(40), sa.ForeignKey("tb_billing_hold.id"), primary_key=True),
        sa.Column("connection", sa.String(40), primary_key=True),
        sa.Column("project", sa.String(40), primary_key=True, index=True),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("held", sa.Boolean),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_tb_business_event_project", "tb_business_event", ["project"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index("ix_tb_business_event_project", "tb_business_event")
    for table in ("tb_hold_ack", "tb_hold_request", "tb_billing_hold", "tb_hold_scope"):
        op.drop_table(table)
