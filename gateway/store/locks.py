"""Rows named after a thing, each owned by a process: who has the customer has it until a step lets it go.

All names are taken at once and in one order, so that two processes never wait for each other.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Column, ForeignKey, String, Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Refused
from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from gateway.store.processes import tb_process_instance
from openapi.common.types import Code, Violation

tb_lock = Table(
    "tb_lock",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("process_id", String(40), ForeignKey("tb_process_instance.id"), nullable=False, index=True),
    Column("taken_at", Instant(), nullable=False),
)
_ADVICE: Final = "Another process works on the same thing. This one goes on by itself once that one is done."


async def take(store: Store, process_id: str, names: Iterable[str]) -> None:
    """Return once the process has every lock; otherwise it has none new, and Refused(lock_held) names who has one.

    What the process holds already it keeps; a lock whose owner has ended is taken over.
    """
    async with store.begin() as connection:
        for name in sorted(set(names)):
            await _take(connection, store, process_id, name)


async def _take(connection: AsyncConnection, store: Store, process_id: str, name: str) -> None:
    row = {"name": name, "process_id": process_id, "taken_at": store.now()}
    ended = select(tb_process_instance.c.id).where(tb_process_instance.c.ended_at.is_not(None))
    mine_or_free = (tb_lock.c.process_id == process_id) | tb_lock.c.process_id.in_(ended)
    taking = insert_into(connection, tb_lock).values(row)
    taken = taking.on_conflict_do_update(index_elements=["name"], set_=row, where=mine_or_free).returning(
        tb_lock.c.name
    )
    if (await connection.execute(taken)).one_or_none() is None:
        held = select(tb_lock.c.process_id).where(tb_lock.c.name == name)
        which = Violation(code=Code.lock_held, pointer="#/lock", detail=_ADVICE, actual=name)
        raise Refused(Code.lock_held, _ADVICE, which, process_id=(await connection.execute(held)).scalar_one())


async def release(store: Store, process_id: str, names: Sequence[str] | None = None) -> None:
    """Let go of the locks named, or of all that the process has. Whoever is parked because of one is resumed."""
    async with store.begin() as connection:
        await release_within(connection, process_id, names)


async def release_within(connection: AsyncConnection, process_id: str, names: Sequence[str] | None = None) -> None:
    """Let go of locks in the caller's transaction."""
    freeing = delete(tb_lock).where(tb_lock.c.process_id == process_id)
    await connection.execute(freeing if names is None else freeing.where(tb_lock.c.name.in_(names)))


async def held_by(store: Store, process_id: str) -> list[str]:
    """Return the names of what the process holds."""
    asked = select(tb_lock.c.name).where(tb_lock.c.process_id == process_id).order_by(tb_lock.c.name)
    async with store.begin() as connection:
        return list((await connection.execute(asked)).scalars())
