"""Which set of policy files is in force: one is live, the one before is kept, and what was rolled back from stays so.

Each change is one transaction that has the table to itself, so that callers who race come one after the other.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal, Self

from msgspec import Struct, json
from sqlalchemy import Column, Index, Row, String, Table, Text, insert, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store.alone import alone
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from openapi.common.types import Code

_ONCE: Final = text("state IN ('live', 'previous')")
tb_policy_set = Table(
    "tb_policy_set",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("files", Text, nullable=False),
    Column("loaded_at", Instant(), nullable=False),
    Column("loaded_by", String(200), nullable=False),
    Column("state", String(10), nullable=False),
    Column("note", Text),
    Index("uq_tb_policy_set_state", "state", unique=True, sqlite_where=_ONCE, postgresql_where=_ONCE),
)
_COLUMNS: Final = tb_policy_set.c


class SetState(StrEnum):
    """What became of a set."""

    live = "live"
    previous = "previous"
    former = "former"
    withdrawn = "withdrawn"
    """It was rolled back from: the same files do not bring it back."""


class LoadedSet(Struct, frozen=True, kw_only=True):
    """The policy files as they were when they went live."""

    id: str
    digest: str
    files: dict[str, str]
    """Each file's text, by its name."""
    loaded_at: datetime
    loaded_by: str
    state: SetState
    note: str | None
    """Who rolled back from it or to it last, and why."""

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the set that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        read = {"files": json.decode(row.files, type=dict[str, str]), "state": SetState(row.state)}
        return cls(**values | read)


def digest_of(files: Mapping[str, str]) -> str:
    """Return what names the set: SHA-256 over names and texts, in whatever order they come."""
    return hashlib.sha256(json.encode(sorted(files.items()))).hexdigest()


def choose(files_digest: str, sets: Iterable[LoadedSet]) -> Literal["files", "live"]:
    """Return what to start with: the files, or the live set where it is the files' set that was rolled back from."""
    withdrawn = {one.digest for one in sets if one.state is SetState.withdrawn}
    return "live" if files_digest in withdrawn else "files"


async def live(store: Store) -> LoadedSet | None:
    """Return the set that is in force, or None before the first start."""
    return await _in_state(store, SetState.live)


async def previous(store: Store) -> LoadedSet | None:
    """Return the set to which `roll_back` would go, or None."""
    return await _in_state(store, SetState.previous)


async def standing(store: Store) -> list[LoadedSet]:
    """Return the sets that decide what is in force next, for `choose`: all but the former ones."""
    async with store.begin() as connection:
        return await _standing(connection)


async def record(store: Store, files: Mapping[str, str], by: str) -> LoadedSet:
    """Return the set that is in force from now on: the one of these files, which the caller has compiled.

    It is the one that was live before where these are its files, and where these files were rolled back from: compare
    the digests. Any other files let what was withdrawn be loaded again.
    """
    digest = digest_of(files)
    async with alone(store, tb_policy_set) as connection:
        sets = await _standing(connection)
        in_force = next((one for one in sets if one.state is SetState.live), None)
        if in_force and choose(digest, sets) == "live":
            return in_force
        await _move(connection, SetState.withdrawn, SetState.former)
        if in_force and in_force.digest == digest:
            return in_force
        await _move(connection, SetState.previous, SetState.former)
        await _move(connection, SetState.live, SetState.previous)
        return await _add(connection, store, files, by)


async def roll_back(store: Store, by: str) -> LoadedSet:
    """Return the previous set, now live again; Refused(policy_set_no_previous) where there is none.

    The set that was live is withdrawn: a start with its files does not bring it back.
    """
    said = f"{by}, {store.now():%Y-%m-%dT%H:%M:%SZ}"
    async with alone(store, tb_policy_set) as connection:
        if not any(one.state is SetState.previous for one in await _standing(connection)):
            raise Refused(Code.policy_set_no_previous, "No set was in force before this one; change the files instead.")
        await _move(connection, SetState.live, SetState.withdrawn, note=f"Rolled back from by {said}.")
        await _move(connection, SetState.previous, SetState.live, note=f"Rolled back to by {said}.")
        return next(one for one in await _standing(connection) if one.state is SetState.live)


async def listing(store: Store, window: Window) -> Listed[LoadedSet]:
    """Return the sets, the newest first."""
    async with store.begin() as connection:
        return await page(connection, tb_policy_set, INSTALLATION, true(), window, LoadedSet.of)


async def _in_state(store: Store, state: SetState) -> LoadedSet | None:
    async with store.begin() as connection:
        row = (await connection.execute(select(tb_policy_set).where(_COLUMNS.state == state.value))).one_or_none()
    return LoadedSet.of(row) if row else None


async def _standing(connection: AsyncConnection) -> list[LoadedSet]:
    asked = select(tb_policy_set).where(_COLUMNS.state != SetState.former.value).order_by(_COLUMNS.id)
    return [LoadedSet.of(row) for row in await connection.execute(asked)]


async def _move(connection: AsyncConnection, state: SetState, to: SetState, **values: str) -> None:
    moving = update(tb_policy_set).where(_COLUMNS.state == state.value)
    await connection.execute(moving.values(state=to.value, **values))


async def _add(connection: AsyncConnection, store: Store, files: Mapping[str, str], by: str) -> LoadedSet:
    now = store.now()
    adding = insert(tb_policy_set).values(
        id=new_id("pst", now),
        digest=digest_of(files),
        files=json.encode(dict(sorted(files.items()))).decode(),
        loaded_at=now,
        loaded_by=by,
        state=SetState.live.value,
    )
    return LoadedSet.of((await connection.execute(adding.returning(tb_policy_set))).one())
