"""Another set of policies under load: it is there as a whole or not at all, in every process, and the way back too."""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml

from gateway.counters import Counters, CountersAway
from gateway.counters.local import LocalCounters
from gateway.counters.valkey import ValkeyCounters
from gateway.edge import Edge, kit_of
from gateway.edge.in_force import Change, Files, InForce
from gateway.edge.news import News
from gateway.errors import Refused
from gateway.policy.compiling import Compiler
from gateway.store import policy_sets
from gateway.store.database import Store, create_engine, metadata
from gateway.store.policy_candidates import tb_policy_candidate
from gateway.store.policy_sets import tb_policy_set
from gateway.store.shadow_differences import tb_shadow_call, tb_shadow_difference
from openapi.common.types import Code
from tests.edge_world import ISSUER, OPERATIONS, STATUS, World, open_edge_store
from tests.fakes.clock import Clock
from tests.servers_postgres import Postgres
from tests.servers_valkey import Valkey, valkey

FLIPS: Final = 200 if os.environ.get("TIEBEAM_CAMPAIGN") == "full" else 20
CALLERS: Final = 4
WITHIN_S: Final = 90.0
BASE: Final = """
policies:
- {kind: audit}
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: consumer, client_id: "*", owner: Tests}
"""
PAIR: Final = """
policies:
- {{kind: rate_limit, name: one, per: client, limit: {limit}, window_s: 1, when_unavailable: count_alone}}
- {{kind: concurrency, name: two, per: client, most: {limit}, when_unavailable: count_alone}}
"""
"""Two rows that every caller sees in one field, with one number."""


class Process:
    """A web process: its edge, its counters, and what it follows by."""

    def __init__(self, folder: Path, store: Store, counters: Counters) -> None:
        self.world = World(folder, store, Clock(), counters=counters)
        compiler = Compiler(operations=OPERATIONS, issuers=[ISSUER], connections=[])
        policies, self.news = folder / "policies", News(counters)
        texts = {path.name: path.read_text() for path in policies.iterdir()}
        self.in_force = InForce(Files(folder=policies, texts=texts, upstreams={}), store, self.news)
        kit = kit_of(verifier=self.world.verifier, counters=counters, store=store)
        compiled = compiler(texts).policies
        self.world.edge = Edge(self.world.framework, compiled, kit, reload=self.in_force.follow)
        self.in_force.attach(compiler, self.world.edge)
        self._token = self.world.token()

    async def seen(self) -> tuple[str, ...]:
        """Return the two numbers that a caller is told of the two rows."""
        reply = await self.world.send("GET", STATUS, token=self._token)
        assert reply.status in {200, 429}, reply.body
        return tuple(item.split(";q=")[1].split(";")[0] for item in reply.headers["ratelimit-policy"].split(", "))

    async def settled(self) -> str:
        """Return the set under which it works once it followed: it hears with a call, and follows meanwhile."""
        live = await policy_sets.live(self.world.store)
        assert live
        async with asyncio.timeout(WITHIN_S):
            while self.world.edge.policies.id != live.id:
                await self.seen()
                await asyncio.sleep(0.005)  # The database is asked in a thread.
        return live.id


