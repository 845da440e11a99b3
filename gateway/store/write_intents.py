"""What was sent to other systems and what came of it: one row, and one lease, for each write by its key."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Self

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Column, Integer, Row, String, Table, and_, case, collate, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.errors import WriteInProgress
from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from openapi.common.types import Code, Outcome

HOLDER_IS_DONE_IN_S = 1  # Most writes take less; the lease of a holder that died is met several times.
CODE_POINTS: Final[Mapping[str, str]] = {"sqlite": "BINARY", "postgresql": "C"}
"""The collation that sorts as Python does, by database."""

tb_write_intent = Table(
    "tb_write_intent",
    metadata,
    Column("connection", String(40), primary_key=True),
    Column("operation", String(80), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("outcome", String(10), nullable=False),
    Column("payload_sha256", String(64)),
    Column("tries", Integer, nullable=False),
    Column("sent_at", Instant()),
    Column("settles_from", Instant()),
    Column("uncertain_since", Instant()),
    Column("lease_owner", String(32)),
    Column("lease_until", Instant()),
    Column("updated_at", Instant(), nullable=False),
)


class Lease(Struct, frozen=True, kw_only=True):
    """Who may carry out which writes now; `owner` is a fresh token for each round.

    A batch has one lease: each of its keys is leased to the one owner.
    """

    connection: str
    operation: str
    keys: tuple[str, ...]
    owner: str

    def of(self, keys: Iterable[str]) -> Self:
        """Return the lease of some of the keys."""
        return replace(self, keys=tuple(keys))


class Intent(Struct, frozen=True, kw_only=True):
    """What is known of a write: whether it was sent, and what came of it."""

    outcome: Outcome
    payload_sha256: str | None
    """What the key is bound to, once something was sent."""
    tries: int
    sent_at: datetime | None
    settles_from: datetime | None
    """When the last send had ended at the latest; None where there was none, or it was refused."""
    uncertain_since: datetime | None
    """When the first of the sends was made whose outcome is unknown."""

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the intent that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**(values | {"outcome": Outcome(row.outcome)}))

    def unsettled_s(self, at: datetime, settle_s: float) -> float:
        """Return for how long "not found" proves nothing yet; 0 once it does."""
        if self.settles_from is None:
            return 0.0
        return max(0.0, settle_s - (at - self.settles_from).total_seconds())

    def overdue(self, at: datetime, deadline_s: float) -> bool:
        """Tell whether the outcome has been unknown for so long that a person has to look."""
        return self.uncertain_since is not None and (at - self.uncertain_since).total_seconds() >= deadline_s


class WriteIntents:
    """The rows. Each method is one statement, however many keys it is about, and changes only leased rows.

    Rows are locked in the order of their keys: two batches never wait for each other.
    """

    def __init__(self, store: Store, lease_s: float) -> None:
        self._store, self._lease = store, timedelta(seconds=lease_s)

    async def get(self, connection: str, operation: str, key: str) -> Intent | None:
        """Return what is known of a write, or None where nobody asked for it."""
        asked = Lease(connection=connection, operation=operation, keys=(key,), owner="")
        async with self._store.begin() as transaction:
            row = (await transaction.execute(select(tb_write_intent).where(_of(asked)))).one_or_none()
        return Intent.of(row) if row else None

    async def take(self, lease: Lease) -> dict[str, Intent]:
        """Return the intents by key, all leased; raises WriteInProgress while another holds one, and leases none.

        One statement, so that of any number of processes one gets a key.
        """
        now = self._store.now()
        held = {"lease_owner": lease.owner, "lease_until": now + self._lease, "updated_at": now}
        place = {"connection": lease.connection, "operation": lease.operation}
        new = [place | held | {"key": key, "outcome": Outcome.none.value, "tries": 0} for key in sorted(lease.keys)]
        free = or_(tb_write_intent.c.lease_until.is_(None), tb_write_intent.c.lease_until <= now)
        async with self._store.begin() as transaction:
            taking = (
                insert_into(transaction, tb_write_intent)
                .on_conflict_do_update(index_elements=[*place, "key"], set_=held, where=free)
                .returning(tb_write_intent)
            )
            # The rows as parameters, which SQLAlchemy puts into one statement: as values each size is compiled anew.
            rows = (await transaction.execute(taking, new)).all()
            if len(rows) < len(lease.keys):
                raise in_progress()  # Rolls back what was leased.
        return {row.key: Intent.of(row) for row in rows}

    async def note(self, lease: Lease, payloads: Mapping[str, str | None]) -> None:
        """Write down that a send is about to be made. From here on its outcome is unknown until it is recorded."""
        now = self._store.now()
        await self._hold(
            lease,
            outcome=Outcome.uncertain.value,
            payload_sha256=_by_key(lease, "payload_sha256", payloads),
            tries=tb_write_intent.c.tries + 1,
            sent_at=now,
            uncertain_since=func.coalesce(tb_write_intent.c.uncertain_since, now),
        )

    async def renew(self, lease: Lease) -> None:
        """Return where all is still leased, now anew in full; raises WriteInProgress where another took a key."""
        await self._hold(lease)

    async def restore(self, lease: Lease, intents: Mapping[str, Intent]) -> None:
        """Undo the note, for a send that was not made, and give the lease back.

        That of an earlier send nothing is there was found out before the note: it is uncertain no more.
        """
        values = {
            name: _by_key(lease, name, {key: getattr(intent, name) for key, intent in intents.items()})
            for name in ("payload_sha256", "tries", "sent_at", "settles_from")
        }
        outcomes = {key: _without_doubt(intent.outcome).value for key, intent in intents.items()}
        values["outcome"] = _by_key(lease, "outcome", outcomes)
        await self._let_go(lease, **values, uncertain_since=None)

    async def record(self, lease: Lease, outcome: Outcome, **values: object) -> None:
        """Write down what came of the writes and give the lease back. Who lost the lease changes nothing."""
        if outcome is not Outcome.uncertain:
            values["uncertain_since"] = None
        await self._let_go(lease, outcome=outcome.value, **values)

    async def adopt(self, lease: Lease, payloads: Mapping[str, str | None]) -> None:
        """Write down that the documents are there, and which payloads their keys are bound to."""
        await self.record(lease, Outcome.applied, payload_sha256=_by_key(lease, "payload_sha256", payloads))

    async def release(self, lease: Lease) -> None:
        """Give the lease back, if it is held."""
        await self._let_go(lease)

    async def _hold(self, lease: Lease, **values: object) -> None:
        # A process that dies now had sent, if at all, before its lease ran out: the settle window counts from there.
        until = self._store.now() + self._lease
        async with self._store.begin() as transaction:
            held = await self._change(transaction, lease, lease_until=until, settles_from=until, **values)
            if held < len(lease.keys):
                raise in_progress()  # Rolls back: of a batch all is noted, or nothing.

    async def _let_go(self, lease: Lease, **values: object) -> None:
        async with self._store.begin() as transaction:
            await self._change(transaction, lease, lease_owner=None, lease_until=None, **values)

    async def _change(self, transaction: AsyncConnection, lease: Lease, **values: object) -> int:
        """Return how many of the rows are still this owner's, and changed."""
        columns = tb_write_intent.c
        mine = and_(_of(lease), columns.lease_owner == lease.owner)
        changing = update(tb_write_intent).where(mine)
        if len(lease.keys) > 1:
            # PostgreSQL would lock as it finds them, and deadlock with whoever wants some of them in their order.
            order = collate(columns.key, CODE_POINTS[transaction.dialect.name])
            in_order = select(columns.key).where(mine).order_by(order).with_for_update()
            changing = changing.where(columns.key.in_(in_order))
        done = await transaction.execute(changing.values(**values, updated_at=self._store.now()))
        return done.rowcount


def in_progress(retry_after_s: int = HOLDER_IS_DONE_IN_S) -> WriteInProgress:
    """Return the answer to whoever comes while the same write is under way, or has just been."""
    detail = "The same write is under way. Send it again after `Retry-After`."
    return WriteInProgress(Code.upstream_write_in_progress, detail, retry_after_s=retry_after_s)


def _of(lease: Lease) -> ColumnElement[bool]:
    columns = tb_write_intent.c
    return and_(
        columns.connection == lease.connection,
        columns.operation == lease.operation,
        columns.key.in_(lease.keys),
    )


def _by_key(lease: Lease, column: str, values: Mapping[str, Any]) -> ColumnElement[Any]:
    """Return a column's new value: one that asks for the key only where the keys' values differ."""
    of = tb_write_intent.c[column].type
    each = {values[key] for key in lease.keys}
    if len(each) == 1:
        return literal(each.pop(), of)
    return case({key: literal(values[key], of) for key in lease.keys}, value=tb_write_intent.c.key)


def _without_doubt(outcome: Outcome) -> Outcome:
    return Outcome.none if outcome is Outcome.uncertain else outcome
