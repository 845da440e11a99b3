"""Billing holds and their race with invoices: a hold is stored under its scope's lock, and so is `submitted`.

Whoever comes first wins, and both know who did. A hold that is in force stops what was not submitted before it. How
holds are placed, lifted and shown elsewhere lies in `hold_placing.py`, `hold_requests.py` and `hold_flags.py`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import Column, Date, Index, Integer, Row, String, Table, Text, UniqueConstraint, and_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from process_apis.ledger.facts import Fact, SourceType

tb_hold_scope = Table(
    "tb_hold_scope",
    metadata,
    Column("type", String(20), primary_key=True),
    Column("id", String(60), primary_key=True),
    Column("seq", Integer, nullable=False),
)
"""One row for each scope that was ever locked: the lock itself, and how many holds were placed or lifted there."""
tb_billing_hold = Table(
    "tb_billing_hold",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("business_key", String(64), nullable=False),
    Column("scope_type", String(20), nullable=False),
    Column("scope_id", String(60), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("dimensions", String(10), nullable=False),
    Column("reason", String(20), nullable=False),
    Column("note", Text),
    Column("placed_by", String(200), nullable=False),
    Column("placed_in", String(40), nullable=False),
    Column("reference", String(200), nullable=False),
    Column("placed_at", Instant(), nullable=False),
    Column("review_on", Date, nullable=False),
    Column("lift_mode", String(20), nullable=False),
    Column("until", Date),
    Column("payload_sha256", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("legal_entity", String(20)),
    Column("customer", String(40), nullable=False),
    Column("project", String(40)),
    Column("contract", String(40)),
    Column("contract_line", Integer),
    Column("pushes", Integer, nullable=False),
    Column("pushed", Integer, nullable=False),
    Column("push_asked_at", Instant(), nullable=False),
    Column("lifted_by", String(200)),
    Column("lifted_at", Instant()),
    Column("lift_reason", Text),
    Column("correlation_id", String(128), nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", Instant(), nullable=False),
    UniqueConstraint("business_key", name="uq_tb_billing_hold_business_key"),
    Index(
        "uq_tb_billing_hold_in_force",
        "scope_type",
        "scope_id",
        "placed_in",
        "placed_by",
        "reference",
        unique=True,
        postgresql_where=text("lifted_at IS NULL"),
        sqlite_where=text("lifted_at IS NULL"),
    ),
    Index("ix_tb_billing_hold_customer", "customer"),
    Index("ix_tb_billing_hold_project", "project"),
)
"""A hold is in force until it is lifted or has expired, whatever became of the requests that it met."""


class ScopeType(StrEnum):
    """What can be held, the widest first: locks are taken in this order."""

    customer = "customer"
    contract = "contract"
    contract_line = "contract_line"
    project = "project"
    milestone = "milestone"
    fact = "fact"


ORDER: Final = tuple(ScopeType)
WITHOUT_LOCK: Final = (ScopeType.milestone, ScopeType.fact)
"""Their line's lock stands for theirs: an invoice of two thousand facts locks a handful of rows, not thousands."""
PART: Final = 1000
"""How many ids a statement asks for at once; the databases take some ten thousand."""


class Scope(Struct, frozen=True, kw_only=True, order=True):
    """One thing that can be held. A line's id is `<contract>-<line>`, a milestone's `<contract>-<line>-<place>`."""

    type: ScopeType
    id: str


class Hold(Struct, frozen=True, kw_only=True):
    """A hold that is in force, as far as releases are concerned."""

    id: str
    business_key: str
    scope: Scope
    reason: str
    note: str | None
    placed_by: str
    placed_in: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the hold that a row holds."""
        names = [name for name in cls.__struct_fields__ if name != "scope"]
        scope = Scope(type=ScopeType(row.scope_type), id=row.scope_id)
        return cls(scope=scope, **{name: getattr(row, name) for name in names})


def line_scope(contract: str, line: int) -> Scope:
    """Return the scope of a contract's line."""
    return Scope(type=ScopeType.contract_line, id=f"{contract}-{line}")


def scopes_of(facts: Sequence[Fact]) -> list[Scope]:
    """Return every scope that one of the facts lies in, in the order in which locks are taken."""
    return in_order({scope for fact in facts for scope in _scopes_of(fact)})


