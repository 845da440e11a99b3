"""Overrides of holds: one invoice request passes one hold, which stays in force.

An override is for one permanent key, up to what its request came to, and ends with its hold. How one comes about is in
`hold_overriding.py`.
"""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from msgspec import Struct
from sqlalchemy import Column, ForeignKey, Row, String, Table, Text, UniqueConstraint, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller
from gateway.store.database import metadata
from gateway.store.instant import Instant
from gateway.store.visible import seen_by
from process_apis.ledger.holds import tb_billing_hold
from process_apis.ledger.requests import RequestState, tb_invoice_request

tb_hold_override = Table(
    "tb_hold_override",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("hold_id", String(40), ForeignKey("tb_billing_hold.id"), nullable=False),
    Column("request_id", String(40), ForeignKey("tb_invoice_request.id"), nullable=False),
    Column("business_key", String(64), nullable=False),
    Column("net", String(24), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_by_issuer", String(500), nullable=False),
    Column("requested_through", String(200), nullable=False),
    Column("requested_at", Instant(), nullable=False),
    Column("approved_by", Text),
    Column("approved_by_issuer", String(500)),
    Column("approved_through", String(200)),
    Column("approved_at", Instant()),
    Column("withdrawn_by", Text),
    Column("withdrawn_by_issuer", String(500)),
    Column("withdrawn_through", String(200)),
    Column("withdrawn_at", Instant()),
    Column("passed", String(40), ForeignKey("tb_invoice_request.id")),
    UniqueConstraint("hold_id", "request_id", name="uq_tb_hold_override_request"),
)
"""People are kept with who vouches for them, and with their client; `passed` is the attempt that the fence let by."""
_OVERRIDE: Final = tb_hold_override.c


class OverrideState(StrEnum):
    """Where an override is."""

    requested = "requested"
    approved = "approved"
    used = "used"
    """The attempt that passed is posted."""
    withdrawn = "withdrawn"
    ended = "ended"
    """Its hold is in force no longer."""


class Person(NamedTuple):
    """Who it was, and who vouches for that. A program that calls for itself is its own subject."""

    issuer: str
    subject: str

    @classmethod
    def of(cls, caller: Caller) -> Self:
        """Return who calls, through whichever client."""
        return cls(caller.issuer, caller.subject)


class Override(Struct, frozen=True, kw_only=True):
    """An override as it stands here, with what has become of its hold and of the attempt that passed."""

    id: str
    hold_id: str
    request_id: str
    business_key: str
    net: str
    currency: str
    reason: str
    requested_by: str
    requested_by_issuer: str
    requested_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    withdrawn_by: str | None
    withdrawn_at: datetime | None
    used_at: datetime | None
    lifted_at: datetime | None
    invoice_id: str | None
    invoice_number: str | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the override that a row holds."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})

    @property
    def state(self) -> OverrideState:
        """Return where it is."""
        if self.used_at is not None:
            return OverrideState.used
        if self.withdrawn_at is not None:
            return OverrideState.withdrawn
        if self.lifted_at is not None:
            return OverrideState.ended
        return OverrideState.requested if self.approved_at is None else OverrideState.approved

    @property
    def requester(self) -> Person:
        """Return who has asked for it."""
        return Person(self.requested_by_issuer, self.requested_by)


async def find_overrides(connection: AsyncConnection, *wanted: ColumnElement[bool]) -> list[Override]:
    """Return the overrides for which all conditions on `tb_hold_override` hold, the oldest first."""
    request, state = tb_invoice_request.c, tb_invoice_request.c.state
    asked = select(
        tb_hold_override,
        tb_billing_hold.c.lifted_at,
        *(request.posted_at.label("used_at"), request.invoice_id, request.invoice_number),
    )
    asked = asked.join(tb_billing_hold, tb_billing_hold.c.id == _OVERRIDE.hold_id)
    passed = (request.id == _OVERRIDE.passed) & (state == RequestState.posted.value)
    rows = await connection.execute(asked.outerjoin(tb_invoice_request, passed).where(*wanted).order_by(_OVERRIDE.id))
    return [Override.of(row) for row in rows]


async def overrides_on(connection: AsyncConnection, caller: Caller, hold_ids: Collection[str]) -> list[Override]:
    """Return the overrides of the holds, of requests that the caller may see, the oldest first."""
    seen = select(tb_invoice_request.c.id).where(seen_by(caller, tb_invoice_request))
    return await find_overrides(connection, _OVERRIDE.hold_id.in_(sorted(hold_ids)), _OVERRIDE.request_id.in_(seen))


async def approved_for(
    connection: AsyncConnection, hold_ids: Collection[str], business_key: str, currency: str
) -> dict[str, Override]:
    """Return, for each of the holds that the request may pass, the override that lets the most pass."""
    mine = (_OVERRIDE.business_key == business_key, _OVERRIDE.currency == currency)
    found = await find_overrides(connection, _OVERRIDE.hold_id.in_(sorted(hold_ids)), *mine) if hold_ids else []
    approved = [override for override in found if override.state is OverrideState.approved]
    return {one.hold_id: one for one in sorted(approved, key=lambda one: Decimal(one.net))}


async def note_passed(connection: AsyncConnection, overrides: Collection[Override], request_id: str) -> None:
    """Write down which attempt the fence lets through, in its transaction: once that is posted, they are used up."""
    ids = sorted(override.id for override in overrides)
    if ids:
        await connection.execute(update(tb_hold_override).where(_OVERRIDE.id.in_(ids)).values(passed=request_id))
