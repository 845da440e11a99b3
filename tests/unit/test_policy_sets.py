"""Which set of policy files is in force, whoever loads, rolls back, or races for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from gateway.errors import Refused
from gateway.store import policy_sets
from gateway.store.database import Store, create_engine
from gateway.store.pages import Window
from gateway.store.policy_sets import LoadedSet, SetState, digest_of, record, roll_back, start_with, tb_policy_set
from openapi.common.types import Code
from tests.fakes.clock import Clock

FILES = {"00-baseline.yaml": "policies: []\n", "10-quotas.yaml": "policies: []\n# ü\n"}
Loading = Callable[[Store, Mapping[str, str], str], Awaitable[LoadedSet]]
A, B, C = (FILES | {"20-cache.yaml": text} for text in ("a", "b", "c"))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = Store(create_engine(database_url), Clock())
    async with opened.begin() as connection:
        await connection.run_sync(tb_policy_set.create)
    yield opened
    await opened.close()


async def states(store: Store) -> list[tuple[str, str]]:
    """Return which files are in which state, those that were loaded first first."""
    async with store.begin() as connection:
        rows = await connection.execute(select(tb_policy_set).order_by(tb_policy_set.c.loaded_at))
        sets = [LoadedSet.of(row) for row in rows]
    return [(one.files["20-cache.yaml"], one.state.value) for one in sets]


async def load(store: Store, *each: Mapping[str, str]) -> LoadedSet | None:
    """Return what is in force after the files were loaded one after the other."""
    in_force = None
    for files in each:
        assert isinstance(store.now, Clock)
        store.now.forward(1)
        in_force = await record(store, files, "ana")
    return in_force


async def test_nothing_is_in_force_before_the_first_start(store: Store) -> None:
    assert await policy_sets.live(store) is None
    assert await states(store) == []


async def test_first_files_are_live_as_they_were_read(store: Store) -> None:
    found = await record(store, A, "ana")

    assert (found.files, found.digest, found.state) == (A, digest_of(A), SetState.live)
    assert (found.loaded_by, found.loaded_at, found.note) == ("ana", store.now(), None)
    assert await policy_sets.live(store) == found


async def test_new_files_take_the_place_of_those_before(store: Store) -> None:
    await load(store, A, B, C)

    assert await states(store) == [("a", "former"), ("b", "previous"), ("c", "live")]


async def test_files_that_are_live_change_nothing(store: Store) -> None:
    first = await load(store, A, B)
    again = await load(store, B)

    assert again == first
    assert await states(store) == [("a", "previous"), ("b", "live")]


async def test_files_of_an_earlier_set_are_loaded_again(store: Store) -> None:
    await load(store, A, B, A)

    assert await states(store) == [("a", "former"), ("b", "previous"), ("a", "live")]


async def test_roll_back_puts_the_previous_set_in_force_and_withdraws_the_other(store: Store) -> None:
    await load(store, A, B)

    found = await roll_back(store, "ben")

    assert (found.files, found.state) == (A, SetState.live)
    assert await states(store) == [("a", "live"), ("b", "withdrawn")]
    notes = {one.state: one.note for one in (await policy_sets.listing(store, Window(limit=9))).items}
    assert notes[SetState.live] == "Rolled back to by ben, 2026-11-24T09:00:02Z."
    assert notes[SetState.withdrawn] == "Rolled back from by ben, 2026-11-24T09:00:02Z."


@pytest.mark.parametrize("loading", [start_with, record])
async def test_what_was_rolled_back_from_comes_back_neither_with_a_start_nor_a_reload(
    store: Store, loading: Loading
) -> None:
    await load(store, A, B)
    await roll_back(store, "ben")

    in_force = await loading(store, B, "ana")

    assert in_force.files == A
    assert await states(store) == [("a", "live"), ("b", "withdrawn")]


@pytest.mark.parametrize("between", [A, C], ids=["those_in_force", "others"])
async def test_what_was_rolled_back_from_may_come_after_other_files(store: Store, between: dict[str, str]) -> None:
    await load(store, A, B)
    await roll_back(store, "ben")
    await load(store, between)

    in_force = await load(store, B)

    assert in_force is not None
    assert in_force.files == B


async def test_start_with_new_files_puts_them_in_force(store: Store) -> None:
    await load(store, A)
    store.now.forward(1)  # type: ignore[attr-defined]  # The fixture's clock.

    found = await start_with(store, B, "start")

    assert (found.files, found.loaded_by) == (B, "start")
    assert await states(store) == [("a", "previous"), ("b", "live")]


@pytest.mark.parametrize("files", [A, B, C], ids=["former", "previous", "live"])
async def test_start_with_files_that_were_loaded_before_changes_nothing(store: Store, files: dict[str, str]) -> None:
    live = await load(store, A, B, C)

    found = await start_with(store, files, "start")

    assert found == live
    assert await states(store) == [("a", "former"), ("b", "previous"), ("c", "live")]


async def test_files_that_a_start_did_not_take_are_loaded_by_a_reload(store: Store) -> None:
    await load(store, A, B, C)
    await start_with(store, A, "start")

    in_force = await load(store, A)

    assert in_force is not None
    assert in_force.files == A


async def test_of_machines_that_start_with_their_own_files_in_turn_none_undoes_the_newer(store: Store) -> None:
    await load(store, A, B)

    await asyncio.gather(*(start_with(store, files, "start") for files in (A, B, A, C, A, B)))
    await asyncio.gather(*(start_with(store, files, "start") for files in (A, B, A)))

    live = await policy_sets.live(store)
    assert live is not None
    assert live.files == C


@pytest.mark.parametrize("loaded", [[], [A]])
async def test_nothing_to_roll_back_to_is_refused(store: Store, loaded: list[dict[str, str]]) -> None:
    await load(store, *loaded)

    with pytest.raises(Refused) as refused:
        await roll_back(store, "ben")

    assert refused.value.code is Code.policy_set_no_previous
    assert await states(store) == [(files["20-cache.yaml"], "live") for files in loaded]


async def test_roll_back_goes_one_step_only(store: Store) -> None:
    await load(store, A, B, C)
    await roll_back(store, "ben")

    with pytest.raises(Refused):
        await roll_back(store, "ben")

    assert await states(store) == [("a", "former"), ("b", "live"), ("c", "withdrawn")]


async def test_roll_back_to_files_that_do_not_hold_changes_nothing(store: Store) -> None:
    await load(store, A, B)
    checked = []

    async def check(files: Mapping[str, str]) -> None:
        checked.append(files)
        raise Refused(Code.policy_set_invalid, "A row does not hold any more.")

    with pytest.raises(Refused):
        await roll_back(store, "ben", check)

    assert checked == [A]
    assert await states(store) == [("a", "previous"), ("b", "live")]


async def test_of_those_who_load_the_same_files_at_once_one_makes_the_set(store: Store) -> None:
    found = await asyncio.gather(*(record(store, A, f"web {number}") for number in range(8)))

    assert len({one.id for one in found}) == 1
    assert await states(store) == [("a", "live")]


async def test_those_who_load_different_files_at_once_come_one_after_the_other(store: Store) -> None:
    await asyncio.gather(*(record(store, FILES | {"20-cache.yaml": str(number)}, "ana") for number in range(8)))

    found = sorted(state for _, state in await states(store))
    assert found == [*["former"] * 6, "live", "previous"]


async def test_of_those_who_roll_back_at_once_one_does(store: Store) -> None:
    await load(store, A, B, C)

    found = await asyncio.gather(*(roll_back(store, "ben") for _ in range(6)), return_exceptions=True)

    assert sum(isinstance(one, Refused) for one in found) == 5
    assert await states(store) == [("a", "former"), ("b", "live"), ("c", "withdrawn")]


async def test_roll_back_that_races_with_a_start_leaves_one_set_in_force(store: Store) -> None:
    await load(store, A, B)

    await asyncio.gather(roll_back(store, "ben"), *(start_with(store, B, "web") for _ in range(6)))

    assert await states(store) == [("a", "live"), ("b", "withdrawn")]


@pytest.mark.parametrize("state", ["live", "previous"])
async def test_database_takes_no_second_set_in_the_same_state(store: Store, state: str) -> None:
    await load(store, A, B)
    row = {"id": "pst_0", "digest": "0", "files": "{}", "loaded_at": store.now(), "loaded_by": "", "state": state}

    with pytest.raises(IntegrityError):
        async with store.begin() as connection:
            await connection.execute(insert(tb_policy_set).values(row))


async def test_sets_are_listed_page_by_page_the_newest_first(store: Store) -> None:
    await load(store, A, B, C)

    first = await policy_sets.listing(store, Window(limit=2))
    rest = await policy_sets.listing(store, Window(limit=2, after=first.after))

    assert [one.files for one in (*first.items, *rest.items)] == [C, B, A]
    assert rest.after is None


@given(st.dictionaries(st.text(), st.text(), max_size=3), st.dictionaries(st.text(), st.text(), max_size=3))
def test_digests_are_equal_where_names_and_texts_are(one: dict[str, str], other: dict[str, str]) -> None:
    assert (digest_of(one) == digest_of(other)) == (one == other)
    assert digest_of(dict(reversed(one.items()))) == digest_of(one)
