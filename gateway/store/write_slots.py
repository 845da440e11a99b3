"""Who holds which slot: a name through which one write goes at a time, over all processes.

By the store's clock: hosts whose clocks differ by more than a lease would both send, and the other system refuse one.
The slot only spares it, and us, that refusal: no write is right or wrong by it.
"""

from datetime import timedelta

from sqlalchemy import Column, String, Table, or_, update

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant

tb_write_slot = Table(
    "tb_write_slot",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("holder", String(32)),
    Column("until", Instant()),
)
_COLUMNS = tb_write_slot.c


async def take(store: Store, name: str, holder: str, lease_s: float) -> bool:
    """Tell whether the holder has the slot now; of all that ask at once, one does. A dead holder's lease runs out."""
    now = store.now()
    held = {"holder": holder, "until": now + timedelta(seconds=lease_s)}
    free = or_(_COLUMNS.until.is_(None), _COLUMNS.until <= now)
    async with store.begin() as connection:
        taking = (
            insert_into(connection, tb_write_slot)
            .values(name=name, **held)
            .on_conflict_do_update(index_elements=["name"], set_=held, where=free)
            .returning(_COLUMNS.name)
        )
        return (await connection.execute(taking)).one_or_none() is not None


async def renew(store: Store, name: str, holder: str, lease_s: float) -> bool:
    """Tell whether the holder still has the slot, and let it have it for longer."""
    until = store.now() + timedelta(seconds=lease_s)
    renewing = update(tb_write_slot).where(_COLUMNS.name == name, _COLUMNS.holder == holder).values(until=until)
    async with store.begin() as connection:
        return (await connection.execute(renewing)).rowcount == 1


async def give_back(store: Store, name: str, holder: str) -> None:
    """Let the next one have the slot. Who lost it changes nothing."""
    giving = update(tb_write_slot).where(_COLUMNS.name == name, _COLUMNS.holder == holder)
    async with store.begin() as connection:
        await connection.execute(giving.values(holder=None, until=None))
