"""Exceptions that wait for somebody: what was refused, where, what it costs, until when, and whose queue it is in."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from importlib.resources import files
from typing import Any, Final, Self

from msgspec import Struct, json
from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    case,
    false,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from gateway.store.processes import Process
from gateway.store.visible import matching, seen_by
from gateway.telemetry.metrics import FAILED
from gateway.yaml_text import loaded
from openapi.common.types import Code, Money, OwnerQueue

tb_work_item = Table(
    "tb_work_item",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("process_id", String(40), ForeignKey("tb_process_instance.id"), nullable=False),
    Column("process_kind", String(60), nullable=False),
    Column("step", String(120), nullable=False),
    Column("trace_key", String(200), nullable=False),
    Column("code", String(80), nullable=False),
    Column("detail", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("severity", String(10), nullable=False),
    Column("amount_at_risk", Text),
    Column("deadline", Instant()),
    Column("owner_queue", String(40), nullable=False),
    Column("assignee", String(200)),
    Column("state", String(20), nullable=False),
    Column("resolution", String(20)),
    Column("resolved_by", String(200)),
    Column("attempts", Integer, nullable=False),
    Column("legal_entity", String(40), nullable=False),
    Column("customer", String(40)),
    Column("project", String(40)),
    Column("opened_at", Instant(), nullable=False),
    Column("updated_at", Instant(), nullable=False),
    Column("resolved_at", Instant()),
    Column("lasting", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("process_id", "step", "trace_key", name="uq_tb_work_item_where"),
    Index("ix_tb_work_item_state", "state", "owner_queue"),
    Index("ix_tb_work_item_trace_key", "process_kind", "trace_key"),
)


class ItemState(StrEnum):
    """Where an item is."""

    open = "open"
    assigned = "assigned"
    resolved = "resolved"
    auto_resolved = "auto_resolved"


class Resolution(StrEnum):
    """What became of it."""

    fixed_data = "fixed_data"
    fixed_mapping = "fixed_mapping"
    adopted = "adopted"
    cancelled = "cancelled"
    dismissed = "dismissed"


class Severity(StrEnum):
    """How loud it is: low mends itself; high may have had an effect that nobody knows of."""

    low = "low"
    medium = "medium"
    high = "high"


UNRESOLVED: Final = (ItemState.open, ItemState.assigned)
UNRESOLVED_STATES: Final = [state.value for state in UNRESOLVED]
OURS: Final = "tiebeam"
"""The system of what our own checks refused."""
DEFAULT_OWNER: Final = OwnerQueue.Integration


class NewItem(Struct, frozen=True, kw_only=True):
    """What could not be done, and why."""

    step: str
    trace_key: str
    """The business key of what could not be done."""
    code: Code
    detail: str
    facts: dict[str, Any] = {}
    """What helps to decide, such as candidates."""
    severity: Severity = Severity.medium
    deadline: datetime | None = None
    amount_at_risk: Money | None = None
    """Left out, what is at risk with the process."""
    legal_entity: str | None = None
    """Left out, that and the next two are the process's."""
    customer: str | None = None
    project: str | None = None
    system: str | None = None
    """The connection that refused, or was away; left out, nobody was asked. It is counted and not kept."""


class WorkItem(Struct, frozen=True, kw_only=True):
    """An exception that waits, or waited, for somebody."""

    id: str
    process_id: str
    process_kind: str
    step: str
    trace_key: str
    code: Code
    detail: str
    facts: str
    """As JSON."""
    fingerprint: str
    """The same for what has the same cause."""
    severity: Severity
    amount_at_risk: Money | None
    deadline: datetime | None
    owner_queue: OwnerQueue
    assignee: str | None
    state: ItemState
    resolution: Resolution | None
    resolved_by: str | None
    attempts: int
    legal_entity: str
    customer: str | None
    project: str | None
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    lasting: bool
    """Whether it waits for the thing itself, whichever process has it under way: it outlives the one that opened it."""

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the item that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(
            **values
            | {
                "code": Code(row.code),
                "severity": Severity(row.severity),
                "amount_at_risk": json.decode(row.amount_at_risk, type=Money) if row.amount_at_risk else None,
                "owner_queue": OwnerQueue(row.owner_queue),
                "state": ItemState(row.state),
                "resolution": Resolution(row.resolution) if row.resolution else None,
                "resolved_by": row.resolved_by if row.resolved_at else None,
            }
        )


