"""Seals over the audit, and triggers that let rows of the audit only be added.

A later revision that makes one of these tables anew has to make its triggers anew too.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011_audit_seals"
down_revision = "0010_denials"
branch_labels = None
depends_on = None

TABLES = ("tb_audit", "tb_audit_seal", "tb_audit_seal_head")
SAID = "Rows of the audit are only added."


def upgrade() -> None:
    """Make the tables and the triggers."""
    op.create_table(
        "tb_audit_seal",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("mac", sa.String(64), nullable=False),
    )
    op.create_table(
        "tb_audit_seal_head",
        sa.Column("writer", sa.String(32), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("seal", sa.Integer, sa.ForeignKey("tb_audit_seal.number"), nullable=False, index=True),
    )
    if op.get_bind().dialect.name == "postgresql":
        _refuse_on_postgresql()
    else:
        _refuse_on_sqlite()


def _refuse_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION tb_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{SAID}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER tr_{table} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tb_audit_refuse()"
        )


def _refuse_on_sqlite() -> None:
    for table in TABLES:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER tr_{table}_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{SAID}'); END"
            )


def downgrade() -> None:
    """Drop the triggers and the tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION tb_audit_refuse CASCADE")
    else:
        for act in ("update", "delete"):
            op.execute(f"DROP TRIGGER tr_tb_audit_{act}")
    op.drop_table("tb_audit_seal_head")
    op.drop_table("tb_audit_seal")
