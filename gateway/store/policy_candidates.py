"""The set of policy files that is tried beside the live one before it is put in force; there is one at a time.

It stands in a table of its own: nothing of it was ever in force, so that neither a start nor a rollback may take it for
a set that was. It is tried beside the set that was live when it came; once another one is, what was counted says
nothing of the step that a promotion would be, and that is refused.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from msgspec import Struct, json
from sqlalchemy import Column, Index, Row, String, Table, Text, delete, insert, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store.alone import alone
from gateway.store.database import Store, metadata
from gateway.store.ids import new_id
from gateway.store.instant import Instant
from gateway.store.pages import Listed, Window, page
from gateway.store.policy_sets import (
    Check,
    LoadedSet,
    SetState,
    digest_of,
    found_in,
    put_in_force,
    tb_policy_set,
    written,
)
from gateway.store.shadow_differences import tb_shadow_call, tb_shadow_difference
from openapi.common.types import Code

KEPT: Final = timedelta(days=365)
"""So long after its end a candidate can still be looked up, with what was counted of it."""
_ONCE: Final = text("state = 'open'")
tb_policy_candidate = Table(
    "tb_policy_candidate",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("files", Text, nullable=False),
    Column("beside", String(40), nullable=False),
    Column("proposed_at", Instant(), nullable=False),
    Column("proposed_by", String(200), nullable=False),
    Column("state", String(10), nullable=False),
    Column("ended_at", Instant()),
    Column("ended_by", String(200)),
    Column("policy_set", String(40)),
    Index("uq_tb_policy_candidate_state", "state", unique=True, sqlite_where=_ONCE, postgresql_where=_ONCE),
)
_COLUMNS: Final = tb_policy_candidate.c


class CandidateState(StrEnum):
    """What became of a candidate."""

    open = "open"
    promoted = "promoted"
    replaced = "replaced"
    """Another candidate came."""
    dropped = "dropped"


class Candidate(Struct, frozen=True, kw_only=True):
    """Policy files that are tried, as they were when they were proposed."""

    id: str
    digest: str
    files: dict[str, str]
    """Each file's text, by its name."""
    beside: str
    """The set that was live then, by its id."""
    proposed_at: datetime
    proposed_by: str
    state: CandidateState
    ended_at: datetime | None
    ended_by: str | None
    policy_set: str | None
    """The set that it became."""

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Return the candidate that a row holds."""
        values = {name: getattr(row, name) for name in cls.__struct_fields__}
        read = {"files": json.decode(row.files, type=dict[str, str]), "state": CandidateState(row.state)}
        return cls(**values | read)


async def candidate(store: Store) -> Candidate | None:
    """Return the one that is tried now, or None."""
    async with store.begin() as connection:
        return await _open(connection)


async def get(store: Store, candidate_id: str) -> Candidate:
    """Return the candidate; one that is not there is Refused(resource_not_found)."""
    async with store.begin() as connection:
        return await _named(connection, candidate_id)


async def listing(store: Store, window: Window) -> Listed[Candidate]:
    """Return the candidates, the newest first; those that ended too."""
    async with store.begin() as connection:
        return await page(connection, tb_policy_candidate, INSTALLATION, true(), window, Candidate.of)


async def propose(store: Store, files: Mapping[str, str], by: str) -> Candidate:
    """Return the candidate of these files, which the caller has compiled; one that was tried until now is replaced.

    Refused(policy_candidate_outdated) where nothing is in force yet beside which it could be tried.
    """
    now = store.now()
    async with alone(store, tb_policy_set) as connection:
        await _forget(connection, now - KEPT)
        in_force = await found_in(connection, SetState.live)
        if in_force is None:
            raise Refused(Code.policy_candidate_outdated, "Nothing is in force yet; start the gateway first.")
        if before := await _open(connection):
            await _end(connection, store, before, CandidateState.replaced, by)
        adding = insert(tb_policy_candidate).values(
            id=new_id("pcd", now),
            digest=digest_of(files),
            files=written(files),
            beside=in_force.id,
            proposed_at=now,
            proposed_by=by,
            state=CandidateState.open.value,
        )
        return Candidate.of((await connection.execute(adding.returning(tb_policy_candidate))).one())


async def promote(store: Store, candidate_id: str, by: str, check: Check | None = None) -> LoadedSet:
    """Return the candidate's set, now live; the one that was live is what a rollback goes to.

    Refused where it is not tried any more, where another set is live than the one that it was tried beside, and where
    its files were rolled back from. Where `check` raises for its files, nothing has changed.
    """
    async with alone(store, tb_policy_set) as connection:
        found = await _still_open(connection, candidate_id)
        in_force = await found_in(connection, SetState.live)
        if in_force is None or in_force.id != found.beside:
            raise Refused(Code.policy_candidate_outdated, "Propose its files again, with what has changed meanwhile.")
        if check:
            await check(found.files)
        note = f"Tried as {found.id} since {found.proposed_at:%Y-%m-%dT%H:%M:%SZ}."
        loaded = await put_in_force(connection, store, found.files, by, note)
        if loaded.digest != found.digest:
            raise Refused(Code.policy_set_withdrawn, "Propose other files; these were rolled back from.")
        await _end(connection, store, found, CandidateState.promoted, by, policy_set=loaded.id)
        return loaded


async def drop(store: Store, candidate_id: str, by: str) -> Candidate:
    """Return the candidate, which is no longer tried; what was counted stays. Refused where it was not any more."""
    async with alone(store, tb_policy_set) as connection:
        found = await _still_open(connection, candidate_id)
        return await _end(connection, store, found, CandidateState.dropped, by)


async def _forget(connection: AsyncConnection, before: datetime) -> None:
    """Let go of candidates that ended before, with what was counted of them."""
    old = select(_COLUMNS.id).where(_COLUMNS.ended_at < before)
    for counted in (tb_shadow_call, tb_shadow_difference):
        await connection.execute(delete(counted).where(counted.c.candidate_id.in_(old)))
    await connection.execute(delete(tb_policy_candidate).where(_COLUMNS.ended_at < before))


async def _open(connection: AsyncConnection) -> Candidate | None:
    asked = select(tb_policy_candidate).where(_COLUMNS.state == CandidateState.open.value)
    row = (await connection.execute(asked)).one_or_none()
    return Candidate.of(row) if row else None


async def _named(connection: AsyncConnection, candidate_id: str) -> Candidate:
    row = (await connection.execute(select(tb_policy_candidate).where(_COLUMNS.id == candidate_id))).one_or_none()
    if row is None:
        raise Refused(Code.resource_not_found, "There is no such candidate; look it up in the list.")
    return Candidate.of(row)


async def _still_open(connection: AsyncConnection, candidate_id: str) -> Candidate:
    found = await _named(connection, candidate_id)
    if found.state is not CandidateState.open:
        raise Refused(
            Code.policy_candidate_ended, f"It was {found.state} by {found.ended_by}; propose its files again."
        )
    return found


async def _end(
    connection: AsyncConnection, store: Store, found: Candidate, state: CandidateState, by: str, **values: str
) -> Candidate:
    ending = update(tb_policy_candidate).where(_COLUMNS.id == found.id)
    ended = ending.values(state=state.value, ended_at=store.now(), ended_by=by, **values)
    return Candidate.of((await connection.execute(ended.returning(tb_policy_candidate))).one())
