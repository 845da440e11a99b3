"""Who calls what, since when and how often: a row for each client and operation, and for each field that is to go.

Every web process counts in its memory and adds to the rows every few seconds.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Row, String, Table, func, select

from gateway.store.database import Store, metadata
from gateway.store.instant import Instant
from gateway.store.tallies import Key
from gateway.store.visible import matching

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
_COLUMNS: Final = tb_usage.c


class UsedPlace(StrEnum):
    """What of an operation was used."""

    call = ""
    """The operation itself."""
    request = "request"
    response = "response"
    query = "query"


class Used(Struct, frozen=True, kw_only=True):
    """How often a client called an operation, or used one field of it."""

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


def call_key(client_id: str, operation: str) -> Key:
    """Return what a client's calls of an operation are counted under, by its name `<contract>:<operationId>`."""
    contract, _, operation_id = operation.partition(":")
    return client_id, contract, operation_id, UsedPlace.call.value, ""


def field_key(client_id: str, operation: str, place: UsedPlace, pointer: str) -> Key:
    """Return what a client's use of a field is counted under."""
    contract, _, operation_id = operation.partition(":")
    return client_id, contract, operation_id, place.value, pointer


async def listing(store: Store, *, contracts: Sequence[str], client_id: str | None = None) -> list[Used]:
    """Return what was used of the contracts, by client and operation, the fields behind their call."""
    wanted = matching(tb_usage, contract=list(contracts), client_id=client_id)
    asked = select(tb_usage).where(wanted).order_by(*tb_usage.primary_key.columns)
    async with store.begin() as connection:
        return [Used.of(row) for row in await connection.execute(asked)]


async def first_call(store: Store, client_id: str, contract: str) -> datetime | None:
    """Return when the client called the contract first; None where it never did."""
    asked = select(func.min(_COLUMNS.first_seen)).where(_COLUMNS.client_id == client_id, _COLUMNS.contract == contract)
    async with store.begin() as connection:
        found: datetime | None = await connection.scalar(asked)
        return found