def owner_of(code: Code) -> OwnerQueue:
    """Return the queue that gets an item with the code."""
    return _owners().get(code, DEFAULT_OWNER)


@cache
def _owners() -> dict[Code, OwnerQueue]:
    catalogue = loaded(files("openapi").joinpath("problems.yaml").read_text("utf-8"))
    return {Code(code): OwnerQueue(entry["owner"]) for code, entry in catalogue.items() if "owner" in entry}


async def open_item(connection: AsyncConnection, store: Store, process: Process, new: NewItem) -> str:
    """Return the id of the one item for this step and key; it is opened, or opened again, or found open."""
    return (await open_all(connection, store, process, [new]))[0]


async def open_all(
    connection: AsyncConnection, store: Store, process: Process, items: Sequence[NewItem], *, lasting: bool = False
) -> list[str]:
    """Return the ids of the items, each opened, opened again, or found open. Each is counted as a failure once."""
    new = [_opened(store, process, one, lasting=lasting) for one in items]
    opening = insert_into(connection, tb_work_item).values(new)
    said = {name: opening.excluded[name] for name in _SAID}
    again = _kept_if_open() | {"attempts": tb_work_item.c.attempts + 1}
    again |= {"resolution": None, "resolved_by": None, "resolved_at": None}
    where = ("process_id", "step", "trace_key")
    met = opening.on_conflict_do_update(index_elements=where, set_=said | again)
    columns = tb_work_item.c
    told = await connection.execute(met.returning(columns.id, columns.step, columns.trace_key, columns.attempts))
    found = {(row.step, row.trace_key): row for row in told}
    rows = [found[one.step, one.trace_key] for one in items]
    for one, row in zip(items, rows, strict=True):
        if row.attempts == 1:
            store.once_committed(connection, partial(_count_failure, store, process.kind, one))
    return [str(row.id) for row in rows]


def _kept_if_open() -> dict[str, Any]:
    """Return whose an item is that is met again: who works on one that is open goes on, a closed one is anybody's."""
    still = tb_work_item.c.state.in_(UNRESOLVED_STATES)
    state, assignee = tb_work_item.c.state, tb_work_item.c.assignee
    return {"state": case((still, state), else_=ItemState.open.value), "assignee": case((still, assignee))}


def _count_failure(store: Store, kind: str, new: NewItem) -> None:
    """Count what was refused or parked, for who watches the process that found it."""
    store.metrics.count(FAILED, process=kind, system=new.system or OURS, code=new.code.value)


def _opened(store: Store, process: Process, new: NewItem, *, lasting: bool) -> dict[str, Any]:
    """Return the row of an item that is opened now."""
    now, amount = store.now(), new.amount_at_risk or process.amount
    return said_now(store, process.kind, new) | {
        "id": new_id("wki", now),
        "process_id": process.id,
        "process_kind": process.kind,
        "step": new.step,
        "trace_key": new.trace_key,
        "amount_at_risk": json.encode(amount).decode() if amount else None,
        "state": ItemState.open.value,
        "attempts": 1,
        "legal_entity": new.legal_entity or process.legal_entity,
        "customer": new.customer or process.customer,
        "project": new.project or process.project,
        "opened_at": now,
        "lasting": lasting,
    }


