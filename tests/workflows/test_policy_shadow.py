"""A candidate in two processes: tried in both, promoted all or nothing, and taken back by a rollback."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.store import policy_candidates, policy_sets, shadow_differences
from gateway.store.database import Store, create_engine
from gateway.store.pages import Window
from gateway.store.policy_candidates import CandidateState, tb_policy_candidate
from gateway.telemetry.metrics import SHADOW_BEYOND
from openapi.common.types import Code
from tests.edge_world import STATUS
from tests.fakes.clock import Clock
from tests.servers_valkey import Valkey, valkey
from tests.workflows.test_policy_reload import BASE, PAIR, WITHIN_S, Process, pair_of, write

FLIPS = 9
TIGHT = {"00-base.yaml": BASE, "50-pair.yaml": PAIR.format(limit=2)}
CLOSED = {"00-base.yaml": BASE.replace('"*", owner', '"nobody", owner')}


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Policies with the pair at 1000."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "00-base.yaml").write_text(BASE)
    write(tmp_path, 1_000)
    return tmp_path


@pytest.fixture(params=["file", "valkey"])
async def processes(
    request: pytest.FixtureRequest, folder: Path, server: Valkey
) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes on one database, which share a file or a Valkey."""
    async with pair_of(folder, server if request.param == "valkey" else None) as (first, second):
        await first.settled()
        await second.settled()
        yield first, second


async def trying(process: Process, candidate_id: str | None) -> None:
    """Return when the process tries the candidate, or none: it hears with a call, and follows meanwhile."""
    async with asyncio.timeout(WITHIN_S):
        while candidate_id != (process.world.edge.shadow and process.world.edge.shadow.policies.id):
            await process.seen()
            await asyncio.sleep(0.005)  # The database is asked in a thread.


async def found(process: Process, candidate_id: str) -> dict[tuple[str, str], int]:
    """Return how often which difference was counted, once the process has written down its own."""
    await process.in_force.trying.flush()
    listed = await shadow_differences.listing(process.world.store, candidate_id, Window())
    return {(one.live, one.candidate): one.count for one in listed.items}


async def test_candidate_is_tried_in_both_processes_and_enforced_in_none(processes: tuple[Process, Process]) -> None:
    first, second = processes

    candidate = await first.in_force.propose(CLOSED, "ben")
    await trying(second, candidate.id)
    seen = [await process.seen() for process in processes for _ in range(3)]
    await found(first, candidate.id)

    closed = await found(second, candidate.id)
    assert set(seen) == {("1000", "1000")}
    assert list(closed) == [("passes", "refused 403 auth.consumer_unknown")]
    assert closed["passes", "refused 403 auth.consumer_unknown"] >= 6
    totals = await shadow_differences.totals(first.world.store, candidate.id)
    assert totals.compared == totals.differing
    assert first.world.edge.kit.metrics.snapshot()[SHADOW_BEYOND] == 0


async def test_each_process_counts_the_candidates_quota_by_itself(folder: Path, server: Valkey) -> None:
    async with pair_of(folder, server) as processes:
        first, second = processes
        await first.settled()
        await second.settled()
        candidate = await first.in_force.propose(TIGHT, "ben")
        await second.in_force.follow()
        for process in processes:
            for _ in range(5):
                await process.seen()

        await found(first, candidate.id)
        assert await found(second, candidate.id) == {("passes", "refused 429 rate_limit one"): 6}


async def test_promotion_holds_in_both_processes_and_a_rollback_takes_it_back(
    processes: tuple[Process, Process],
) -> None:
    first, second = processes
    candidate = await first.in_force.propose(TIGHT, "ben")
    await trying(second, candidate.id)

    promoted = await second.in_force.promote(candidate.id, "cleo")
    ids = [await process.settled() for process in processes]
    seen = [await process.seen() for process in processes]
    for process in processes:
        await trying(process, None)
    back = await first.in_force.roll_back("dora")
    after = [(await process.settled(), await process.seen()) for process in processes]

    assert ids == [promoted.loaded.id] * 2
    assert seen == [("2", "2")] * 2
    assert after == [(back.loaded.id, ("1000", "1000"))] * 2
    assert (await policy_candidates.get(first.world.store, candidate.id)).state is CandidateState.promoted


