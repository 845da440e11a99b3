"""Releases: what was asked to be invoiced at one time. The requests themselves are processes of their own."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Self

from msgspec import Struct, structs
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    and_,
    insert,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from gateway.store.visible import matching, seen_by
from openapi.common.types import Code

tb_release = Table(
    "tb_release",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("legal_entity", String(20), nullable=False),
    Column("through", Date, nullable=False),
    Column("allow_incomplete", Boolean, nullable=False),
    Column("note", Text),
    Column("requested_by", String(200), nullable=False),
    Column("issuer", String(500)),
    Column("subject", String(200)),
    Column("correlation_id", String(128), nullable=False),
    Column("created_at", Instant(), nullable=False),
)
tb_release_request = Table(
    "tb_release_request",
    metadata,
    Column("release_id", String(40), ForeignKey("tb_release.id"), primary_key=True),
    Column("process_id", String(40), ForeignKey("tb_process_instance.id"), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("legal_entity", String(20), nullable=False),
    Column("customer", String(40), nullable=False),
    Column("project", String(40), nullable=False),
    Column("contract", String(40), ForeignKey("tb_contract.id"), nullable=False),
    Index("ix_tb_release_request_process_id", "process_id"),
    Index("ix_tb_release_request_contract", "contract"),
)
"""Which attempts of which processes a release asked for, or met."""


class ReleaseRow(Struct, frozen=True, kw_only=True):
    """A release as it was asked for."""

    id: str
    legal_entity: str
    through: date
    allow_incomplete: bool
    note: str | None
    requested_by: str
    """The client."""
    issuer: str | None = None
    """Who vouches for client and subject; None, as the subject is, where a release of 0.2.0 took it."""
    subject: str | None = None
    correlation_id: str
    created_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the release that a row holds."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


class Asked(Struct, frozen=True, kw_only=True):
    """One request of a release."""

    release_id: str
    process_id: str
    attempt: int
    legal_entity: str
    customer: str
    project: str
    contract: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return what a row holds."""
        return cls(**{name: getattr(row, name) for name in cls.__struct_fields__})


async def record_release(store: Store, release: ReleaseRow, asked: Sequence[Asked]) -> None:
    """Write down a release with what it asked for."""
    async with store.begin() as connection:
        await connection.execute(insert(tb_release).values(**structs.asdict(release)))
        if asked:
            await connection.execute(insert(tb_release_request), [structs.asdict(one) for one in asked])


async def get_release(store: Store, caller: Caller, release_id: str) -> ReleaseRow:
    """Return the release; one of which the caller may see nothing is Refused(resource_not_found)."""
    wanted = and_(tb_release.c.id == release_id, seen_by(caller, tb_release), _seen_in_part(caller))
    async with store.begin() as connection:
        row = (await connection.execute(select(tb_release).where(wanted))).one_or_none()
    if row is None:
        raise Refused(Code.resource_not_found, "There is no such release, or you may not see it.")
    return ReleaseRow.of(row)


async def list_releases(
    store: Store, caller: Caller, window: Window, *, legal_entity: str | None = None, **filters: str | None
) -> Listed[ReleaseRow]:
    """Return the releases that the caller may see, the newest first; filters are columns of what was asked for."""
    wanted = and_(matching(tb_release, legal_entity=legal_entity), _seen_in_part(caller, **filters))
    async with store.begin() as connection:
        return await page(connection, tb_release, caller, wanted, window, ReleaseRow.of)


async def asked_of(store: Store, caller: Caller, release_ids: Sequence[str]) -> dict[str, list[Asked]]:
    """Return what each of the releases asked for, as far as the caller may see it."""
    wanted = and_(tb_release_request.c.release_id.in_(release_ids), seen_by(caller, tb_release_request))
    order = (tb_release_request.c.contract, tb_release_request.c.customer)
    found: dict[str, list[Asked]] = {release_id: [] for release_id in release_ids}
    async with store.begin() as connection:
        for row in await connection.execute(select(tb_release_request).where(wanted).order_by(*order)):
            found[row.release_id].append(Asked.of(row))
    return found


async def askers_of(
    connection: AsyncConnection, process_id: str, attempt: int
) -> set[tuple[str | None, str | None] | None]:
    """Return issuer and subject of all who asked for the attempt, or met it; None for one that was not written down."""
    mine = (tb_release_request.c.process_id == process_id, tb_release_request.c.attempt == attempt)
    asked = select(tb_release.c.issuer, tb_release.c.subject)
    rows = await connection.execute(asked.join(tb_release_request).where(*mine))
    return {None if row.subject is None else (row.issuer, row.subject) for row in rows}


def _seen_in_part(caller: Caller, **filters: str | None) -> ColumnElement[bool]:
    """Return the condition that something that the release asked for fits, and may be seen.

    One that asked for nothing is seen by whoever is not limited to customers or projects.
    """
    asked = {name: value for name, value in filters.items() if value is not None}
    if not asked and not caller.is_limited:
        return true()
    fitting = and_(matching(tb_release_request, **asked), seen_by(caller, tb_release_request))
    return tb_release.c.id.in_(select(tb_release_request.c.release_id).where(fitting))
