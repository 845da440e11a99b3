"""Requests for invoices, and the facts that are on them."""

import sqlalchemy as sa
from alembic import op

revision = "0009_invoice_requests"
down_revision = "0008_holds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_invoice_request",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("business_key", sa.String(64), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("process_id", sa.String(40), sa.ForeignKey("tb_process_instance.id"), nullable=False, index=True),
        sa.Column("legal_entity", sa.String(20), nullable=False),
        sa.Column("customer", sa.String(40), nullable=False),
        sa.Column("project", sa.String(40), nullable=False),
        sa.Column("contract", sa.String(40), sa.ForeignKey("tb_contract.id"), nullable=False),
        sa.Column("contract_version", sa.Integer, nullable=False),
        sa.Column("erp", sa.String(40), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("period_start", sa.Date),
        sa.Column("through", sa.Date, nullable=False),
        sa.Column("accounting_date", sa.Date, nullable=False),
        sa.Column("lines", sa.Text, nullable=False),
        sa.Column("taxes", sa.Text, nullable=False),
        sa.Column("net", sa.String(24), nullable=False),
        sa.Column("tax", sa.String(24), nullable=False),
        sa.Column("gross", sa.String(24), nullable=False),
        sa.Column("watermark", sa.Text, nullable=False),
        sa.Column("snapshot_sha256", sa.String(64), nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("excluded", sa.Text, nullable=False),
        sa.Column("missing", sa.Text, nullable=False),
        sa.Column("violations", sa.Text, nullable=False),
        sa.Column("holds", sa.Text, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("invoice_id", sa.String(200)),
        sa.Column("invoice_number", sa.String(200)),
        sa.Column("invoice_date", sa.Date),
        sa.Column("due_date", sa.Date),
        sa.Column("erp_net", sa.String(24)),
        sa.Column("erp_tax", sa.String(24)),
        sa.Column("erp_gross", sa.String(24)),
        sa.Column("balance", sa.String(24)),
        sa.Column("code", sa.String(80)),
        sa.Column("detail", sa.Text),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True)),
        sa.Column("posted_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("business_key", "attempt", name="uq_tb_invoice_request_attempt"),
    )
    op.create_index("ix_tb_invoice_request_contract", "tb_invoice_request", ["contract", "state"])
    op.create_index("ix_tb_invoice_request_number", "tb_invoice_request", ["invoice_number"])
    op.create_table(
        "tb_invoice_request_fact",
        sa.Column("request_id", sa.String(40), sa.ForeignKey("tb_invoice_request.id"), primary_key=True),
        sa.Column("fact_id", sa.String(40), sa.ForeignKey("tb_fact.id"), primary_key=True),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
    )
    op.create_index("ix_tb_invoice_request_fact_fact", "tb_invoice_request_fact", ["fact_id"])
    live = sa.text("live")
    op.create_index(
        "uq_tb_invoice_request_fact_live",
        "tb_invoice_request_fact",
        ["fact_id"],
        unique=True,
        postgresql_where=live,
        sqlite_where=live,
    )
    op.create_table(
        "tb_release",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("legal_entity", sa.String(20), nullable=False),
        sa.Column("through", sa.Date, nullable=False),
        sa.Column("allow_incomplete", sa.Boolean, nullable=False),
        sa.Column("note", sa.Text),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("correlation_id", sa.String(128), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "tb_release_request",
        sa.Column("release_id", sa.String(40), sa.ForeignKey("tb_release.id"), primary_key=True),
        sa.Column("process_id", sa.String(40), sa.ForeignKey("tb_process_instance.id"), primary_key=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("legal_entity", sa.String(20), nullable=False),
        sa.Column("customer", sa.String(40), nullable=False),
        sa.Column("project", sa.String(40), nullable=False),
        sa.Column("contract", sa.String(40), sa.ForeignKey("tb_contract.id"), nullable=False),
    )
    op.create_index("ix_tb_release_request_process_id", "tb_release_request", ["process_id"])
    op.create_index("ix_tb_release_request_contract", "tb_release_request", ["contract"])
    for column in (
        sa.Column("achieved_on", sa.Date),
        sa.Column("evidence", sa.Text),
        sa.Column("approved_by", sa.String(200)),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("tb_schedule_line", column)


def downgrade() -> None:
    """Drop the tables."""
    for column in ("approved_at", "approved_by", "evidence", "achieved_on"):
        op.drop_column("tb_schedule_line", column)
    for table in ("tb_release_request", "tb_release", "tb_invoice_request_fact", "tb_invoice_request"):
        op.drop_table(table)