def _scopes_of(fact: Fact) -> Iterator[Scope]:
    line = line_scope(fact.contract, fact.contract_line)
    yield Scope(type=ScopeType.customer, id=fact.customer)
    yield Scope(type=ScopeType.contract, id=fact.contract)
    yield line
    yield Scope(type=ScopeType.project, id=fact.project)
    if fact.source_type is SourceType.milestone:
        yield Scope(type=ScopeType.milestone, id=f"{line.id}-{fact.source_id.rpartition('-')[2]}")
    yield Scope(type=ScopeType.fact, id=fact.id)


def in_order(scopes: Collection[Scope]) -> list[Scope]:
    """Return the scopes in the order in which everybody takes locks, so that nobody waits in a circle."""
    return sorted(scopes, key=lambda scope: (ORDER.index(scope.type), scope.id))


async def lock_scopes(connection: AsyncConnection, scopes: Collection[Scope]) -> Mapping[Scope, int]:
    """Return the hold sequence of each scope, all locked until the caller's transaction ends.

    Comes first in its transaction: what was read before may have changed while it waited. A milestone or a fact is
    locked by its line, which has to be among the scopes.
    """
    wanted = in_order(set(scopes))
    locked = [scope for scope in wanted if scope.type not in WITHOUT_LOCK]
    sequences = dict.fromkeys(wanted, 0)
    # An insert, also where all rows are there: on SQLite only a statement that writes takes the lock.
    await _ensure_rows(connection, locked)
    for part in _parts(locked):
        sequences |= await _sequences(connection, part, lock=True)
    for part in _parts([scope for scope in wanted if scope.type in WITHOUT_LOCK]):
        sequences |= await _sequences(connection, part, lock=False)
    return sequences


async def advance(connection: AsyncConnection, scope: Scope, sequence: int) -> None:
    """Write down the next sequence of a scope that is locked."""
    values = {"type": scope.type.value, "id": scope.id, "seq": sequence}
    moving = insert_into(connection, tb_hold_scope).values(**values)
    await connection.execute(moving.on_conflict_do_update(index_elements=["type", "id"], set_={"seq": sequence}))


async def holds_in_force(connection: AsyncConnection, scopes: Collection[Scope]) -> list[Hold]:
    """Return the holds on billing that are in force on any of the scopes, the oldest first."""
    columns, found = tb_billing_hold.c, []
    for part in _parts(in_order(scopes)):
        here = and_(columns.scope_type == part[0].type.value, columns.scope_id.in_([scope.id for scope in part]))
        rows = await connection.execute(select(tb_billing_hold).where(here, on_billing(), in_force()))
        found += [Hold.of(row) for row in rows]
    return sorted(found, key=lambda hold: hold.id)


def in_force() -> ColumnElement[bool]:
    """Return the condition that a hold is neither lifted nor expired."""
    return tb_billing_hold.c.lifted_at.is_(None)


def on_billing() -> ColumnElement[bool]:
    """Return the condition that a hold stops invoices; one on revenue alone does not."""
    return tb_billing_hold.c.dimensions.in_(["billing", "both"])


async def _ensure_rows(connection: AsyncConnection, scopes: Sequence[Scope]) -> None:
    rows = [{"type": scope.type.value, "id": scope.id, "seq": 0} for scope in scopes]
    if not rows:
        raise ValueError("A milestone or a fact is locked by its line.")
    await connection.execute(insert_into(connection, tb_hold_scope).on_conflict_do_nothing(), rows)


async def _sequences(connection: AsyncConnection, part: Sequence[Scope], *, lock: bool) -> dict[Scope, int]:
    columns, kind = tb_hold_scope.c, part[0].type
    asked = select(columns.id, columns.seq).where(columns.type == kind.value)
    asked = asked.where(columns.id.in_([scope.id for scope in part])).order_by(columns.id)
    rows = await connection.execute(asked.with_for_update() if lock else asked)
    return {Scope(type=kind, id=row.id): row.seq for row in rows}


def _parts(scopes: Sequence[Scope]) -> Iterator[Sequence[Scope]]:
    """Yield scopes that are in order in parts of one type, none of them longer than a statement can be."""
    for kind in ORDER:
        alike = [scope for scope in scopes if scope.type is kind]
        for start in range(0, len(alike), PART):
            yield alike[start : start + PART]
