"""Who calls what, since when and how often: a row for each client and operation, and for each field that is to go.

Every web process counts in its memory and adds to the rows every few seconds. A client is its issuer's: two issuers'
clients of one name are two.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Index, Row, String, Table, delete, func, select

from gateway.caller import Client
from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from gateway.store.tallies import Key, forget_marks

tb_usage = Table(
    "tb_usage",
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
    Index("ix_tb_usage_contract_client_id", "contract", "client_id"),
)
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
    used = tb_usage.c
    asked = select(tb_usage).where(used.contract.in_(contracts)).order_by(*(used[name] for name in KEY))
    async with store.begin() as connection:
        return [Used.of(row) for row in await connection.execute(asked)]


async def calling(store: Store, *, contracts: Sequence[str], since: datetime) -> dict[str, Calling]:
    """Return who calls each of the contracts that anybody ever called: in number those who have called since then."""
    used = tb_usage.c
    last = func.max(used.last_seen).label("last_seen")
    by_client = (
        select(used.contract, last)
        .where(used.contract.in_(contracts))
        .group_by(used.contract, used.issuer, used.client_id)
        .subquery("clients")
    )
    clients = by_client.c
    still = func.count().filter(clients.last_seen >= since)
    asked = select(clients.contract, still, func.max(clients.last_seen)).group_by(clients.contract)
    async with store.begin() as connection:
        found = (await connection.execute(asked)).all()
    return {contract: Calling(clients=count, last_seen=moment) for contract, count, moment in found}


async def first_call(store: Store, client: Client, contract: str) -> datetime | None:
    """Return when the client called the contract first; None where it never did."""
    used = tb_usage.c
    asked = select(func.min(used.first_seen)).where(
        used.issuer == client.issuer, used.client_id == client.client_id, used.contract == contract
    )
    async with store.begin() as connection:
        found: datetime | None = await connection.scalar(asked)
        return found


async def prune(store: Store, keep_s: float) -> None:
    """Forget what nobody has used for so long."""
    before = store.now() - timedelta(seconds=keep_s)
    async with store.begin() as connection:
        await connection.execute(delete(tb_usage).where(tb_usage.c.last_seen < before))
        await forget_marks(connection, store.now())
