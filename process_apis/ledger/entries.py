"""Time entries as they were read from a PSA: one row for each revision, told apart by what it says, not by when.

A revision is never changed in what it says; where it stands does change: whether it is still approved, and how far its
transfer is. Billing is told by its facts.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct, structs
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.instant import Instant
from openapi.common.types import Code

tb_time_entry = Table(
    "tb_time_entry",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("psa", String(40), nullable=False),
    Column("external_id", String(200), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("content_sha256", String(64), nullable=False),
    Column("psa_project_id", String(200), nullable=False),
    Column("legal_entity", String(20), nullable=False),
    Column("customer", String(40)),
    Column("project", String(40)),
    Column("resource_id", String(200), nullable=False),
    Column("resource_email", String(200)),
    Column("resource_name", String(200), nullable=False),
    Column("task_id", String(200)),
    Column("task_name", String(200)),
    Column("work_date", Date, nullable=False),
    Column("minutes", Integer),
    Column("hours", String(24), nullable=False),
    Column("billable", Boolean),
    Column("description", Text),
    Column("approved_by", String(200)),
    Column("approved_at", Instant()),
    Column("source_updated_at", Instant(), nullable=False),
    Column("approval", String(20), nullable=False),
    Column("transfer", String(20), nullable=False),
    Column("code", String(80)),
    Column("detail", Text),
    Column("told", String(64)),
    Column("first_approved_at", Instant(), nullable=False),
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    UniqueConstraint("psa", "external_id", "revision", name="uq_tb_time_entry_revision"),
    Index("ix_tb_time_entry_transfer", "psa", "transfer"),
    Index("ix_tb_time_entry_project", "project", "work_date"),
    Index("ix_tb_time_entry_waiting", "transfer", "approval", "legal_entity", "first_approved_at"),
    Index("ix_tb_time_entry_day", "psa", "work_date", "resource_id"),
    Index(
        "ix_tb_time_entry_untold",
        "psa",
        "updated_at",
        sqlite_where=text("told IS NULL"),
        postgresql_where=text("told IS NULL"),
    ),
)


class Approval(StrEnum):
    """Whether a revision is approved."""

    approved = "approved"
    recall_requested = "recall_requested"
    """Taken back here, at somebody's request, while the PSA shows it as approved still."""
    recalled = "recalled"
    rejected = "rejected"
    superseded = "superseded"
    """A newer revision has taken its place."""


class Transfer(StrEnum):
    """How far a revision is on its way into the ERP."""

    queued = "queued"
    validating = "validating"
    rejected_validation = "rejected_validation"
    posting = "posting"
    in_doubt = "in_doubt"
    posted = "posted"
    ignored = "ignored"
    """Acknowledged without a fact: nothing to post, such as 0 hours."""
    cancelled = "cancelled"
    """Recalled before anything was posted."""
    reversal_queued = "reversal_queued"
    reversed = "reversed"


UNDER_WAY: Final = (Transfer.queued, Transfer.validating, Transfer.posting, Transfer.in_doubt)
"""The sale of these is not in the books yet, and nobody is asked about it."""


class TimeEntry(Struct, frozen=True, kw_only=True):
    """One revision of one time entry."""

    id: str
    psa: str
    external_id: str
    revision: int
    content_sha256: str
    psa_project_id: str
    legal_entity: str
    customer: str | None
    """The canonical ids are None where the PSA's project is not known here."""
    project: str | None
    resource_id: str
    resource_email: str | None
    resource_name: str
    task_id: str | None
    task_name: str | None
    work_date: date
    minutes: int | None
    hours: str
    billable: bool | None
    description: str | None
    approved_by: str | None
    approved_at: datetime | None
    source_updated_at: datetime
    approval: Approval
    transfer: Transfer
    code: Code | None = None
    detail: str | None = None
    told: str | None = None
    """What the PSA was told of it last, as a digest; None where it was told nothing."""
    first_approved_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the revision that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        typed = {
            "approval": Approval(row.approval),
            "transfer": Transfer(row.transfer),
            "code": Code(row.code) if row.code else None,
        }
        return cls(**(values | typed))


async def find_entries(connection: AsyncConnection, *wanted: ColumnElement[bool]) -> list[TimeEntry]:
    """Return the revisions for which all conditions on `tb_time_entry` hold, the oldest first."""
    rows = await connection.execute(select(tb_time_entry).where(*wanted).order_by(tb_time_entry.c.id))
    return [TimeEntry.of(row) for row in rows]


async def write_entries(connection: AsyncConnection, store: Store, entries: Sequence[TimeEntry]) -> None:
    """Write new revisions."""
    now = store.now()
    rows = [structs.asdict(entry) | {"created_at": now, "updated_at": now} for entry in entries]
    if rows:
        await connection.execute(insert(tb_time_entry), rows)


def entry_id(store: Store) -> str:
    """Return the id of a revision to be."""
    return new_id("ent", store.now())


async def move_entries(connection: AsyncConnection, store: Store, ids: Collection[str], **stands: object) -> None:
    """Record where revisions stand: approval, transfer, code, detail, told. What they say never changes."""
    strange = sorted(set(stands) - {"approval", "transfer", "code", "detail", "told"})
    if strange:
        raise TypeError(f"A revision never changes its {', '.join(strange)}: that is the next revision.")
    moving = update(tb_time_entry).where(tb_time_entry.c.id.in_(sorted(ids)))
    await connection.execute(moving.values(**stands, updated_at=store.now()))
