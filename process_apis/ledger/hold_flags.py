"""What other systems show of holds: what each was asked to show, what it has confirmed, and what it says by itself.

A system knows one flag a project, and whether it is set follows from all holds that reach the project. So a hold asks
for the flag to be looked after, and whoever does that decides by what is in force then.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import Boolean, Column, ForeignKey, Row, String, Table, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.cross_references import ReferenceState, tb_cross_reference
from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from process_apis.ledger import hold_scopes
from process_apis.ledger.holds import Scope, ScopeType, in_force, on_billing, tb_billing_hold

PROJECT: Final = "project"
LONGEST_NOTE: Final = 500

tb_hold_ack = Table(
    "tb_hold_ack",
    metadata,
    Column("hold_id", String(40), ForeignKey("tb_billing_hold.id"), primary_key=True),
    Column("connection", String(40), primary_key=True),
    Column("project", String(40), primary_key=True, index=True),
    Column("external_id", String(200), nullable=False),
    Column("state", String(20), nullable=False),
    Column("held", Boolean),
    Column("asked_at", Instant(), nullable=False),
    Column("at", Instant()),
)


class AckState(StrEnum):
    """Whether a system shows what it was asked to."""

    asked = "asked"
    acked = "acked"
    skipped = "skipped"
    """It has no such flag."""


class Ack(Struct, frozen=True, kw_only=True):
    """What a system shows of one project because of one hold."""

    hold_id: str
    connection: str
    project: str
    external_id: str
    state: AckState
    held: bool | None
    """What it has confirmed last; None where it never has."""
    asked_at: datetime
    at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return what a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**values | {"state": AckState(row.state)})


class Flag(Struct, frozen=True, kw_only=True):
    """What a project's flag is to be."""

    held: bool
    note: str | None


async def ask(connection: AsyncConnection, store: Store, hold: Row[Any], *, seen_in: str | None = None) -> None:
    """Ask every system that knows a project of the hold to look after its flag; `seen_in` shows it already."""
    reached = await hold_scopes.projects_in(connection, *scope_of(hold))
    columns, now = tb_cross_reference.c, store.now()
    known = and_(columns.object_type == PROJECT, columns.state == ReferenceState.active.value)
    asked = select(columns.canonical_id, columns.instance, columns.external_id)
    ours = columns.canonical_id.in_([project.id for project in reached])
    for reference in (await connection.execute(asked.where(known, ours))).all():
        seen = reference.instance == seen_in
        values = {"external_id": reference.external_id, "asked_at": now, "at": now if seen else None}
        values |= {"state": (AckState.acked if seen else AckState.asked).value}
        values |= {"held": hold.lifted_at is None} if seen else {}
        where = {"hold_id": hold.id, "connection": reference.instance, "project": reference.canonical_id}
        asking = insert_into(connection, tb_hold_ack).values(**where, **values)
        await connection.execute(asking.on_conflict_do_update(index_elements=list(where), set_=values))


async def hold_row(connection: AsyncConnection, hold_id: str) -> Row[Any]:
    """Return the hold's row."""
    row: Row[Any] = (await connection.execute(select(tb_billing_hold).where(tb_billing_hold.c.id == hold_id))).one()
    return row


def scope_of(hold: Row[Any]) -> tuple[Scope, hold_scopes.Owners]:
    """Return what the hold is on, and whose that is."""
    return Scope(type=ScopeType(hold.scope_type), id=hold.scope_id), hold_scopes.owners_of(hold)


async def ask_again(connection: AsyncConnection, store: Store, hold_id: str, at: str, project: str) -> Row[Any]:
    """Return the hold, for which a system is asked once more: its flag is not what it confirmed."""
    holds, now = tb_billing_hold.c, store.now()
    where = matching_ack(hold_id, at, project)
    await connection.execute(update(tb_hold_ack).where(where).values(state=AckState.asked.value, asked_at=now, at=None))
    counting = update(tb_billing_hold).where(holds.id == hold_id).returning(tb_billing_hold)
    again = {"pushes": holds.pushes + 1, "push_asked_at": now, "version": holds.version + 1, "updated_at": now}
    row: Row[Any] = (await connection.execute(counting.values(**again))).one()
    return row


async def acks_of(connection: AsyncConnection, hold_ids: Collection[str]) -> list[Ack]:
    """Return what each system was asked to show because of the holds."""
    columns = tb_hold_ack.c
    asked = select(tb_hold_ack).where(columns.hold_id.in_(sorted(hold_ids)))
    ordered = asked.order_by(columns.hold_id, columns.project, columns.connection)
    return [Ack.of(row) for row in await connection.execute(ordered)]


async def acks_at(connection: AsyncConnection, at: str, project: str) -> list[Ack]:
    """Return what one system was asked to show of one project, because of any hold."""
    columns = tb_hold_ack.c
    asked = select(tb_hold_ack).where(columns.connection == at, columns.project == project)
    return [Ack.of(row) for row in await connection.execute(asked.order_by(columns.hold_id))]


async def confirm(connection: AsyncConnection, store: Store, ack: Ack, state: AckState, *, held: bool | None) -> None:
    """Write down what the system shows now, or that it has no such flag."""
    where, now = matching_ack(ack.hold_id, ack.connection, ack.project), store.now()
    confirming = update(tb_hold_ack).where(where)
    await connection.execute(confirming.values(state=state.value, held=held, at=now))


async def wanted_flag(connection: AsyncConnection, project: str) -> Flag:
    """Return what the project's flag is to be, by the holds that are in force now."""
    rows = await holds_reaching(connection, project)
    return Flag(held=bool(rows), note=_note(rows) if rows else None)


async def holds_reaching(connection: AsyncConnection, project: str) -> Sequence[Row[Any]]:
    """Return the holds on billing in force that stop something of the project, the oldest first."""
    payers = await hold_scopes.payers_of(connection, project)
    reached = hold_scopes.reaching(project, payers)
    asked = select(tb_billing_hold).where(reached, in_force(), on_billing())
    return (await connection.execute(asked.order_by(tb_billing_hold.c.id))).all()


def matching_ack(hold_id: str, at: str, project: str) -> Any:  # noqa: ANN401 - SQLAlchemy's condition
    """Return the condition for one row of `tb_hold_ack`."""
    columns = tb_hold_ack.c
    return and_(columns.hold_id == hold_id, columns.connection == at, columns.project == project)


def _note(rows: Sequence[Row[Any]]) -> str:
    """Return what people of the other system read: the oldest hold, and that there are more."""
    first = rows[0]
    part = "" if first.scope_type in {ScopeType.project, ScopeType.customer} else f" (a {_spoken(first.scope_type)})"
    more = f" And {len(rows) - 1} more." if len(rows) > 1 else ""
    said = f": {first.note.rstrip('.')}" if first.note else ""
    since = f"{first.placed_at:%Y-%m-%d}"
    head = f"Billing{part} held by {first.placed_by} since {since}, {_spoken(first.reason)}{said}"
    tail = f". Review on {first.review_on}.{more}"
    return head[: LONGEST_NOTE - len(tail)] + tail


def _spoken(word: str) -> str:
    return word.replace("_", " ")
