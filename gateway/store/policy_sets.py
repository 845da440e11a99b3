"""Which set of policy files is in force: one is live, the one before is kept, and what was rolled back from stays so.

A start brings only files in force that nobody loaded before; whatever was in force once comes back by a reload alone.
Each change is one transaction that has the table to itself, so that callers who race come one after the other.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct, json
from sqlalchemy import (
    Column,
    ColumnElement,
    Index,
    Row,
    Select,
    String,
    Table,
    Text,
    exists,
    insert,
    select,
    text,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store.alone import alone
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from openapi.common.types import Code

Check = Callable[[Mapping[str, str]], Awaitable[object]]
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
    """It was rolled back from: the same files do not bring it back, not by a reload either."""


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


def written(files: Mapping[str, str]) -> str:
    """Return the files as one text, the same in whatever order they come."""
    return json.encode(dict(sorted(files.items()))).decode()


async def live(store: Store) -> LoadedSet | None:
    """Return the set that is in force, or None before the first start."""
    async with store.begin() as connection:
        return await found_in(connection, SetState.live)


async def start_with(store: Store, files: Mapping[str, str], by: str) -> LoadedSet:
    """Return the set that is in force after a start with these files, which the caller has compiled.

    It is theirs where nobody has loaded them before. Otherwise they are those of a machine that came late, or were
    rolled back from, and the live set stays: compare the digests.
    """
    digest = digest_of(files)
    async with alone(store, tb_policy_set) as connection:
        in_force = await found_in(connection, SetState.live)
        if in_force and in_force.digest != digest and await _is_any(connection, _COLUMNS.digest == digest):
            return in_force
        return await put_in_force(connection, store, files, by)


async def record(store: Store, files: Mapping[str, str], by: str) -> LoadedSet:
    """Return the set that is in force from now on: the one of these files, which the caller has compiled.

    It is the one that was live before where these are its files, and where these files were rolled back from: compare
    the digests. Any other files let what was withdrawn be loaded again.
    """
    async with alone(store, tb_policy_set) as connection:
        return await put_in_force(connection, store, files, by)


async def roll_back(store: Store, by: str, check: Check | None = None) -> LoadedSet:
    """Return the previous set, now live again; Refused(policy_set_no_previous) where there is none.

    The set that was live is withdrawn: a start with its files does not bring it back. Where `check` raises for the
    files of the other, nothing has changed; meanwhile nobody puts another set in its place.
    """
    said = f"{by}, {store.now():%Y-%m-%dT%H:%M:%SZ}"
    async with alone(store, tb_policy_set) as connection:
        previous = await found_in(connection, SetState.previous)
        if previous is None:
            raise Refused(Code.policy_set_no_previous, "No set was in force before this one; change the files instead.")
        if check:
            await check(previous.files)
        await _move(connection, SetState.live, SetState.withdrawn, note=f"Rolled back from by {said}.")
        await _move(connection, SetState.previous, SetState.live, note=f"Rolled back to by {said}.")
        return LoadedSet.of((await connection.execute(_in_state(SetState.live))).one())


async def listing(store: Store, window: Window) -> Listed[LoadedSet]:
    """Return the sets, the newest first."""
    async with store.begin() as connection:
        return await page(connection, tb_policy_set, INSTALLATION, true(), window, LoadedSet.of)


async def put_in_force(
    connection: AsyncConnection, store: Store, files: Mapping[str, str], by: str, note: str | None = None
) -> LoadedSet:
    """Return the set that is in force from now on, as `record` does, in a transaction that has the table to itself."""
    digest = digest_of(files)
    in_force = await found_in(connection, SetState.live)
    withdrawn = (_COLUMNS.digest == digest, _COLUMNS.state == SetState.withdrawn.value)
    if in_force and await _is_any(connection, *withdrawn):
        return in_force
    await _move(connection, SetState.withdrawn, SetState.former)
    if in_force and in_force.digest == digest:
        return in_force
    await _move(connection, SetState.previous, SetState.former)
    await _move(connection, SetState.live, SetState.previous)
    return await _add(connection, store, files, by, note)


def _in_state(state: SetState) -> Select[Any]:
    return select(tb_policy_set).where(_COLUMNS.state == state.value)


async def found_in(connection: AsyncConnection, state: SetState) -> LoadedSet | None:
    """Return the one set in the state, of which there are not several, or None."""
    row = (await connection.execute(_in_state(state))).one_or_none()
    return LoadedSet.of(row) if row else None


async def _is_any(connection: AsyncConnection, *which: ColumnElement[bool]) -> bool:
    return bool(await connection.scalar(select(exists().where(*which))))


async def _move(connection: AsyncConnection, state: SetState, to: SetState, **values: str) -> None:
    moving = update(tb_policy_set).where(_COLUMNS.state == state.value)
    await connection.execute(moving.values(state=to.value, **values))


async def _add(
    connection: AsyncConnection, store: Store, files: Mapping[str, str], by: str, note: str | None
) -> LoadedSet:
    now = store.now()
    adding = insert(tb_policy_set).values(
        id=new_id("pst", now),
        digest=digest_of(files),
        files=written(files),
        loaded_at=now,
        loaded_by=by,
        state=SetState.live.value,
        note=note,
    )
    return LoadedSet.of((await connection.execute(adding.returning(tb_policy_set))).one())
