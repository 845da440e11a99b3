"""What the processes share: customers, projects, their codes, contracts with lines, schedules and splits."""

import sqlalchemy as sa
from alembic import op

revision = "0004_contracts_and_projects"
down_revision = "0003_edge"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tb_customer",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("crm", sa.String(40), nullable=False),
        sa.Column("account", sa.String(200), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("legal_name", sa.String(200), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("tax_id", sa.String(30)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("crm", "account", name="uq_tb_customer_account"),
    )
    op.create_table(
        "tb_project",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("crm", sa.String(40), nullable=False),
        sa.Column("opportunity", sa.String(200), nullable=False),
        sa.Column("legal_entity", sa.String(20), nullable=False),
        sa.Column("customer", sa.String(40), sa.ForeignKey("tb_customer.id"), nullable=False, index=True),
        sa.Column("code", sa.String(40), index=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("project_type", sa.String(40), nullable=False),
        sa.Column("template", sa.String(40), nullable=False),
        sa.Column("template_version", sa.Integer, nullable=False),
        sa.Column("starts_on", sa.Date, nullable=False),
        sa.Column("ends_on", sa.Date, nullable=False),
        sa.Column("manager", sa.String(200), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("onboarding_id", sa.String(40)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("crm", "opportunity", name="uq_tb_project_opportunity"),
    )
    op.create_table(
        "tb_project_code",
        sa.Column("folded", sa.String(40), primary_key=True),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("project_id", sa.String(40), nullable=False, index=True),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
    )
    make_contracts()


def make_contracts() -> None:
    """Make the tables of contracts."""
    op.create_table(
        "tb_contract",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("business_key", sa.String(64), nullable=False),
        sa.Column("number", sa.String(200), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("legal_entity", sa.String(20), nullable=False),
        sa.Column("customer", sa.String(40), sa.ForeignKey("tb_customer.id"), nullable=False),
        sa.Column("project", sa.String(40), sa.ForeignKey("tb_project.id"), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("contract_version", sa.Integer, nullable=False),
        sa.Column("sow_version", sa.Integer, nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("document_sha256", sa.String(64), nullable=False),
        sa.Column("payment_terms", sa.String(40), nullable=False),
        sa.Column("po_number", sa.String(200)),
        sa.Column("po_limit", sa.String(24)),
        sa.Column("po_valid_to", sa.Date),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("business_key", name="uq_tb_contract_business_key"),
    )
    op.create_table(
        "tb_contract_line",
        sa.Column("contract_id", sa.String(40), sa.ForeignKey("tb_contract.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("description", sa.String(200), nullable=False),
        sa.Column("billing_method", sa.String(30), nullable=False),
        sa.Column("value", sa.String(24)),
        sa.Column("cap", sa.String(24)),
        sa.Column("rates", sa.Text, nullable=False),
        sa.Column("tax_category", sa.String(40), nullable=False),
        sa.Column("item", sa.String(40), nullable=False),
    )
    op.create_table(
        "tb_schedule_line",
        sa.Column("contract_id", sa.String(40), sa.ForeignKey("tb_contract.id"), primary_key=True),
        sa.Column("line_number", sa.Integer, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True),
        sa.Column("due_on", sa.Date, nullable=False),
        sa.Column("amount", sa.String(24), nullable=False),
        sa.Column("milestone", sa.String(200)),
        sa.Column("state", sa.String(20), nullable=False),
    )
    op.create_table(
        "tb_funding_split",
        sa.Column("contract_id", sa.String(40), sa.ForeignKey("tb_contract.id"), primary_key=True),
        sa.Column("account", sa.String(200), primary_key=True),
        sa.Column("percent", sa.String(10), nullable=False),
        sa.Column("amount", sa.String(24), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables, those that refer to others first."""
    for table in (
        "tb_funding_split",
        "tb_schedule_line",
        "tb_contract_line",
        "tb_contract",
        "tb_project_code",
        "tb_project",
        "tb_customer",
    ):
        op.drop_table(table)