def said_now(store: Store, kind: str, new: NewItem) -> dict[str, Any]:
    """Return what an item says of what could not be done; said again, it replaces what was said before."""
    return {
        "code": new.code.value,
        "detail": new.detail,
        "facts": json.encode(new.facts).decode(),
        "fingerprint": hashlib.sha256(json.encode([kind, new.step, new.code, new.detail])).hexdigest(),
        "severity": new.severity.value,
        "deadline": new.deadline,
        "owner_queue": owner_of(new.code).value,
        "updated_at": store.now(),
    }


_SAID: Final = ("code", "detail", "facts", "fingerprint", "severity", "deadline", "owner_queue", "updated_at")


async def resolve(
    connection: AsyncConnection,
    store: Store,
    process_id: str,
    *,
    step: str | None = None,
    by: str | None = None,
    resolution: Resolution | None = None,
) -> None:
    """Close what is open of the process, or of one step of it.

    Without `by` it is resolved by whoever has taken it up; by nobody, if it mended itself. What outlives
    the process stays open: see `gateway.store.lasting_items`.
    """
    wanted = matching(tb_work_item, process_id=process_id, step=step, state=UNRESOLVED_STATES, lasting=False)
    await connection.execute(update(tb_work_item).where(wanted).values(**resolved(store, by, resolution)))


def resolved(store: Store, by: str | None = None, resolution: Resolution | None = None) -> dict[str, Any]:
    """Return what an item that is closed now says."""
    now, itself, taken_up = store.now(), ItemState.auto_resolved.value, tb_work_item.c.resolved_by.is_not(None)
    return {
        "state": ItemState.resolved.value if by else case((taken_up, ItemState.resolved.value), else_=itself),
        "resolution": resolution.value if resolution else None,
        "resolved_by": by or tb_work_item.c.resolved_by,
        "resolved_at": now,
        "updated_at": now,
    }


async def take_up(connection: AsyncConnection, process_id: str, by: str) -> None:
    """Note who has let the process go on: its items are resolved by that one, once their steps succeed."""
    wanted = matching(tb_work_item, process_id=process_id, state=UNRESOLVED_STATES, lasting=False)
    await connection.execute(update(tb_work_item).where(wanted).values(resolved_by=by))


async def get(store: Store, caller: Caller, work_item_id: str) -> WorkItem:
    """Return the item; one that the caller may not see is Refused(resource_not_found)."""
    asked = select(tb_work_item).where(tb_work_item.c.id == work_item_id, seen_by(caller, tb_work_item))
    async with store.begin() as connection:
        row = (await connection.execute(asked)).one_or_none()
    if row is None:
        raise Refused(Code.resource_not_found, "There is no such work item, or you may not see it.")
    return WorkItem.of(row)


async def assign(store: Store, caller: Caller, work_item_id: str, assignee: str) -> WorkItem:
    """Return the item, now somebody's; one that is resolved is Refused(process_illegal_transition)."""
    item = await get(store, caller, work_item_id)
    still = (tb_work_item.c.id == item.id) & tb_work_item.c.state.in_(UNRESOLVED_STATES)
    values = {"assignee": assignee, "state": ItemState.assigned.value, "updated_at": store.now()}
    async with store.begin() as connection:
        changing = update(tb_work_item).where(still).values(**values).returning(tb_work_item)
        row = (await connection.execute(changing)).one_or_none()
    if row is None:
        raise Refused(Code.process_illegal_transition, "The work item is resolved; there is nothing left to work.")
    return WorkItem.of(row)


async def list_all(
    store: Store,
    caller: Caller,
    window: Window,
    *,
    state: ItemState | None = None,
    owner_queue: OwnerQueue | None = None,
    process_id: str | list[str] | None = None,
) -> Listed[WorkItem]:
    """Return the items that the caller may see, the newest first; without a state, the unresolved ones."""
    states = UNRESOLVED_STATES if state is None else state.value
    queue = owner_queue.value if owner_queue else None
    wanted = matching(tb_work_item, state=states, owner_queue=queue, process_id=process_id)
    async with store.begin() as connection:
        return await page(connection, tb_work_item, caller, wanted, window, WorkItem.of)
