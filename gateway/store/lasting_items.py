"""Work items that wait for a thing, not for a process: one for each kind of process and trace key, whoever sees it.

A run that ends leaves them open. They close by themselves once the thing has gone through.
"""

from collections.abc import Collection, Sequence

from msgspec import json
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.store.database import Store
from gateway.store.processes import Process
from gateway.store.work_items import (
    UNRESOLVED_STATES,
    NewItem,
    WorkItem,
    open_all,
    resolved,
    said_now,
    tb_work_item,
)

_ITEM = tb_work_item.c


async def report(connection: AsyncConnection, store: Store, process: Process, items: Sequence[NewItem]) -> None:
    """Let each item be open: that of its trace key which is there already says it now, or a new one does."""
    known = await find_open(connection, process.kind, [item.trace_key for item in items])
    for item in items:
        if item.trace_key in known:
            await _say_again(connection, store, known[item.trace_key], process.kind, item)
    new = [item for item in items if item.trace_key not in known]
    if new:
        await open_all(connection, store, process, new, lasting=True)


async def _say_again(connection: AsyncConnection, store: Store, known: WorkItem, kind: str, item: NewItem) -> None:
    said = said_now(store, kind, item) | {"attempts": _ITEM.attempts + 1}
    if item.amount_at_risk is not None:  # What could not be computed this time may have been before.
        said["amount_at_risk"] = json.encode(item.amount_at_risk).decode()
    await connection.execute(update(tb_work_item).where(_ITEM.id == known.id).values(**said))


async def close(connection: AsyncConnection, store: Store, kind: str, trace_keys: Collection[str]) -> None:
    """Close what is open of the keys: it has mended itself."""
    if trace_keys:
        mine = _open(kind, trace_keys)
        await connection.execute(update(tb_work_item).where(*mine).values(**resolved(store)))


async def find_open(connection: AsyncConnection, kind: str, trace_keys: Collection[str]) -> dict[str, WorkItem]:
    """Return the items that are open, by their trace keys."""
    if not trace_keys:
        return {}
    rows = await connection.execute(select(tb_work_item).where(*_open(kind, trace_keys)))
    return {row.trace_key: WorkItem.of(row) for row in rows}


async def open_keys(connection: AsyncConnection, kind: str, step: str, prefix: str) -> set[str]:
    """Return the trace keys of what is open of the step, as far as they begin so."""
    mine = (_ITEM.process_kind == kind, _ITEM.step == step, _ITEM.trace_key.startswith(prefix, autoescape=True))
    asked = select(_ITEM.trace_key).where(*mine, _ITEM.state.in_(UNRESOLVED_STATES), _ITEM.lasting.is_(True))
    return set((await connection.execute(asked)).scalars())


def _open(kind: str, trace_keys: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        _ITEM.process_kind == kind,
        _ITEM.trace_key.in_(sorted(set(trace_keys))),
        _ITEM.state.in_(UNRESOLVED_STATES),
        _ITEM.lasting.is_(True),
    )
