"""When each schedule is due next, and which worker is at it: one row a schedule, claimed by one statement.

`next_at` moves when a run has ended. A run is held by its worker meanwhile, for a while that is renewed; one whose
worker died is due again once that is over.
"""

from datetime import datetime, timedelta

from sqlalchemy import Column, ColumnElement, String, Table, or_, select, update

from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant

tb_schedule = Table(
    "tb_schedule",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("next_at", Instant(), nullable=False),
    Column("holder", String(200)),
    Column("held_until", Instant()),
)
_COLUMNS = tb_schedule.c


async def enter(store: Store, name: str, every_s: float) -> None:
    """Let a schedule be known: due at once where it is new, and sooner than it was where it is now more frequent."""
    latest = store.now() + timedelta(seconds=every_s)
    async with store.begin() as connection:
        row = {"name": name, "next_at": store.now(), "holder": None, "held_until": None}
        await connection.execute(insert_into(connection, tb_schedule).values(row).on_conflict_do_nothing())
        late = (_COLUMNS.name == name, _COLUMNS.next_at > latest)
        await connection.execute(update(tb_schedule).where(*late).values(next_at=latest))


async def list_due(store: Store) -> list[str]:
    """Return the names of what is due and nobody is at, for a claim."""
    async with store.begin() as connection:
        found = await connection.execute(select(_COLUMNS.name).where(*_due(store.now())).order_by(_COLUMNS.next_at))
        return list(found.scalars())


async def claim(store: Store, name: str, holder: str, hold_s: float) -> bool:
    """Tell whether the holder runs the schedule now; of all that ask at once, one does."""
    now = store.now()
    held = {"holder": holder, "held_until": now + timedelta(seconds=hold_s)}
    claiming = update(tb_schedule).where(_COLUMNS.name == name, *_due(now)).values(held)
    async with store.begin() as connection:
        return (await connection.execute(claiming)).rowcount == 1


async def renew(store: Store, name: str, holder: str, hold_s: float) -> bool:
    """Tell whether the holder is still the one that runs it, and let it be so for longer."""
    until = store.now() + timedelta(seconds=hold_s)
    renewing = update(tb_schedule).where(_COLUMNS.name == name, _COLUMNS.holder == holder).values(held_until=until)
    async with store.begin() as connection:
        return (await connection.execute(renewing)).rowcount == 1


async def finish(store: Store, name: str, holder: str, every_s: float) -> None:
    """Let it be due at its next time. Times that went by meanwhile are left out: one run catches up."""
    async with store.begin() as connection:
        mine = (_COLUMNS.name == name, _COLUMNS.holder == holder)
        due = (await connection.execute(select(_COLUMNS.next_at).where(*mine))).scalar_one_or_none()
        if due is not None:
            free = {"holder": None, "held_until": None, "next_at": _next(due, every_s, store.now())}
            await connection.execute(update(tb_schedule).where(*mine).values(free))


async def let_go(store: Store, name: str, holder: str) -> None:
    """Let somebody else run it at once: the run was cut short."""
    letting = update(tb_schedule).where(_COLUMNS.name == name, _COLUMNS.holder == holder)
    async with store.begin() as connection:
        await connection.execute(letting.values(holder=None, held_until=None))


def _due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return _COLUMNS.next_at <= now, or_(_COLUMNS.held_until.is_(None), _COLUMNS.held_until <= now)


def _next(due: datetime, every_s: float, now: datetime) -> datetime:
    """Return the first time after now, counted in whole intervals from the last one, so that runs do not wander."""
    passed = max((now - due).total_seconds(), 0.0) // every_s + 1
    return due + timedelta(seconds=every_s * passed)