async def test_no_call_sees_half_a_set_while_candidates_are_promoted_and_taken_back(
    processes: tuple[Process, Process],
) -> None:
    first, second = processes
    seen, over = Counter[tuple[str, ...]](), asyncio.Event()

    async def call(process: Process) -> None:
        while not over.is_set():
            seen[await process.seen()] += 1
            await asyncio.sleep(0)

    callers = [asyncio.create_task(call(process)) for process in processes for _ in range(2)]
    for flip in range(FLIPS):
        files = {"00-base.yaml": BASE, "50-pair.yaml": PAIR.format(limit=2_000 + flip)}
        candidate = await first.in_force.propose(files, "ben")
        await second.in_force.promote(candidate.id, "cleo")
        if flip % 3 == 2:
            await first.in_force.roll_back("dora")
    over.set()
    await asyncio.gather(*callers)

    assert {pair for pair in seen if pair[0] != pair[1]} == set(), seen
    assert len(seen) > 2
    assert await first.settled() == await second.settled()


async def test_candidate_with_a_bad_row_is_refused_with_every_mistake_and_nothing_is_tried(
    processes: tuple[Process, Process],
) -> None:
    first, _ = processes
    bad = TIGHT | {"50-pair.yaml": "policies: [{kind: tea}, {kind: cache, fresh_s: 0}]", "lonely.yaml": "a: 1"}

    with pytest.raises(Refused) as refused:
        await first.in_force.propose(bad, "ben")

    assert refused.value.code is Code.policy_set_invalid
    pointers = {violation.pointer for violation in refused.value.violations}
    assert pointers >= {"#/50-pair.yaml/policies/0/kind", "#/50-pair.yaml/policies/1/fresh_s", "#/lonely.yaml"}
    assert await policy_candidates.candidate(first.world.store) is None
    assert first.world.edge.shadow is None


async def test_candidate_that_does_not_fit_this_release_is_logged_and_not_tried(
    processes: tuple[Process, Process], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = processes
    newer = await policy_candidates.propose(first.world.store, TIGHT | {"9.yaml": "policies: [{kind: newer}]"}, "ben")

    for _ in range(2):
        await second.in_force.follow()

    assert second.world.edge.shadow is None
    assert caplog.text.count(f"The candidate {newer.id} does not fit this release, and is not tried here") == 1
    assert "It does not fit this release: 9.yaml, row 1" in str(
        second.in_force.trying.why_not(newer, second.world.edge)
    )


async def test_candidate_rests_while_another_set_is_in_force_and_goes_on_after_a_rollback(
    processes: tuple[Process, Process], folder: Path
) -> None:
    first, second = processes
    candidate = await first.in_force.propose(CLOSED, "ben")
    await trying(second, candidate.id)
    write(folder, 7)
    await first.in_force.reload("ana")
    await second.settled()
    resting = [process.world.edge.shadow for process in processes]
    why = first.in_force.trying.why_not(candidate, first.world.edge)
    with pytest.raises(Refused) as refused:
        await second.in_force.promote(candidate.id, "cleo")
    await second.in_force.roll_back("ana")
    for process in processes:
        await trying(process, candidate.id)

    assert resting == [None, None]
    assert why is not None
    assert why.startswith("Another set is in force")
    assert refused.value.code is Code.policy_candidate_outdated


async def test_candidate_that_is_dropped_is_tried_nowhere_any_more(processes: tuple[Process, Process]) -> None:
    first, second = processes
    candidate = await first.in_force.propose(CLOSED, "ben")
    await trying(second, candidate.id)

    dropped = await first.in_force.drop(candidate.id, "ben")
    before = first.world.edge.shadow
    await trying(second, None)

    assert before is None
    assert dropped.state is CandidateState.dropped
    assert first.in_force.trying.why_not(dropped, first.world.edge) is None


async def test_candidate_is_tried_by_a_process_that_starts_later_and_counted_until_its_end(
    folder: Path, server: Valkey
) -> None:
    async with pair_of(folder, server) as (first, _):
        candidate = await first.in_force.propose(CLOSED, "ben")
    async with pair_of(folder, server) as (late, _):
        await trying(late, candidate.id)
        await late.seen()
    store = Store(create_engine(f"sqlite:///{folder}/edge.sqlite"), Clock())
    totals = await shadow_differences.totals(store, candidate.id)
    await store.close()

    assert totals.compared == totals.differing >= 1


async def test_candidates_that_cannot_be_looked_up_leave_calls_alone(folder: Path, server: Valkey) -> None:
    async with pair_of(folder, server) as (first, _):
        async with first.world.store.begin() as connection:
            await connection.run_sync(tb_policy_candidate.drop)

        reply = await first.world.send("GET", STATUS)

        assert reply.status == 200
        assert await policy_sets.live(first.world.store) is not None
