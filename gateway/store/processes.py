"""Process instances: one row for one business key, kept for good; it is what stops a second run.

Who may change what: `gateway.durable` alone. Everybody else reads.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct, json
from sqlalchemy import Boolean, Column, Index, Integer, Row, String, Table, Text, UniqueConstraint, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from gateway.store.visible import matching, seen_by
from openapi.common.types import Code, Money, Outcome

tb_process_instance = Table(
    "tb_process_instance",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(60), nullable=False),
    Column("business_key", String(200), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("payload_sha256", String(64), nullable=False),
    Column("state", String(20), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("version", Integer, nullable=False),
    Column("current_step", String(120)),
    Column("owner", String(100), nullable=False),
    Column("legal_entity", String(40), nullable=False),
    Column("customer", String(40)),
    Column("project", String(40)),
    Column("source", String(40)),
    Column("external_id", String(200)),
    Column("amount", Text),
    Column("order", Text, nullable=False),
    Column("result", Text),
    Column("caller_client_id", String(200), nullable=False),
    Column("correlation_id", String(128), nullable=False),
    Column("traceparent", String(128)),
    Column("pivot_at", Instant()),
    Column("giving_up", Boolean, nullable=False),
    Column("parked_at", Instant()),
    Column("parked_step", Integer),
    Column("resume_step", Integer),
    Column("parked_code", String(80)),
    Column("blocked_by", String(40)),
    Column("blocked_lock", String(200)),
    Column("rewind_to", Integer),
    Column("tries", Integer, nullable=False),
    Column("next_try_at", Instant()),
    Column("created_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    Column("ended_at", Instant()),
    UniqueConstraint("kind", "business_key", name="uq_tb_process_instance_key"),
    Index("ix_tb_process_instance_state", "state", "updated_at"),
    Index("ix_tb_process_instance_external_id", "source", "external_id"),
    Index("ix_tb_process_instance_project", "project"),
    Index("ix_tb_process_instance_customer", "customer"),
)


class State(StrEnum):
    """Where a process is. One that ended well may say so in its own word, such as `active`."""

    accepted = "accepted"
    running = "running"
    in_doubt = "in_doubt"
    parked = "parked"
    compensating = "compensating"
    cancelled = "cancelled"
    completed = "completed"


MOVING: Final = (State.accepted, State.running, State.in_doubt, State.compensating)
"""In these a worker has, or will have, something to do."""


class Process(Struct, frozen=True, kw_only=True):
    """A process instance as its readers see it."""

    id: str
    kind: str
    business_key: str
    attempt: int
    payload_sha256: str
    state: str
    outcome: Outcome
    version: int
    current_step: str | None
    owner: str
    legal_entity: str
    customer: str | None
    project: str | None
    source: str | None
    """The system whose id `external_id` is."""
    external_id: str | None
    amount: Money | None
    """What is at risk while it does not go on."""
    order: str
    """What a run keeps for life, as JSON."""
    result: str | None
    """What the process returned, as JSON."""
    caller_client_id: str
    correlation_id: str
    traceparent: str | None
    pivot_at: datetime | None
    """Since when it can only go on; None while it can be undone."""
    giving_up: bool
    """Whether it is decided that what it made is undone."""
    parked_at: datetime | None
    parked_step: int | None
    """Where it was refused: there it is taken up to be undone."""
    resume_step: int | None
    """Where it is taken up to go on: at the refused step, or at an earlier one that reads the decision."""
    parked_code: str | None
    blocked_by: str | None
    """The process whose lock it met."""
    blocked_lock: str | None
    rewind_to: int | None
    """Where it was decided to be taken up again, until it has been."""
    tries: int
    """How often it was taken up again by itself since something last went well."""
    next_try_at: datetime | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the process that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        amount = json.decode(row.amount, type=Money) if row.amount else None
        return cls(**(values | {"outcome": Outcome(row.outcome), "amount": amount}))

    @property
    def workflow_id(self) -> str:
        """Return the engine's id of this attempt."""
        first = f"{self.kind}:{self.business_key}"
        return first if self.attempt == 1 else f"{first}:{self.attempt}"

    @property
    def at_rest(self) -> bool:
        """Tell whether nothing more happens until somebody decides something."""
        return self.state not in MOVING


async def get(store: Store, caller: Caller, process_id: str) -> Process:
    """Return the process; one that the caller may not see is Refused(resource_not_found), like one that is not."""
    asked = select(tb_process_instance).where(
        tb_process_instance.c.id == process_id, seen_by(caller, tb_process_instance)
    )
    async with store.begin() as connection:
        row = (await connection.execute(asked)).one_or_none()
    if row is None:
        raise Refused(Code.resource_not_found, "There is no such process, or you may not see it.")
    return Process.of(row)


async def find(store: Store, caller: Caller, kind: str, business_key: str) -> Process | None:
    """Return the process that carries the key, or None."""
    found = await list_all(store, caller, Window(limit=1), kind=kind, business_key=business_key)
    return found.items[0] if found.items else None


async def list_all(  # noqa: PLR0913 - each filter is given by name
    store: Store,
    caller: Caller,
    window: Window,
    *,
    kind: str | None = None,
    state: str | None = None,
    business_key: str | None = None,
    customer: str | None = None,
    project: str | list[str] | None = None,
    source: str | None = None,
    external_id: str | None = None,
) -> Listed[Process]:
    """Return the processes that the caller may see, the newest first; a filter that is None asks nothing."""
    wanted = matching(
        tb_process_instance,
        kind=kind,
        state=state,
        business_key=business_key,
        customer=customer,
        project=project,
        source=source,
        external_id=external_id,
    )
    async with store.begin() as connection:
        return await page(connection, tb_process_instance, caller, wanted, window, Process.of)


async def locked(connection: AsyncConnection, process_id: str) -> Process:
    """Return the process, which nobody else changes until the transaction ends."""
    # An update, not a `SELECT … FOR UPDATE`: on SQLite only a statement that writes takes the lock.
    mine = update(tb_process_instance).where(tb_process_instance.c.id == process_id)
    locking = mine.values(version=tb_process_instance.c.version).returning(tb_process_instance)
    return Process.of((await connection.execute(locking)).one())


async def change(connection: AsyncConnection, store: Store, process: Process, **values: object) -> Process:
    """Return the process with the values changed; its version grows with every change."""
    changing = (
        update(tb_process_instance)
        .where(tb_process_instance.c.id == process.id)
        .values(**values, version=tb_process_instance.c.version + 1, updated_at=store.now())
        .returning(tb_process_instance)
    )
    return Process.of((await connection.execute(changing)).one())


async def put_at_risk(connection: AsyncConnection, process_id: str, amount: Money) -> None:
    """Record what is at risk while the process does not go on, where that is known only under way."""
    knowing = update(tb_process_instance).where(tb_process_instance.c.id == process_id)
    await connection.execute(knowing.values(amount=json.encode(amount).decode()))
