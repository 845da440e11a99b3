"""Placing and lifting holds: each is one transaction under the lock of the hold's scope.

What is stored there is in force at once; that other systems are told is a work of its own, see `hold_flags.py`.
"""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

import msgspec
from msgspec import Struct
from sqlalchemy import Row, and_, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.errors import Refused
from gateway.store.database import Store
from gateway.store.ids import new_id
from openapi.common.types import Code
from process_apis.ledger import hold_flags, hold_requests
from process_apis.ledger.hold_requests import HoldState
from process_apis.ledger.hold_scopes import Owners
from process_apis.ledger.holds import Scope, ScopeType, advance, in_force, lock_scopes, tb_billing_hold
from process_apis.ledger.keys import business_key

GATEWAY: Final = "gateway"
"""Where a hold is placed that came through the API."""
REVIEWED_AFTER: Final = timedelta(days=14)


class Dimensions(StrEnum):
    """What a hold keeps from going on. Revenue is written down; nothing acts on it yet."""

    billing = "billing"
    revenue = "revenue"
    both = "both"


class LiftMode(StrEnum):
    """How a hold ends."""

    until_lifted = "until_lifted"
    until_date = "until_date"


class NewHold(Struct, frozen=True, kw_only=True):
    """A hold that is asked for. Of one scope, place, client and reference, one hold is in force."""

    scope: Scope
    owners: Owners
    dimensions: Dimensions
    reason: str
    note: str | None
    placed_by: str
    placed_in: str
    reference: str
    review_on: date | None
    lift_mode: LiftMode
    until: date | None
    """The last day on which it is in force."""
    correlation_id: str


class BillingHold(Struct, frozen=True, kw_only=True):
    """A hold as it stands here."""

    id: str
    business_key: str
    scope: Scope
    seq: int
    dimensions: Dimensions
    reason: str
    note: str | None
    placed_by: str
    placed_in: str
    reference: str
    placed_at: datetime
    review_on: date
    lift_mode: LiftMode
    until: date | None
    state: HoldState
    legal_entity: str | None
    customer: str
    project: str | None
    contract: str | None
    contract_line: int | None
    pushes: int
    """How often other systems were to be told something new of it; `pushed` is how often they have been."""
    pushed: int
    push_asked_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
    lift_reason: str | None
    correlation_id: str
    version: int
    updated_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the hold that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__ if name != "scope"}
        typed = {
            "scope": Scope(type=ScopeType(row.scope_type), id=row.scope_id),
            "dimensions": Dimensions(row.dimensions),
            "lift_mode": LiftMode(row.lift_mode),
            "state": HoldState(row.state),
        }
        return cls(**values | typed)

    @property
    def owners(self) -> Owners:
        """Return whose it is."""
        return Owners(**{name: getattr(self, name) for name in Owners.__struct_fields__})

    @property
    def in_force(self) -> bool:
        """Tell whether it stops what is not submitted yet."""
        return self.lifted_at is None


async def place_hold_within(connection: AsyncConnection, store: Store, new: NewHold) -> BillingHold:
    """Return the hold, stored now or met, in force from this transaction's end.

    Call it first in its transaction. Raises Refused(process_payload_conflict) where the same hold is in force with
    other words.
    """
    sequences = await lock_scopes(connection, new.owners.locks(new.scope))
    met = await _met(connection, new)
    if met is not None:
        return met
    await advance(connection, new.scope, sequences[new.scope] + 1)
    row = _row(store, new, await _key(connection, new), sequences[new.scope] + 1)
    stored = (await connection.execute(insert(tb_billing_hold).values(**row).returning(tb_billing_hold))).one()
    state = await hold_requests.meet_requests(connection, store, stored.id, new.scope)
    if state is not HoldState.active:
        moving = update(tb_billing_hold).where(tb_billing_hold.c.id == stored.id).values(state=state.value)
        stored = (await connection.execute(moving.returning(tb_billing_hold))).one()
    await hold_flags.ask(connection, store, stored, seen_in=new.placed_in)
    await hold_requests.tell(connection, store, stored, "placed", by=new.placed_by, placed_in=new.placed_in)
    return BillingHold.of(stored)


