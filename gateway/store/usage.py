"""Who calls what, since when and how often: a row for each client and operation, and for each field that is to go.

Every web process counts in its memory and adds to the rows every few seconds. A client is its issuer's; rows up to
release 0.2.0 do not say whose, and may be of any issuer's client of that name. They are read, and no longer written.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Index, Row, String, Table, delete, func, literal, select, union_all

from gateway.caller import Client
from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from gateway.store.tallies import Key, forget_marks

tb_client_usage = Table(
    "tb_client_usage",
    metadata,
    Column("issuer", String(500), primary_key=True),
    Column("client_id", String(200), primary_key=True),
    Column("contract", String(100), primary_key=True),
    Column("operation", String(100), primary_key=True),
    Column("place", String(10), primary_key=True),
    Column("pointer", String(400), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_seen", Instant(), nullable=False),
    Column("last_seen", Instant(), nullable=False),
    Index("ix_tb_client_usage_contract_client_id", "contract", "client_id"),
)
tb_usage = Table(
    "tb_usage",
    metadata,
    Column("client_id", String(200), primary_key=True),
    Column("contract", String(100), primary_key=True),
    Column("operation", String(100), primary_key=True),
    Column("place", String(10), primary_key=True),
    Column("pointer", String(400), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_seen", Instant(), nullable=False),
    Column("last_seen", Instant(), nullable=False),
)
UNKNOWN_ISSUER: Final = ""
"""Stands in what was counted before issuers were."""
ALL: Final = union_all(
    select(tb_client_usage), select(literal(UNKNOWN_ISSUER).label("issuer"), *tb_usage.columns)
).subquery("used")
KEY: Final = ("client_id", "issuer", "contract", "operation", "place", "pointer")
"""What tells rows apart, in the order in which they are listed."""


class UsedPlace(StrEnum):
    """What of an operation was used."""

    call = ""
    """The operation itself."""
    request = "request"
    response = "response"
    query = "query"


class Used(Struct, frozen=True, kw_only=True):
    """How often a client called an operation, or used one field of it."""

    issuer: str
    """Empty where it was counted before issuers were."""
    client_id: str
    contract: str
    operation: str
    """The operationId; empty for a version that is served no more."""
    place: UsedPlace
    pointer: str
    """The field's, as the lifecycle writes it; empty for the call itself."""
    count: int
    first_seen: datetime
    last_seen: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return what a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        return cls(**values | {"place": UsedPlace(row.place)})


class Calling(Struct, frozen=True, kw_only=True):
    """Who calls a version."""

    clients: int
    """How many of them call still."""
    last_seen: datetime | None


NOBODY: Final = Calling(clients=0, last_seen=None)


def call_key(client: Client, operation: str) -> Key:
    """Return what a client's calls of an operation are counted under, by its name `<contract>:<operationId>`."""
    return field_key(client, operation, UsedPlace.call, "")


def field_key(client: Client, operation: str, place: UsedPlace, pointer: str) -> Key:
    """Return what a client's use of a field is counted under."""
    contract, _, operation_id = operation.partition(":")
    return *client, contract, operation_id, place.value, pointer


async def listing(store: Store, *, contracts: Sequence[str]) -> list[Used]:
    """Return all that was used of the contracts, by client and operation, the fields behind their call."""
    asked = select(ALL).where(ALL.c.contract.in_(contracts)).order_by(*(ALL.c[name] for name in KEY))
    async with store.begin() as connection:
        return [Used.of(row) for row in await connection.execute(asked)]


async def calling(store: Store, *, contracts: Sequence[str], since: datetime) -> dict[str, Calling]:
    """Return who calls each of the contracts that anybody ever called: in number those who have called since then."""
    new, old = tb_client_usage.c, tb_usage.c
    counted_since = select(new.client_id).where(new.contract == old.contract, new.client_id == old.client_id)
    clients = union_all(
        select(new.contract, new.issuer, new.client_id).where(new.last_seen >= since).distinct(),
        select(old.contract, literal(UNKNOWN_ISSUER), old.client_id)
        .where(old.last_seen >= since, ~counted_since.exists())
        .distinct(),
    ).subquery("clients")
    numbers = select(clients.c.contract, func.count()).where(clients.c.contract.in_(contracts))
    last = select(ALL.c.contract, func.max(ALL.c.last_seen)).where(ALL.c.contract.in_(contracts))
    async with store.begin() as connection:
        there = {row[0]: row[1] for row in await connection.execute(numbers.group_by(clients.c.contract))}
        seen = (await connection.execute(last.group_by(ALL.c.contract))).all()
    return {contract: Calling(clients=there.get(contract, 0), last_seen=moment) for contract, moment in seen}


async def first_call(store: Store, client: Client, contract: str) -> datetime | None:
    """Return when the client called the contract first; None where it never did."""
    used = ALL.c
    whose = used.client_id == client.client_id, used.issuer.in_([client.issuer, UNKNOWN_ISSUER])
    asked = select(func.min(used.first_seen)).where(*whose, used.contract == contract)
    async with store.begin() as connection:
        found: datetime | None = await connection.scalar(asked)
        return found


async def prune(store: Store, keep_s: float) -> None:
    """Forget what nobody has used for so long."""
    before = store.now() - timedelta(seconds=keep_s)
    async with store.begin() as connection:
        for table in (tb_client_usage, tb_usage):
            await connection.execute(delete(table).where(table.c.last_seen < before))
        await forget_marks(connection, store.now())
