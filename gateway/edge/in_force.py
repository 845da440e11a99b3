"""Which set of policies is in force: the database says it for all processes, and each puts it to work by itself."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct, structs
from sqlalchemy.exc import SQLAlchemyError

from gateway.edge.application import Edge
from gateway.edge.news import News
from gateway.edge.standing import POLICIES
from gateway.edge.trying import Trying
from gateway.errors import Refused
from gateway.json_pointer import escaped
from gateway.policy.compiling import Compiled, Compiler
from gateway.policy.document import Mistake, PolicyError, texts_of
from gateway.policy.kinds.upstream import Upstream
from gateway.store import policy_candidates, policy_sets
from gateway.store.database import Store
from gateway.store.policy_candidates import Candidate
from gateway.store.policy_sets import LoadedSet, digest_of
from gateway.store.shadow_differences import ShadowCounts
from openapi.common.types import Code, Violation

log = logging.getLogger(__name__)

START: Final = "start"
"""Who loaded a set that came with a start."""
NOT_TAKEN: Final = (
    "The policy files of this machine were in force before, and are not taken: %s stays, loaded at %s by %s. "
    "`tiebeam policies reload` puts these files in force; where they were rolled back from, change them first."
)
START_WITHIN_S: Final = 10.0
"""A process serves under its files where the database does not say in time what is in force."""


class Files(Struct, frozen=True, kw_only=True):
    """Where policies are written, and what stood there when this process started."""

    folder: Path
    texts: Mapping[str, str]
    upstreams: Mapping[str, Upstream]
    """By connection: what this process was built with."""


class Change(Struct, frozen=True, kw_only=True):
    """What is in force now."""

    loaded: LoadedSet
    changed: bool
    """Whether another set was in force before."""
    restart_needed: tuple[str, ...]
    """Connections whose row is another one than the one at work."""
    told: bool
    """Whether every process knows with its next request; otherwise they are still told."""


class InForce:
    """Follows the set that is live, and changes it; so for the candidate. Before anything else, `attach` it."""

    def __init__(self, files: Files, store: Store, news: News) -> None:
        self._files, self._store, self._news = files, store, news
        self.trying = Trying(store, ShadowCounts(store))
        self._compiler: Compiler | None = None
        self._edge: Edge | None = None
        self._turn = asyncio.Lock()
        self._untold: tuple[str, str] | None = None
        """What was asked for last, where nobody could be told of it, and the set that came of it."""
        self._closed = False

    def attach(self, compiler: Compiler, edge: Edge | None = None) -> None:
        """Take what compiles sets, and where they are put to work; a command has no such place."""
        self._compiler, self._edge = compiler, edge

    @property
    def edge(self) -> Edge:
        """Return where the set is at work."""
        if self._edge is None:
            raise RuntimeError("Nothing was attached: attach the edge before it is asked.")
        return self._edge

    async def follow(self) -> None:
        """Return when this process works under the live set, or keeps its own, as the log says."""
        async with self._turn:
            if self._closed:
                return
            live = await policy_sets.live(self._store)
            if live is None:
                await self._begin()
            elif live.id != self.edge.policies.id:  # Also where the start failed: who comes late follows.
                await self._try(live)
            await self.trying.follow(self.edge, self._compile)

    async def start(self) -> None:
        """Return when the files that this process started with are in force, unless they were known before."""
        async with self._turn:
            await self._begin()

    async def close(self) -> None:
        """Return when nothing is under way, and let nothing begin: the database is about to be closed."""
        async with self._turn:
            self._closed = True
            await self.trying.close()

    async def reload(self, by: str) -> Change:
        """Return what is in force after the files were read anew; raises Refused, and then nothing has changed."""
        texts = await asyncio.to_thread(self._read)
        compiled = await self._compiled(texts)
        async with self._turn:
            before = await policy_sets.live(self._store)
            loaded = await policy_sets.record(self._store, texts, by)
            if loaded.digest != digest_of(texts):
                raise Refused(Code.policy_set_withdrawn, "Change the files first; these were rolled back from.")
            return await self._put(loaded, compiled, before, "reload")

    async def roll_back(self, by: str) -> Change:
        """Return what is in force after one step back; raises Refused, and then nothing has changed.

        Asked again since others could not be told of it, it takes no other step.
        """
        async with self._turn:
            before = await policy_sets.live(self._store)
            try:
                loaded = await policy_sets.roll_back(self._store, by, self._compiled)
            except Refused as refused:
                loaded = self._repeated(refused, Code.policy_set_no_previous, before, "rollback")
            return await self._put(loaded, await self._compiled(loaded.files), before, "rollback")

    async def propose(self, files: Mapping[str, str], by: str) -> Candidate:
        """Return the candidate of the files, tried in each process from its next request on; raises Refused."""
        await self._compiled(files)
        async with self._turn:
            found = await policy_candidates.propose(self._store, files, by)
            await self._candidate_moved()
            return found

    async def promote(self, candidate_id: str, by: str) -> Change:
        """Return what is in force after the candidate was put there; raises Refused, and then nothing has changed.

        Asked again since others could not be told of it, it is there already.
        """
        async with self._turn:
            before = await policy_sets.live(self._store)
            try:
                loaded = await policy_candidates.promote(self._store, candidate_id, by, self._compiled)
            except Refused as refused:
                loaded = self._repeated(refused, Code.policy_candidate_ended, before, candidate_id)
            return await self._put(loaded, await self._compiled(loaded.files), before, candidate_id)

    async def drop(self, candidate_id: str, by: str) -> Candidate:
        """Return the candidate, which is tried nowhere from each process's next request on; raises Refused."""
        async with self._turn:
            found = await policy_candidates.drop(self._store, candidate_id, by)
            await self._candidate_moved()
            return found

    async def _candidate_moved(self) -> None:
        if self._edge:
            await self.trying.follow(self._edge, self._compile)
        await self._news.tell(POLICIES)

    async def _begin(self) -> None:
        try:
            async with asyncio.timeout(START_WITHIN_S):
                before = await policy_sets.live(self._store)
                loaded = await policy_sets.start_with(self._store, self._files.texts, START)
        except (SQLAlchemyError, TimeoutError):
            log.exception("Which policies are in force cannot be looked up: those of the files are, for now.")
            return
        if loaded.digest == digest_of(self._files.texts):
            self.edge.use(structs.replace(self.edge.policies, id=loaded.id))
            if before and before.id != loaded.id:
                await self._news.tell(POLICIES)
            return
        log.warning(NOT_TAKEN, loaded.id, loaded.loaded_at, loaded.loaded_by)
        await self._try(loaded)

    async def _try(self, live: LoadedSet) -> None:
        """Put the set to work; one that this release cannot use is logged, and the one at work stays."""
        try:
            self._use(live, await asyncio.to_thread(self._compile, live.files))
        except PolicyError as error:
            log.error("The live set %s does not fit this release, and is not used here:\n%s", live.id, error)  # noqa: TRY400 — the lines say it all.

    def _repeated(self, refused: Refused, code: Code, live: LoadedSet | None, asked: str) -> LoadedSet:
        """Return the live set where it came of the same being asked and others are not told; else raise the refusal."""
        if refused.code is not code or live is None or self._untold != (asked, live.id):
            raise refused
        return live

    async def _put(self, loaded: LoadedSet, compiled: Compiled, before: LoadedSet | None, asked: str) -> Change:
        self._use(loaded, compiled)
        changed = before is None or before.id != loaded.id
        if changed and self._edge:  # A command says it itself.
            log.warning("%s is in force, loaded by %s.", loaded.id, loaded.loaded_by)
        told = await self._news.tell(POLICIES)  # In any case: who asks again may do so since nobody heard of it before.
        self._untold = None if told else (asked, loaded.id)
        running = self._files.upstreams if self._edge else await self._upstreams_of(before)
        others = tuple(name for name, row in compiled.upstreams.items() if row != running.get(name))
        return Change(loaded=loaded, changed=changed, restart_needed=others, told=told)

    async def _upstreams_of(self, before: LoadedSet | None) -> Mapping[str, Upstream]:
        """Return what others probably run with, for a command, which runs with nothing."""
        if before is None:
            return self._files.upstreams
        try:
            return (await asyncio.to_thread(self._compile, before.files)).upstreams
        except PolicyError:
            return {}

    def _use(self, loaded: LoadedSet, compiled: Compiled) -> None:
        if self._edge:
            self._edge.use(structs.replace(compiled.policies, id=loaded.id))

    async def _compiled(self, texts: Mapping[str, str]) -> Compiled:
        try:
            return await asyncio.to_thread(self._compile, texts)
        except PolicyError as error:
            raise refusal_of(error) from error

    def _compile(self, texts: Mapping[str, str]) -> Compiled:
        if self._compiler is None:
            raise RuntimeError("Nothing was attached: attach what compiles policies before it is asked.")
        return self._compiler(texts)

    def _read(self) -> dict[str, str]:
        try:
            return texts_of(self._files.folder)
        except PolicyError as error:
            raise refusal_of(error) from error


def refusal_of(error: PolicyError) -> Refused:
    """Return the refusal of a set that does not hold, with every mistake and its place."""
    return Refused(
        Code.policy_set_invalid,
        "Nothing was changed; mend the rows, then load them again.",
        *(
            Violation(code=Code.policy_set_invalid, pointer="".join(_pointer(mistake)), detail=str(mistake))
            for mistake in error.mistakes
        ),
    )


def _pointer(mistake: Mistake) -> Iterator[str]:
    """Yield the parts of a JSON Pointer into the file, which stands first in it."""
    yield "#"
    if mistake.file:
        yield "/" + escaped(mistake.file)
    if mistake.contract:
        yield "/" + escaped(mistake.contract)
    if mistake.row:
        yield f"/policies/{mistake.row - 1}"
    if mistake.field and mistake.field != "—":
        yield "/" + escaped(mistake.field).replace(".", "/")
