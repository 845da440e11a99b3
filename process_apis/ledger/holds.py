"""Billing holds and their race with invoices: a hold is stored under its scope's lock, and so is `submitted`.

Whoever comes first wins, and both know who did. A hold that is in force stops what was not submitted before it.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct
from sqlalchemy import Column, Integer, String, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import metadata
from process_apis.ledger.facts import Fact

tb_hold_scope = Table(
    "tb_hold_scope",
    metadata,
    Column("type", String(20), primary_key=True),
    Column("id", String(60), primary_key=True),
    Column("seq", Integer, nullable=False),
)
"""One row for each scope that was ever locked: the lock itself, and how many holds were placed or lifted there."""


class ScopeType(StrEnum):
    """What can be held, the widest first: locks are taken in this order."""

    customer = "customer"
    contract = "contract"
    contract_line = "contract_line"
    project = "project"
    milestone = "milestone"
    fact = "fact"


ORDER: Final = tuple(ScopeType)


class Scope(Struct, frozen=True, kw_only=True, order=True):
    """One thing that can be held. A line's id is `<contract>-<line>`, a milestone's `<contract>-<line>-<place>`."""

    type: ScopeType
    id: str


class Hold(Struct, frozen=True, kw_only=True):
    """A hold that is in force, as far as releases are concerned."""

    id: str
    business_key: str
    scope: Scope
    reason: str
    note: str | None
    placed_by: str
    placed_in: str


def scopes_of(facts: Sequence[Fact]) -> list[Scope]:
    """Return every scope that one of the facts lies in, in the order in which locks are taken."""
    raise NotImplementedError


async def lock_scopes(connection: AsyncConnection, scopes: Collection[Scope]) -> Mapping[Scope, int]:
    """Return the hold sequence of each scope, all locked until the caller's transaction ends."""
    raise NotImplementedError


async def holds_in_force(connection: AsyncConnection, scopes: Collection[Scope]) -> list[Hold]:
    """Return the holds on billing that are in force on any of the scopes, the oldest first."""
    raise NotImplementedError
