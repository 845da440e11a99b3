"""Time entries as they were read, the inbox that they wait in, and the facts made of them."""

import sqlalchemy as sa
from alembic import op

revision = "0007_facts"
down_revision = "0006_write_slots"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_time_entry",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("psa", sa.String(40), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("content_sha256", sa.String(64), nullable=False),
        sa.Column("psa_project_id", sa.String(200), nullable=False),
        sa.Column("legal_entity", sa.String(20), nullable=False),
        sa.Column("customer", sa.String(40)),
        sa.Column("project", sa.String(40)),
        sa.Column("resource_id", sa.String(200), nullable=False),
        sa.Column("resource_email", sa.String(200)),
        sa.Column("resource_name", sa.String(200), nullable=False),
        sa.Column("task_id", sa.String(200)),
        sa.Column("task_name", sa.String(200)),
        sa.Column("work_date", sa.Date, nullable=False),
        sa.Column("minutes", sa.Integer),
        sa.Column("hours", sa.String(24), nullable=False),
        sa.Column("billable", sa.Boolean),
        sa.Column("description", sa.Text),
        sa.Column("approved_by", sa.String(200)),
        sa.Column("approved_at", sa.DateTime(timezone=True)),
        sa.Column("source_updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approval", sa.String(20), nullable=False),
        sa.Column("transfer", sa.String(20), nullable=False),
        sa.Column("code", sa.String(80)),
        sa.Column("detail", sa.Text),
        sa.Column("told", sa.String(64)),
        sa.Column("first_approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("psa", "external_id", "revision", name="uq_tb_time_entry_revision"),
    )
    op.create_index("ix_tb_time_entry_transfer", "tb_time_entry", ["psa", "transfer"])
    op.create_index("ix_tb_time_entry_project", "tb_time_entry", ["project", "work_date"])
    op.create_table(
        "tb_fact",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("business_key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("source_type", sa.String(20), nullable=False),
        sa.Column("source_instance", sa.String(40), nullable=False),
        sa.Column("source_id", sa.String(200), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("pair_id", sa.String(64), nullable=False),
        sa.Column("adjustment", sa.String(20), nullable=False),
        sa.Column("reverses", sa.String(40), sa.ForeignKey("tb_fact.id")),
        sa.Column("legal_entity", sa.String(20), nullable=False),
        sa.Column("customer", sa.String(40), nullable=False),
        sa.Column("project", sa.String(40), nullable=False),
        sa.Column("erp", sa.String(40), nullable=False),
        sa.Column("erp_project_id", sa.String(200), nullable=False),
        sa.Column("contract", sa.String(40), sa.ForeignKey("tb_contract.id"), nullable=False),
        sa.Column("contract_version", sa.Integer, nullable=False),
        sa.Column("contract_line", sa.Integer, nullable=False),
        sa.Column("split_percent", sa.String(10)),
        sa.Column("resource", sa.String(200)),
        sa.Column("resource_name", sa.String(200)),
        sa.Column("role", sa.String(40)),
        sa.Column("task_name", sa.String(200)),
        sa.Column("item", sa.String(40), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("work_date", sa.Date, nullable=False),
        sa.Column("accounting_date", sa.Date, nullable=False),
        sa.Column("minutes", sa.Integer),
        sa.Column("quantity", sa.String(24), nullable=False),
        sa.Column("unit", sa.String(10), nullable=False),
        sa.Column("rate", sa.String(24), nullable=False),
        sa.Column("net", sa.String(24), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("contract_net", sa.String(24), nullable=False),
        sa.Column("contract_currency", sa.String(3), nullable=False),
        sa.Column("functional_net", sa.String(24), nullable=False),
        sa.Column("functional_currency", sa.String(3), nullable=False),
        sa.Column("fx_rate", sa.String(24), nullable=False),
        sa.Column("tax_category", sa.String(40)),
        sa.Column("tax_code", sa.String(80)),
        sa.Column("tax_percent", sa.String(12)),
        sa.Column("debit_account", sa.String(40), nullable=False),
        sa.Column("credit_account", sa.String(40), nullable=False),
        sa.Column("revenue_account", sa.String(40)),
        sa.Column("mapping_digest", sa.String(64), nullable=False),
        sa.Column("posting", sa.String(20), nullable=False),
        sa.Column("billing", sa.String(20), nullable=False),
        sa.Column("erp_ref", sa.String(200)),
        sa.Column("erp_number", sa.String(200)),
        sa.Column("posted_at", sa.DateTime(timezone=True)),
        sa.Column("code", sa.String(80)),
        sa.Column("detail", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("business_key", name="uq_tb_fact_business_key"),
        sa.UniqueConstraint("reverses", name="uq_tb_fact_reverses"),
    )
    op.create_index("ix_tb_fact_source", "tb_fact", ["source_instance", "source_id"])
    op.create_index("ix_tb_fact_contract", "tb_fact", ["contract", "billing"])
    op.create_index("ix_tb_fact_project", "tb_fact", ["project", "work_date"])
    op.create_table(
        "tb_cap",
        sa.Column("contract", sa.String(40), sa.ForeignKey("tb_contract.id"), primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("cap_minor", sa.BigInteger),
        sa.Column("committed_minor", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_tb_time_entry_day", "tb_time_entry", ["psa", "work_date", "resource_id"])
    op.create_index(
        "ix_tb_time_entry_untold",
        "tb_time_entry",
        ["psa", "updated_at"],
        sqlite_where=sa.text("told IS NULL"),
        postgresql_where=sa.text("told IS NULL"),
    )
    _make_inbox()
    op.add_column("tb_work_item", sa.Column("lasting", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index("ix_tb_work_item_trace_key", "tb_work_item", ["process_kind", "trace_key"])


def _make_inbox() -> None:
    op.create_table(
        "tb_inbox",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("connection", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("within", sa.String(200)),
        sa.Column("day", sa.Date),
        sa.Column("batch", sa.String(80)),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_tb_inbox_batch", "tb_inbox", ["batch"])
    op.create_index("ix_tb_inbox_external_id", "tb_inbox", ["connection", "external_id"])
    op.create_index("ix_tb_inbox_settled", "tb_inbox", ["settled_at"])
    op.create_index(
        "ix_tb_inbox_waiting",
        "tb_inbox",
        ["connection", "object_type", "received_at", "id"],
        sqlite_where=sa.text("batch IS NULL"),
        postgresql_where=sa.text("batch IS NULL"),
    )
    op.create_table(
        "tb_watermark",
        sa.Column("connection", sa.String(40), primary_key=True),
        sa.Column("object_type", sa.String(40), primary_key=True),
        sa.Column("moment", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_index("ix_tb_work_item_trace_key", "tb_work_item")
    with op.batch_alter_table("tb_work_item") as work_items:
        work_items.drop_column("lasting")
    for table in ("tb_watermark", "tb_inbox", "tb_cap", "tb_fact", "tb_time_entry"):
        op.drop_table(table)