async def lift_hold_within(
    connection: AsyncConnection,
    store: Store,
    hold: BillingHold,
    *,
    by: str,
    reason: str | None,
    state: HoldState = HoldState.lifted,
    seen_in: str | None = None,
) -> BillingHold:
    """Return the hold, in force no longer; one that was not in force is returned as it is.

    Call it first in its transaction. `seen_in` names the system that shows it as lifted already.
    """
    sequences = await lock_scopes(connection, hold.owners.locks(hold.scope))
    await advance(connection, hold.scope, sequences[hold.scope] + 1)
    columns, now = tb_billing_hold.c, store.now()
    lifting = update(tb_billing_hold).where(columns.id == hold.id, in_force()).returning(tb_billing_hold)
    ended = {"state": state.value, "lifted_by": by, "lifted_at": now, "lift_reason": reason}
    again = {"pushes": columns.pushes + 1, "push_asked_at": now, "version": columns.version + 1, "updated_at": now}
    row = (await connection.execute(lifting.values(**ended, **again))).one_or_none()
    if row is None:
        return (await find_holds(connection, columns.id == hold.id))[0]
    await hold_flags.ask(connection, store, row, seen_in=seen_in)
    await hold_requests.tell(connection, store, row, state.value, by=by)
    return BillingHold.of(row)


async def find_holds(connection: AsyncConnection, *wanted: ColumnElement[bool]) -> list[BillingHold]:
    """Return the holds for which all conditions on `tb_billing_hold` hold, the oldest first."""
    rows = await connection.execute(select(tb_billing_hold).where(*wanted).order_by(tb_billing_hold.c.id))
    return [BillingHold.of(row) for row in rows]


async def note_push(connection: AsyncConnection, store: Store, hold_id: str, push: int) -> None:
    """Write down that other systems were told so many words on the hold."""
    columns = tb_billing_hold.c
    noting = update(tb_billing_hold).where(columns.id == hold_id, columns.pushed < push)
    await connection.execute(noting.values(pushed=push, version=columns.version + 1, updated_at=store.now()))


async def _met(connection: AsyncConnection, new: NewHold) -> BillingHold | None:
    row = (await connection.execute(select(tb_billing_hold).where(_same(new), in_force()))).one_or_none()
    if row is not None and row.payload_sha256 != _sha256(new):
        detail = f"This hold is in force with other words, as {row.id}: lift it first, or give another reference."
        raise Refused(Code.process_payload_conflict, detail)
    return BillingHold.of(row) if row else None


def _same(new: NewHold) -> ColumnElement[bool]:
    columns = tb_billing_hold.c
    here = and_(columns.scope_type == new.scope.type.value, columns.scope_id == new.scope.id)
    by = and_(columns.placed_in == new.placed_in, columns.placed_by == new.placed_by)
    return and_(here, by, columns.reference == new.reference)


async def _key(connection: AsyncConnection, new: NewHold) -> str:
    """Return the key: it counts how often this hold was placed before."""
    before = (
        await connection.execute(select(func.count()).select_from(tb_billing_hold).where(_same(new)))
    ).scalar_one()
    scope = f"{new.scope.type.value.replace('_', '-')}-{new.scope.id.partition('_')[2]}"
    number = str(before + 1)
    if new.placed_in != GATEWAY:
        return business_key("flag", scope, new.placed_in, number)
    return business_key("hold", scope, new.placed_by, new.reference, number)


def _row(store: Store, new: NewHold, key: str, sequence: int) -> dict[str, object]:
    now = store.now()
    plain = ("note", "reason", "placed_by", "placed_in", "reference", "until", "correlation_id")
    return {
        **{name: getattr(new, name) for name in plain},
        **msgspec.structs.asdict(new.owners),
        "id": new_id("hld", now),
        "business_key": key,
        "scope_type": new.scope.type.value,
        "scope_id": new.scope.id,
        "seq": sequence,
        "dimensions": new.dimensions.value,
        "lift_mode": new.lift_mode.value,
        "placed_at": now,
        "review_on": new.review_on or (now + REVIEWED_AFTER).date(),
        "payload_sha256": _sha256(new),
        "state": HoldState.active.value,
        "pushes": 1,
        "pushed": 0,
        "push_asked_at": now,
        "version": 1,
        "updated_at": now,
    }


def _sha256(new: NewHold) -> str:
    said: Sequence[object] = (new.dimensions, new.reason, new.note, new.review_on, new.lift_mode, new.until)
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()
