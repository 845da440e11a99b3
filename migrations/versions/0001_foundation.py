"""Processes, work items, events, references: what everything durable stands on."""

import sqlalchemy as sa
from alembic import op

revision = "0001_foundation"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "tb_process_instance",
    "tb_process_step",
    "tb_decision",
    "tb_lock",
    "tb_work_item",
    "tb_cross_reference",
    "tb_observation",
    "tb_sequence",
    "tb_event_writer",
    "tb_business_event",
    "tb_worker_lease",
)


def upgrade() -> None:
    """Make the tables."""
    _processes()
    _people()
    _knowledge()
    _events()
    _workers()


def _processes() -> None:
    op.create_table(
        "tb_process_instance",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("business_key", sa.String(200), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("payload_sha256", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("outcome", sa.String(10), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("current_step", sa.String(120)),
        sa.Column("owner", sa.String(100), nullable=False),
        sa.Column("legal_entity", sa.String(40), nullable=False),
        sa.Column("customer", sa.String(40)),
        sa.Column("project", sa.String(40)),
        sa.Column("source", sa.String(40)),
        sa.Column("external_id", sa.String(200)),
        sa.Column("amount", sa.Text),
        sa.Column("order", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("caller_client_id", sa.String(200), nullable=False),
        sa.Column("correlation_id", sa.String(128), nullable=False),
        sa.Column("traceparent", sa.String(128)),
        sa.Column("pivot_at", sa.DateTime(timezone=True)),
        sa.Column("giving_up", sa.Boolean, nullable=False),
        sa.Column("parked_at", sa.DateTime(timezone=True)),
        sa.Column("parked_step", sa.Integer),
        sa.Column("resume_step", sa.Integer),
        sa.Column("parked_code", sa.String(80)),
        sa.Column("blocked_by", sa.String(40)),
        sa.Column("blocked_lock", sa.String(200)),
        sa.Column("rewind_to", sa.Integer),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kind", "business_key", name="uq_tb_process_instance_key"),
    )
    op.create_index("ix_tb_process_instance_customer", "tb_process_instance", ["customer"])
    op.create_index("ix_tb_process_instance_external_id", "tb_process_instance", ["source", "external_id"])
    op.create_index("ix_tb_process_instance_project", "tb_process_instance", ["project"])
    op.create_index("ix_tb_process_instance_state", "tb_process_instance", ["state", "updated_at"])
    op.create_table(
        "tb_process_step",
        sa.Column("process_id", sa.String(40), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("system", sa.String(40)),
        sa.Column("external_id", sa.String(200)),
        sa.Column("code", sa.String(80)),
        sa.Column("detail", sa.Text),
        sa.Column("value", sa.Text),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["tb_process_instance.id"],
        ),
        sa.PrimaryKeyConstraint("process_id", "attempt", "name"),
    )
    op.create_table(
        "tb_decision",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("process_id", sa.String(40), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("step", sa.String(120)),
        sa.Column("corrections", sa.Text, nullable=False),
        sa.Column("decided_by", sa.String(200), nullable=False),
        sa.Column("correlation_id", sa.String(128)),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["tb_process_instance.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_tb_decision_process_id", "tb_decision", ["process_id", "attempt"])
    op.create_table(
        "tb_lock",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("process_id", sa.String(40), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["tb_process_instance.id"],
        ),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index(op.f("ix_tb_lock_process_id"), "tb_lock", ["process_id"])


def _people() -> None:
    op.create_table(
        "tb_work_item",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("process_id", sa.String(40), nullable=False),
        sa.Column("process_kind", sa.String(60), nullable=False),
        sa.Column("step", sa.String(120), nullable=False),
        sa.Column("trace_key", sa.String(200), nullable=False),
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("severity", sa.String(10), nullable=False),
        sa.Column("amount_at_risk", sa.Text),
        sa.Column("deadline", sa.DateTime(timezone=True)),
        sa.Column("owner_queue", sa.String(40), nullable=False),
        sa.Column("assignee", sa.String(200)),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("resolution", sa.String(20)),
        sa.Column("resolved_by", sa.String(200)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("legal_entity", sa.String(40), nullable=False),
        sa.Column("customer", sa.String(40)),
        sa.Column("project", sa.String(40)),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["process_id"],
            ["tb_process_instance.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("process_id", "step", "trace_key", name="uq_tb_work_item_where"),
    )
    op.create_index("ix_tb_work_item_state", "tb_work_item", ["state", "owner_queue"])
    # ### end Alembic commands ###


def _knowledge() -> None:
    op.create_table(
        "tb_cross_reference",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("canonical_id", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("system", sa.String(40), nullable=False),
        sa.Column("instance", sa.String(40), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("external_number", sa.String(200)),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("established_by", sa.String(20), nullable=False),
        sa.Column("evidence", sa.Text),
        sa.Column("process_id", sa.String(40)),
        sa.Column("legal_entity", sa.String(40)),
        sa.Column("customer", sa.String(40)),
        sa.Column("project", sa.String(40)),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_tb_cross_reference_canonical_id", "tb_cross_reference", ["canonical_id"])
    op.create_index("ix_tb_cross_reference_external_id", "tb_cross_reference", ["instance", "external_id"])
    op.create_index(
        "uq_tb_cross_reference_live",
        "tb_cross_reference",
        ["system", "instance", "object_type", "external_id", "role"],
        unique=True,
        sqlite_where=sa.text("state IN ('active', 'proposed')"),
        postgresql_where=sa.text("state IN ('active', 'proposed')"),
    )
    op.create_table(
        "tb_observation",
        sa.Column("connection", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("connection", "object_type", "external_id"),
    )
    op.create_table(
        "tb_sequence",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _events() -> None:
    op.create_table(
        "tb_event_writer",
        sa.Column("writer", sa.String(32), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("writer"),
    )
    op.create_table(
        "tb_business_event",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("type", sa.String(120), nullable=False),
        sa.Column("source", sa.String(200), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("correlation_id", sa.String(128)),
        sa.Column("causation_id", sa.String(64)),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("legal_entity", sa.String(40)),
        sa.Column("customer", sa.String(40)),
        sa.Column("project", sa.String(40)),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("writer", sa.String(32), nullable=False),
        sa.Column("writer_sequence", sa.Integer, nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("subject", "sequence", name="uq_tb_business_event_subject_sequence"),
        sa.UniqueConstraint("writer", "writer_sequence", name="uq_tb_business_event_writer_sequence"),
    )
    op.create_index("ix_tb_business_event_type", "tb_business_event", ["type"])


def _workers() -> None:
    op.create_table(
        "tb_worker_lease",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("until_s", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in reversed(TABLES):
        op.drop_table(table)
