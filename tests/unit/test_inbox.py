"""The inbox: told often, kept once; claimed by one batch, found by its replay; and watermarks that never go back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.store import inbox
from gateway.store.database import Store, create_engine, metadata
from gateway.store.inbox import Change, Source
from tests.fakes.clock import Clock

SOURCE = Source(connection="delivery", object_type="time_entry")
OTHER = Source(connection="other", object_type="time_entry")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(create_engine(f"sqlite:///{tmp_path}/inbox.sqlite"), Clock())
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield store
    await store.close()


def changes(*told: str) -> list[Change]:
    """Return changes told as `id version`."""
    return [Change(external_id=one.split()[0], version=one.split()[1]) for one in told]


async def test_change_told_twice_is_kept_once(store: Store) -> None:
    async with store.begin() as connection:
        assert await inbox.put(connection, store, SOURCE, changes("1 a", "2 a", "1 a")) == 2
        assert await inbox.put(connection, store, SOURCE, changes("1 a", "1 b")) == 1
        assert await inbox.put(connection, store, OTHER, changes("1 a")) == 1
        assert await inbox.put(connection, store, SOURCE, []) == 0


async def test_batch_has_each_object_once_and_a_replay_finds_it(store: Store) -> None:
    async with store.begin() as connection:
        await inbox.put(connection, store, SOURCE, changes("1 a", "1 b", "2 a", "3 a"))

        first = await inbox.claim(connection, SOURCE, "run:0", 3)
        again = await inbox.claim(connection, SOURCE, "run:0", 3)
        second = await inbox.claim(connection, SOURCE, "run:1", 3)

    assert first == again
    assert set(first) | set(second) == {"1", "2", "3"}


async def test_settled_rows_wait_no_more_and_are_forgotten_in_time(store: Store) -> None:
    async with store.begin() as connection:
        await inbox.put(connection, store, SOURCE, changes("1 a"))
        await inbox.claim(connection, SOURCE, "run:0", 3)
        assert await inbox.waiting_ids(connection, SOURCE, ["1", "2"]) == {"1"}
        await inbox.settle(connection, store, "run:0")
        assert await inbox.waiting_ids(connection, SOURCE, ["1"]) == set()
        assert not await inbox.waits(connection, SOURCE)
        assert await inbox.put(connection, store, SOURCE, changes("1 a")) == 0
        store.now.forward(90_000)  # type: ignore[attr-defined]  # the tests' clock
        await inbox.prune(connection, store, timedelta(days=1))
        assert await inbox.put(connection, store, SOURCE, changes("1 a")) == 1


async def test_object_that_is_to_be_looked_at_again_waits_once(store: Store) -> None:
    async with store.begin() as connection:
        assert await inbox.put_again(connection, store, SOURCE, ["1", "2"]) == 2
        assert await inbox.put_again(connection, store, SOURCE, ["1"]) == 0
        await inbox.claim(connection, SOURCE, "run:0", 5)
        assert await inbox.put_again(connection, store, SOURCE, ["1"]) == 0
        await inbox.settle(connection, store, "run:0")
        assert await inbox.put_again(connection, store, SOURCE, ["1"]) == 1
        assert await inbox.claim(connection, SOURCE, "run:1", 5) == ["1"]


async def test_what_a_dead_run_has_claimed_is_free_for_the_next(store: Store) -> None:
    async with store.begin() as connection:
        await inbox.put(connection, store, SOURCE, changes("1 a", "2 a"))
        await inbox.claim(connection, SOURCE, "dead:0", 1)
        await inbox.claim(connection, SOURCE, "mine:0", 1)

        assert await inbox.release(connection, SOURCE, but="mine") == 1
        assert len(await inbox.claim(connection, SOURCE, "mine:1", 5)) == 1


async def test_watermark_never_goes_back(store: Store) -> None:
    moment = store.now()
    async with store.begin() as connection:
        assert await inbox.read_watermark(connection, SOURCE) is None
        await inbox.move_watermark(connection, store, SOURCE, moment)
        await inbox.move_watermark(connection, store, SOURCE, moment - timedelta(hours=1))
        assert await inbox.read_watermark(connection, SOURCE) == moment
        await inbox.move_watermark(connection, store, SOURCE, moment + timedelta(hours=1))
        assert await inbox.read_watermark(connection, SOURCE) == moment + timedelta(hours=1)


async def test_many_changes_are_kept_in_few_statements(store: Store) -> None:
    async with store.begin() as connection:
        assert await inbox.put(connection, store, SOURCE, changes(*(f"{one} a" for one in range(1001)))) == 1001
        assert len(await inbox.waiting_ids(connection, SOURCE, [str(one) for one in range(1001)])) == 1001
