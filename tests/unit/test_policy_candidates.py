"""Which set of policy files is tried before it is put in force, and what was counted of it; on both databases."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from gateway.errors import Refused
from gateway.store import policy_candidates, policy_sets, shadow_differences
from gateway.store.database import Store, create_engine, metadata
from gateway.store.pages import Window
from gateway.store.policy_candidates import KEPT, Candidate, CandidateState, drop, promote, propose, tb_policy_candidate
from gateway.store.policy_sets import SetState, digest_of, record, roll_back, start_with, tb_policy_set
from gateway.store.shadow_differences import ShadowCounts, tb_shadow_call, tb_shadow_difference
from gateway.store.tallies import tb_flush
from openapi.common.types import Code
from tests.fakes.clock import Clock

A, B, C = ({"00-baseline.yaml": text} for text in ("a", "b", "c"))
TABLES = [tb_policy_set, tb_policy_candidate, tb_shadow_call, tb_shadow_difference, tb_flush]
PASSES, REFUSED = "passes", "refused 429 rate_limit client"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """Return a store in which A is in force."""
    opened = Store(create_engine(database_url), Clock())
    async with opened.begin() as connection:
        await connection.run_sync(lambda sync: metadata.create_all(sync, TABLES))
    await record(opened, A, "ana")
    yield opened
    await opened.close()


async def proposed(store: Store, files: Mapping[str, str]) -> Candidate:
    """Return the candidate of the files, a second later."""
    assert isinstance(store.now, Clock)
    store.now.forward(1)
    return await propose(store, files, "ben")


async def states(store: Store) -> list[tuple[str, str]]:
    """Return what became of each candidate's files, the first first."""
    found = await policy_candidates.listing(store, Window(limit=99))
    return [(one.files["00-baseline.yaml"], one.state.value) for one in reversed(found.items)]


async def in_force(store: Store) -> Mapping[str, str]:
    """Return the files that are in force."""
    live = await policy_sets.live(store)
    assert live
    return live.files


async def test_candidate_is_kept_as_it_was_read_and_nothing_of_it_is_in_force(store: Store) -> None:
    live = await policy_sets.live(store)

    found = await proposed(store, B)

    assert live is not None
    assert (found.files, found.digest, found.beside, found.state) == (B, digest_of(B), live.id, CandidateState.open)
    assert (found.proposed_by, found.proposed_at) == ("ben", store.now())
    assert (found.ended_at, found.ended_by, found.policy_set) == (None, None, None)
    assert await policy_candidates.candidate(store) == await policy_candidates.get(store, found.id) == found
    assert await policy_sets.live(store) == live


async def test_nothing_is_tried_before_anything_is_in_force(database_url: str) -> None:
    empty = Store(create_engine(database_url), Clock())
    async with empty.begin() as connection:
        await connection.run_sync(lambda sync: metadata.create_all(sync, TABLES))

    with pytest.raises(Refused) as refused:
        await propose(empty, B, "ben")

    assert refused.value.code is Code.policy_candidate_outdated
    assert await policy_candidates.candidate(empty) is None
    await empty.close()


async def test_another_candidate_takes_the_place_of_the_one_before(store: Store) -> None:
    await proposed(store, B)
    found = await proposed(store, C)

    assert await states(store) == [("b", "replaced"), ("c", "open")]
    assert await policy_candidates.candidate(store) == found


async def test_candidate_that_is_promoted_is_live_and_a_rollback_takes_it_back(store: Store) -> None:
    found = await proposed(store, B)

    loaded = await promote(store, found.id, "cleo")
    ended = await policy_candidates.get(store, found.id)
    back = await roll_back(store, "dora")

    assert (loaded.files, loaded.state, loaded.loaded_by) == (B, SetState.live, "cleo")
    assert loaded.note == f"Tried as {found.id} since 2026-11-24T09:00:01Z."
    assert (ended.state, ended.ended_by, ended.policy_set) == (CandidateState.promoted, "cleo", loaded.id)
    assert back.files == A
    assert await policy_candidates.candidate(store) is None


async def test_start_with_files_that_were_only_tried_puts_them_in_force(store: Store) -> None:
    found = await proposed(store, B)
    await drop(store, found.id, "ben")

    assert (await start_with(store, B, "start")).files == B


async def test_start_with_older_files_does_not_undo_a_promotion(store: Store) -> None:
    found = await proposed(store, B)
    await promote(store, found.id, "cleo")

    assert (await start_with(store, A, "start")).files == B


async def test_promotion_is_refused_where_another_set_is_in_force_by_now(store: Store) -> None:
    found = await proposed(store, B)
    await record(store, C, "ana")

    with pytest.raises(Refused) as refused:
        await promote(store, found.id, "cleo")

    assert refused.value.code is Code.policy_candidate_outdated
    assert await in_force(store) == C
    assert await states(store) == [("b", "open")]


async def test_promotion_of_files_that_were_rolled_back_from_is_refused(store: Store) -> None:
    await record(store, B, "ana")
    await roll_back(store, "ana")
    found = await proposed(store, B)

    with pytest.raises(Refused) as refused:
        await promote(store, found.id, "cleo")

    assert refused.value.code is Code.policy_set_withdrawn
    assert await in_force(store) == A
    assert await states(store) == [("b", "open")]


