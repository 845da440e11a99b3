"""Tokens and clients that are not let in any more, whoever vouches for them: one row each, until it runs out."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import Column, Row, String, Table, Text, UniqueConstraint, delete, or_, select

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.inserts import insert_into
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from gateway.store.visible import matching, seen_by
from openapi.common.types import Code

tb_denial = Table(
    "tb_denial",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("name", String(200), nullable=False),
    Column("issuer", String(500), nullable=False),
    Column("until", Instant()),
    Column("reason", Text, nullable=False),
    Column("denied_by", String(200), nullable=False),
    Column("denied_at", Instant(), nullable=False),
    UniqueConstraint("kind", "name", "issuer", name="uq_tb_denial_of"),
)
_COLUMNS = tb_denial.c
KEPT: Final = timedelta(days=30)
"""So long one that has run out can still be looked up."""


class DenialKind(StrEnum):
    """What is denied."""

    token = "token"  # noqa: S105 — a kind, no secret.
    client = "client"


class NewDenial(Struct, frozen=True, kw_only=True):
    """Who is not to be let in."""

    kind: DenialKind
    name: str
    """The token's `jti`, or the client's `client_id`."""
    issuer: str = ""
    """The exact `iss`; left out, whoever vouches for it."""
    until: datetime | None = None
    """None: until it is lifted."""
    reason: str


class Denial(NewDenial, frozen=True, kw_only=True):
    """One that stands in the database."""

    id: str
    denied_by: str
    denied_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the denial that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**values | {"kind": DenialKind(row.kind)})


async def deny(store: Store, caller: Caller, new: NewDenial) -> Denial:
    """Return the denial; said again of the same token or client, it says what was said last.

    It holds where the topic `denials` is moved after this returned.
    """
    now = store.now()
    said = {"until": new.until, "reason": new.reason, "denied_by": caller.client_id, "denied_at": now}
    row = {"id": new_id("den", now), "kind": new.kind.value, "name": new.name, "issuer": new.issuer} | said
    async with store.begin() as connection:
        await connection.execute(delete(tb_denial).where(_COLUMNS.until < now - KEPT))
        adding = insert_into(connection, tb_denial).values(row)
        again = adding.on_conflict_do_update(index_elements=("kind", "name", "issuer"), set_=said)
        return Denial.of((await connection.execute(again.returning(tb_denial))).one())


async def lift(store: Store, caller: Caller, denial_id: str) -> None:
    """Let them in again; one that is not there is Refused(resource_not_found)."""
    async with store.begin() as connection:
        lifting = delete(tb_denial).where(_COLUMNS.id == denial_id, seen_by(caller, tb_denial))
        if (await connection.execute(lifting)).rowcount == 0:
            raise _nothing()


async def get(store: Store, caller: Caller, denial_id: str) -> Denial:
    """Return the denial; one that is not there is Refused(resource_not_found)."""
    async with store.begin() as connection:
        asked = select(tb_denial).where(_COLUMNS.id == denial_id, seen_by(caller, tb_denial))
        row = (await connection.execute(asked)).one_or_none()
    if row is None:
        raise _nothing()
    return Denial.of(row)


async def list_all(
    store: Store, caller: Caller, window: Window, *, kind: DenialKind | None = None, name: str | None = None
) -> Listed[Denial]:
    """Return the denials, the newest first; those that ran out lately too."""
    wanted = matching(tb_denial, kind=kind.value if kind else None, name=name)
    async with store.begin() as connection:
        return await page(connection, tb_denial, caller, wanted, window, Denial.of)


async def list_standing(store: Store) -> list[Denial]:
    """Return every denial that holds now, for the verifiers of all processes."""
    standing = or_(_COLUMNS.until.is_(None), _COLUMNS.until > store.now())
    async with store.begin() as connection:
        return [Denial.of(row) for row in (await connection.execute(select(tb_denial).where(standing))).all()]


def _nothing() -> Refused:
    return Refused(Code.resource_not_found, "There is no such denial; look it up in the list.")