def write(folder: Path, limit: int) -> None:
    """Write the pair with this number, whole."""
    part = folder / "policies" / "part"
    part.write_text(PAIR.format(limit=limit))
    part.replace(folder / "policies" / "50-pair.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Policies with the pair at 1000."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "00-base.yaml").write_text(BASE)
    write(tmp_path, 1_000)
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.fixture(params=["file", "valkey"])
async def processes(
    request: pytest.FixtureRequest, folder: Path, server: Valkey
) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes on one database, which share a file or a Valkey."""
    async with pair_of(folder, server if request.param == "valkey" else None) as both:
        yield both


async def create_tables(store: Store) -> None:
    """Create what stands in the database of sets and candidates."""
    tables = [tb_policy_set, tb_policy_candidate, tb_shadow_call, tb_shadow_difference]
    async with store.begin() as connection:
        await connection.run_sync(lambda sync: metadata.create_all(sync, tables))


@asynccontextmanager
async def pair_of(folder: Path, server: Valkey | None) -> AsyncIterator[tuple[Process, Process]]:
    """Open two processes."""
    opened = []
    for _ in range(2):
        store = await open_edge_store(f"sqlite:///{folder}/edge.sqlite", Clock())
        await create_tables(store)
        counters = ValkeyCounters(server.url) if server else LocalCounters(folder / "counters.sqlite")
        opened.append(Process(folder, store, counters))
    first, second = opened
    await first.in_force.start()
    try:
        yield first, second
    finally:
        await closed(opened)


async def closed(processes: list[Process]) -> None:
    """Return when all of them are closed, and what they had under way."""
    for process in processes:
        await process.in_force.close()
        await process.news.close()
        await process.world.kit.counters.close()
        await process.world.store.close()


async def test_no_call_sees_half_a_set_while_sets_change(processes: tuple[Process, Process], folder: Path) -> None:
    first, second = processes
    seen, over = Counter[tuple[str, ...]](), asyncio.Event()

    async def call(process: Process) -> None:
        while not over.is_set():
            seen[await process.seen()] += 1
            await asyncio.sleep(0)

    callers = [asyncio.create_task(call(process)) for process in processes for _ in range(CALLERS)]
    for flip in range(FLIPS):
        write(folder, 1_001 + flip % 2)
        changed = await (first, second)[flip % 2].in_force.reload("tests")
        assert changed.changed
    over.set()
    await asyncio.gather(*callers)

    assert {pair for pair in seen if pair[0] != pair[1]} == set(), seen
    assert {("1001", "1001"), ("1002", "1002")} <= seen.keys()
    assert await first.settled() == await second.settled()


async def test_set_that_is_loaded_in_one_process_holds_in_the_other(processes: tuple[Process, Process]) -> None:
    first, second = processes
    assert await second.settled() == await first.settled()

    write(first.world.folder, 7)
    await first.in_force.reload("ana")
    told = [await first.seen(), (await second.settled(), await second.seen())[1]]

    assert told == [("7", "7"), ("7", "7")]


async def test_rollback_stays_through_a_start_until_the_files_change(folder: Path, server: Valkey) -> None:
    async with pair_of(folder, server) as (first, second):
        write(folder, 7)
        loaded = await first.in_force.reload("ana")
        back = await second.in_force.roll_back("ben")
        assert await first.settled() == await second.settled() == back.loaded.id != loaded.loaded.id
    async with pair_of(folder, server) as (started, late):
        assert await started.seen() == ("1000", "1000")
        with pytest.raises(Refused) as refused:
            await started.in_force.reload("ana")
        assert refused.value.code is Code.policy_set_withdrawn
        write(folder, 8)
        await started.in_force.reload("ana")
        await late.settled()
        assert await late.seen() == ("8", "8")


@asynccontextmanager
async def machine(folder: Path, url: str, server: Valkey) -> AsyncIterator[Process]:
    """Open a process that was started with the files of its own disk, and is closed like one that is stopped."""
    store = await open_edge_store(url, Clock())
    await create_tables(store)
    process = Process(folder, store, ValkeyCounters(server.url))
    await process.in_force.start()
    try:
        yield process
    finally:
        await closed([process])


async def test_machine_with_older_files_that_starts_again_follows_the_others_and_says_what_to_do(
    folder: Path, tmp_path: Path, postgres_server: Postgres, server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    url, late = postgres_server.database(), tmp_path / "late"
    shutil.copytree(folder / "policies", late / "policies")
    async with machine(late, url, server) as old:
        assert await old.seen() == ("1000", "1000")
    write(folder, 7)
    async with machine(folder, url, server) as new:
        assert await new.seen() == ("7", "7")
        async with machine(late, url, server) as again:
            seen = [await again.seen(), (await new.settled(), await new.seen())[1]]
            warned = caplog.text
            await again.in_force.reload("ana")
            reloaded = [await again.seen(), (await new.settled(), await new.seen())[1]]

    assert seen == [("7", "7"), ("7", "7")]
    assert "were in force before, and are not taken" in warned
    assert "`tiebeam policies reload`" in warned
    assert reloaded == [("1000", "1000"), ("1000", "1000")]


async def test_bad_row_changes_nothing_and_all_of_them_are_named(processes: tuple[Process, Process]) -> None:
    first, _ = processes
    before = await first.settled()
    (first.world.folder / "policies" / "50-pair.yaml").write_text(
        yaml.safe_dump({"policies": [{"kind": "audit", "extra": 1}, {"kind": "cache", "fresh_s": 0}]})
    )
    (first.world.folder / "policies" / "60-more.yaml").write_text("policies: [{kind: tea}]")

    with pytest.raises(Refused) as refused:
        await first.in_force.reload("ana")

    assert refused.value.code is Code.policy_set_invalid
    pointers = {violation.pointer for violation in refused.value.violations}
    assert pointers >= {
        "#/50-pair.yaml/policies/0",
        "#/50-pair.yaml/policies/1/fresh_s",
        "#/60-more.yaml/policies/0/kind",
    }
    assert "50-pair.yaml, row 2 (cache), field fresh_s: 0 is less than" in str(
        [violation.detail for violation in refused.value.violations]
    )
    assert first.world.edge.policies.id == before
    assert await first.seen() == ("1000", "1000")


async def test_rollback_without_a_set_before_is_refused(processes: tuple[Process, Process]) -> None:
    with pytest.raises(Refused) as refused:
        await processes[0].in_force.roll_back("ana")

    assert refused.value.code is Code.policy_set_no_previous


async def test_loading_the_same_again_changes_nothing(processes: tuple[Process, Process]) -> None:
    first, _ = processes

    again: Change = await first.in_force.reload("ana")

    assert (again.changed, again.loaded.id) == (False, first.world.edge.policies.id)


async def test_live_set_that_does_not_fit_this_release_is_logged_and_not_used(
    processes: tuple[Process, Process], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = processes
    before = await second.settled()
    newer = {"00-base.yaml": BASE, "50-pair.yaml": "policies: [{kind: of_a_newer_release}]"}

    loaded = await policy_sets.record(first.world.store, newer, "a newer release")
    await first.news.tell("policies")
    await second.seen()
    await second.in_force.follow()

    assert second.world.edge.policies.id == before
    assert f"The live set {loaded.id} does not fit this release" in caplog.text


async def test_call_under_way_ends_under_the_set_that_it_began_with(folder: Path, server: Valkey) -> None:
    async with pair_of(folder, server) as (first, _):
        respond, waiting = first.world.framework.respond, asyncio.Event()
        began = asyncio.Event()

        async def slow(seen: object) -> object:
            began.set()
            await waiting.wait()
            return await respond(seen)  # type: ignore[arg-type]  # What the framework saw.

        first.world.framework.respond = slow  # type: ignore[assignment]
        call = asyncio.create_task(first.seen())
        await began.wait()
        write(folder, 7)
        await first.in_force.reload("ana")
        waiting.set()

        assert await call == ("1000", "1000")
        assert await first.seen() == ("7", "7")


async def test_database_away_at_the_start_leaves_the_files_in_force(folder: Path) -> None:
    store = Store(create_engine(f"sqlite:///{folder}/none/edge.sqlite"), Clock())
    process = Process(folder, store, LocalCounters(folder / "counters.sqlite"))

    await process.in_force.start()

    assert process.world.edge.policies.id is None
    await process.world.kit.counters.close()
    await store.close()


class Deaf:
    """Counters that hear the third time."""

    def __init__(self) -> None:
        self.asked, self.heard, self.done = 0, list[str](), asyncio.Event()

    async def move(self, names: list[str]) -> None:
        """Hear, or not."""
        self.asked += 1
        if self.asked < 3:
            raise CountersAway
        self.heard += names
        self.done.set()


async def test_news_are_told_until_they_are_heard() -> None:
    counters, pauses = Deaf(), list[float]()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    news = News(counters, sleep)  # type: ignore[arg-type]  # As far as it is asked.
    told = await news.tell("policies")
    assert (told, news.untold) == (False, frozenset({"policies"}))
    await counters.done.wait()
    await news.close()

    assert counters.heard == ["policies"]
    assert pauses == [1.0, 1.0]
    assert not news.untold