async def test_promotion_of_files_that_do_not_hold_changes_nothing(store: Store) -> None:
    found = await proposed(store, B)

    async def check(files: Mapping[str, str]) -> None:
        assert files == B
        raise Refused(Code.policy_set_invalid, "A row does not hold any more.")

    with pytest.raises(Refused):
        await promote(store, found.id, "cleo", check)

    assert await in_force(store) == A
    assert await states(store) == [("b", "open")]


async def test_promotion_of_the_files_that_are_in_force_ends_the_trial_and_changes_nothing(store: Store) -> None:
    live = await policy_sets.live(store)
    found = await proposed(store, A)

    assert await promote(store, found.id, "cleo") == live
    assert await states(store) == [("a", "promoted")]


@pytest.mark.parametrize("again", [promote, drop])
async def test_candidate_that_has_ended_stays_as_it_is(store: Store, again: object) -> None:
    found = await proposed(store, B)
    ended = await drop(store, found.id, "ben")

    with pytest.raises(Refused) as refused:
        await (promote if again is promote else drop)(store, found.id, "cleo")

    assert refused.value.code is Code.policy_candidate_ended
    assert ended.state is CandidateState.dropped
    assert await policy_candidates.get(store, found.id) == ended


async def test_candidate_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(Refused) as refused:
        await promote(store, "pcd_0", "cleo")

    assert refused.value.code is Code.resource_not_found


async def test_of_those_who_propose_and_promote_at_once_each_does_it_whole(store: Store) -> None:
    first = await proposed(store, B)
    texts = [{"00-baseline.yaml": str(number)} for number in range(6)]

    found = await asyncio.gather(
        promote(store, first.id, "cleo"), *(propose(store, files, "ben") for files in texts), return_exceptions=True
    )

    assert all(not isinstance(one, BaseException) for one in found[1:])
    ended = [state for _, state in await states(store)]
    assert ended.count("open") == 1
    assert (await in_force(store) == B) == ("promoted" in ended) == (not isinstance(found[0], BaseException))


async def test_database_takes_no_second_open_candidate(store: Store) -> None:
    found = await proposed(store, B)
    row = {"id": "pcd_0", "digest": "", "files": "{}", "beside": found.beside, "proposed_by": "", "state": "open"}

    with pytest.raises(IntegrityError):
        async with store.begin() as connection:
            await connection.execute(insert(tb_policy_candidate).values(proposed_at=store.now(), **row))


async def test_candidates_that_ended_long_ago_are_let_go_with_what_was_counted(store: Store) -> None:
    assert isinstance(store.now, Clock)
    found = await proposed(store, B)
    counts = ShadowCounts(store)
    counts.of(found.id).compared("crm", "get")
    counts.of(found.id).differs("crm", "get", (PASSES, REFUSED), "call-1")
    await counts.flush()
    await drop(store, found.id, "ben")
    store.now.forward((KEPT + timedelta(days=1)).total_seconds())

    await proposed(store, C)

    assert await states(store) == [("c", "open")]
    assert (await shadow_differences.totals(store, found.id)).compared == 0
    assert (await shadow_differences.listing(store, found.id, Window())).items == []


async def test_what_processes_count_adds_up(store: Store) -> None:
    assert isinstance(store.now, Clock)
    began = store.now()
    for number, counts in enumerate(map(ShadowCounts, (store, store))):
        one, other = counts.of("pcd_1"), counts.of("pcd_2")
        for client in ("crm", "crm", "portal"):
            one.compared(client, "get")
            other.compared(client, "get")
        one.differs("crm", "get", (PASSES, REFUSED), f"call-{number}")
        store.now.forward(1)
        await counts.flush()

    found = (await shadow_differences.listing(store, "pcd_1", Window())).items
    totals = [await shadow_differences.totals(store, "pcd_1", **only) for only in ({}, {"client_id": "portal"})]

    assert [(one.client_id, one.live, one.candidate, one.count) for one in found] == [("crm", PASSES, REFUSED, 2)]
    assert (found[0].first_seen, found[0].last_seen) == (began, began + timedelta(seconds=1))
    assert found[0].correlation_id in {"call-0", "call-1"}
    assert [(each.compared, each.differing) for each in totals] == [(6, 2), (2, 0)]


async def test_differences_are_listed_page_by_page_the_most_frequent_first(store: Store) -> None:
    counts = ShadowCounts(store)
    wanted = [("portal", "get", 3), ("crm", "get", 2), ("crm", "post", 2), ("zoo", "get", 1)]
    for client, operation, times in wanted:
        for _ in range(times):
            counts.of("pcd_1").differs(client, operation, (PASSES, REFUSED), "call-1")
    await counts.flush()

    seen, after = [], None
    while True:
        page = await shadow_differences.listing(store, "pcd_1", Window(after=after, limit=1))
        seen += [(one.client_id, one.operation, one.count) for one in page.items]
        if (after := page.after) is None:
            break
    filtered = await shadow_differences.listing(store, "pcd_1", Window(), client_id="crm", operation="post")

    assert seen == wanted
    assert [(one.client_id, one.operation) for one in filtered.items] == [("crm", "post")]


async def test_words_that_are_too_long_are_cut(store: Store) -> None:
    counts = ShadowCounts(store)
    counts.of("pcd_1").differs("crm", "get", ("kept 10 s", "kept 10 s, vary " + "x" * 900), "call-1")

    await counts.flush()

    found = (await shadow_differences.listing(store, "pcd_1", Window())).items
    assert len(found[0].candidate) == shadow_differences.WORDS
