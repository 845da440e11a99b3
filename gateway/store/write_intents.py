"""What was sent to other systems and what came of it: one row, and one lease, for each write by its key."""

from datetime import datetime, timedelta
from typing import Any, Self

from msgspec import Struct
from sqlalchemy import Column, Integer, Row, String, Table, and_, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from gateway.errors import WriteInProgress
from gateway.store.database import Store, metadata
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from openapi.common.types import Code, Outcome

HOLDER_IS_DONE_IN_S = 1  # Most writes take less; the lease of a holder that died is met several times.

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
    """Who may carry out which write now; `owner` is a fresh token for each round."""

    connection: str
    operation: str
    key: str
    owner: str


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
    """The rows. Each method is one transaction, and changes only a row whose lease the caller holds."""

    def __init__(self, store: Store, lease_s: float) -> None:
        self._store, self._lease = store, timedelta(seconds=lease_s)

    async def get(self, connection: str, operation: str, key: str) -> Intent | None:
        """Return what is known of a write, or None where nobody asked for it."""
        asked = Lease(connection=connection, operation=operation, key=key, owner="")
        async with self._store.begin() as transaction:
            row = (await transaction.execute(select(tb_write_intent).where(_of(asked)))).one_or_none()
        return Intent.of(row) if row else None

    async def take(self, lease: Lease) -> Intent:
        """Return the write's intent, leased; raises WriteInProgress while another holds it.

        One statement, so that of any number of processes one gets it.
        """
        now = self._store.now()
        held = {"lease_owner": lease.owner, "lease_until": now + self._lease, "updated_at": now}
        key = {"connection": lease.connection, "operation": lease.operation, "key": lease.key}
        free = or_(tb_write_intent.c.lease_until.is_(None), tb_write_intent.c.lease_until <= now)
        async with self._store.begin() as transaction:
            statement = insert_into(transaction, tb_write_intent).values(
                **key, **held, outcome=Outcome.none.value, tries=0
            )
            taking = statement.on_conflict_do_update(index_elements=list(key), set_=held, where=free)
            row = (await transaction.execute(taking.returning(tb_write_intent))).one_or_none()
        if row is None:
            raise in_progress()
        return Intent.of(row)

    async def note(self, lease: Lease, payload_sha256: str | None) -> None:
        """Write down that a send is about to be made. From here on its outcome is unknown until it is recorded."""
        now = self._store.now()
        await self._hold(
            lease,
            outcome=Outcome.uncertain.value,
            payload_sha256=payload_sha256,
            tries=tb_write_intent.c.tries + 1,
            sent_at=now,
            uncertain_since=func.coalesce(tb_write_intent.c.uncertain_since, now),
        )

    async def renew(self, lease: Lease) -> None:
        """Return where the lease is still held, now anew in full; raises WriteInProgress where another took it."""
        await self._hold(lease)

    async def restore(self, lease: Lease, intent: Intent) -> None:
        """Undo the note, for a send that was not made, and give the lease back."""
        values = {name: getattr(intent, name) for name in Intent.__struct_fields__}
        await self._change(lease, **(values | {"outcome": intent.outcome.value}), **self._free())

    async def record(self, lease: Lease, outcome: Outcome, **values: object) -> None:
        """Write down what came of the write and give the lease back. Who lost the lease changes nothing."""
        if outcome is not Outcome.uncertain:
            values["uncertain_since"] = None
        await self._change(lease, outcome=outcome.value, **values, **self._free())

    async def release(self, lease: Lease) -> None:
        """Give the lease back, if it is held."""
        await self._change(lease, **self._free())

    async def _hold(self, lease: Lease, **values: object) -> None:
        # A process that dies now had sent, if at all, before its lease ran out: the settle window counts from there.
        until = self._store.now() + self._lease
        if not await self._change(lease, lease_until=until, settles_from=until, **values):
            raise in_progress()

    async def _change(self, lease: Lease, **values: object) -> bool:
        mine = and_(_of(lease), tb_write_intent.c.lease_owner == lease.owner)
        changing = update(tb_write_intent).where(mine).values(**values, updated_at=self._store.now())
        async with self._store.begin() as transaction:
            return (await transaction.execute(changing)).rowcount == 1

    @staticmethod
    def _free() -> dict[str, None]:
        return {"lease_owner": None, "lease_until": None}


def in_progress(retry_after_s: int = HOLDER_IS_DONE_IN_S) -> WriteInProgress:
    """Return the answer to whoever comes while the same write is under way, or has just been."""
    detail = "The same write is under way. Send it again after `Retry-After`."
    return WriteInProgress(Code.upstream_write_in_progress, detail, retry_after_s=retry_after_s)


def _of(lease: Lease) -> ColumnElement[bool]:
    columns = tb_write_intent.c
    return and_(
        columns.connection == lease.connection,
        columns.operation == lease.operation,
        columns.key == lease.key,
    )
