"""Tallies: counted in memory, added to rows, nothing lost where that fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, MetaData, String, Table, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from gateway.store.database import Store
from gateway.store.instant import Instant
from gateway.store.tallies import MARK_KEPT, Tallies, forget_marks, tb_flush
from tests.fakes.clock import Clock

TABLE = Table(
    "tb_tallied",
    MetaData(),
    Column("who", String(20), primary_key=True),
    Column("what", String(20), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("first_seen", Instant(), nullable=False),
    Column("last_seen", Instant(), nullable=False),
    Column("example", String(20), nullable=False),
)
A, B = ("crm", "calls"), ("shop", "calls")
STEPS = ("count", "flush", "fail", "unheard")


@pytest.fixture
async def store(edge_store: Store) -> Store:
    """Return a store with the table, on one database after the other."""
    async with edge_store.begin() as connection:
        await connection.run_sync(TABLE.create)
    return edge_store


@pytest.fixture
def clock(store: Store) -> Clock:
    """Return the store's clock."""
    assert isinstance(store.now, Clock)
    return store.now


class Away(Store):
    """A store whose database is away while a test says so; or it commits, and nobody hears of that."""

    away = unheard = False

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction, or fail at its end."""
        async with super().begin() as connection:
            yield connection
            if self.away:
                raise OperationalError("commit", {}, Exception("The server closed the connection."))
        if self.unheard:
            raise OperationalError("commit", {}, Exception("The server closed the connection."))


async def _rows(store: Store) -> dict[tuple[str, str], Any]:
    async with store.begin() as connection:
        rows = (await connection.execute(select(TABLE).order_by(*TABLE.primary_key.columns))).all()
    return {(row.who, row.what): row for row in rows}


async def test_occurrences_are_added_up_by_key(store: Store, clock: Clock) -> None:
    tallies, began = Tallies(store, TABLE), clock()
    for key in (A, B, A, A):
        tallies.count(key, ("one",))
    clock.forward(3)

    await tallies.flush()
    rows = await _rows(store)

    assert {key: row.count for key, row in rows.items()} == {A: 3, B: 1}
    assert (rows[A].first_seen, rows[A].last_seen) == (began, began + timedelta(seconds=3))
    assert (rows[B].first_seen, rows[B].last_seen) == (began, began), "One occurrence has one moment."


async def test_processes_add_to_the_same_row(store: Store, clock: Clock) -> None:
    one, other, began = Tallies(store, TABLE), Tallies(store, TABLE), clock()
    one.count(A, ("early",))
    clock.forward(60)
    other.count(A, ("late",))

    await other.flush()
    await one.flush()  # The earlier occurrence is written later.
    row = (await _rows(store))[A]

    assert (row.count, row.first_seen, row.last_seen) == (2, began, began + timedelta(seconds=60))
    assert row.example == "early", "It is of the occurrence that was written last."


async def test_nothing_new_writes_nothing(store: Store) -> None:
    tallies = Tallies(store, TABLE)
    tallies.count(A, ("one",))
    await tallies.flush()
    await tallies.flush()

    assert (await _rows(store))[A].count == 1
    assert tallies.unwritten() == {}


async def test_what_cannot_be_written_is_counted_still(store: Store, clock: Clock) -> None:
    tallies, began = Tallies(flaky := Away(store.engine, clock), TABLE), clock()
    tallies.count(A, ("one",))
    flaky.away = True
    with pytest.raises(OperationalError):
        await tallies.flush()
    clock.forward(5)
    tallies.count(A, ("two",))
    tallies.count(B, ("one",))
    flaky.away = False

    await tallies.flush()
    rows = await _rows(store)

    assert {key: row.count for key, row in rows.items()} == {A: 2, B: 1}
    assert rows[A].first_seen == began


async def test_what_was_committed_unheard_is_counted_once(store: Store, clock: Clock) -> None:
    tallies, other = Tallies(flaky := Away(store.engine, clock), TABLE), Tallies(store, TABLE)
    tallies.count(A, ("one",))
    flaky.unheard = True
    for _ in range(2):
        with pytest.raises(OperationalError):
            await tallies.flush()
        tallies.count(A, ("two",))
    other.count(A, ("other",))
    await other.flush()
    flaky.unheard = False

    await tallies.flush()

    assert (await _rows(store))[A].count == 4
    assert tallies.unwritten() == {}


async def test_marks_of_processes_that_ended_long_ago_are_forgotten(store: Store, clock: Clock) -> None:
    early, late = Tallies(store, TABLE), Tallies(store, TABLE)
    marks = []
    for tallies, passes in ((early, 1), (late, MARK_KEPT.total_seconds())):
        tallies.count(A, ("one",))
        await tallies.flush()
        clock.forward(passes)
        async with store.begin() as connection:
            await forget_marks(connection, clock())
            marks.append(len((await connection.execute(select(tb_flush))).all()))

    assert marks == [1, 1], "The late one's is old enough by a moment only."


async def test_what_waits_for_its_database_was_not_seen_while_it_waited(store: Store, clock: Clock) -> None:
    tallies = Tallies(flaky := Away(store.engine, clock), TABLE)
    for _ in range(2):
        tallies.count(A, ("one",))
    last = clock()
    flaky.away = True
    for _ in range(2):
        with pytest.raises(OperationalError):
            await tallies.flush()
        clock.forward(3600)
    flaky.away = False

    await tallies.flush()
    row = (await _rows(store))[A]

    assert (row.count, row.last_seen) == (2, last)


async def test_what_waits_for_its_database_is_bound_too(store: Store, clock: Clock) -> None:
    tallies = Tallies(flaky := Away(store.engine, clock), TABLE, most=1)
    tallies.count(A, ("one",))
    flaky.away = True
    flush = asyncio.create_task(tallies.flush())
    await asyncio.sleep(0)
    for key in (A, B):  # The one is known; for the other there is no room until the first is written.
        tallies.count(key, ("one",))
    with pytest.raises(OperationalError):
        await flush
    tallies.count(B, ("one",))
    flaky.away = False

    await tallies.flush()

    assert {key: row.count for key, row in (await _rows(store)).items()} == {A: 2}
    assert tallies.beyond == 2


async def test_a_flush_that_is_broken_off_loses_nothing(store: Store) -> None:
    tallies = Tallies(store, TABLE)
    tallies.count(A, ("one",))
    flush = asyncio.create_task(tallies.flush())
    await asyncio.sleep(0)
    flush.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flush

    await tallies.flush()

    assert (await _rows(store))[A].count == 1


async def test_what_is_counted_while_it_is_written_waits_for_the_next_time(store: Store) -> None:
    tallies = Tallies(store, TABLE)
    tallies.count(A, ("one",))
    flush = asyncio.create_task(tallies.flush())
    await asyncio.sleep(0)
    tallies.count(A, ("two",))
    under_way = tallies.unwritten()[A].count
    await flush
    between = (await _rows(store))[A].count
    await tallies.flush()

    assert (under_way, between, (await _rows(store))[A].count) == (2, 1, 2)


async def test_flushes_at_once_count_once(store: Store) -> None:
    tallies = Tallies(store, TABLE)
    tallies.count(A, ("one",))

    await asyncio.gather(tallies.flush(), tallies.flush())

    assert (await _rows(store))[A].count == 1


async def test_keys_beyond_the_bound_are_told(store: Store) -> None:
    tallies = Tallies(store, TABLE, most=1)
    for key in (A, B, A, B):
        tallies.count(key, ("one",))
    await tallies.flush()
    tallies.count(B, ("one",))  # There is room again.
    await tallies.flush()

    assert {key: row.count for key, row in (await _rows(store)).items()} == {A: 2, B: 1}
    assert tallies.beyond == 2


async def test_processes_that_write_at_once_do_not_lock_each_other_out(store: Store) -> None:
    processes = [Tallies(store, TABLE) for _ in range(4)]
    for number, process in enumerate(processes):
        for name in sorted((f"client-{at}" for at in range(20)), reverse=number % 2 == 1):
            process.count((name, "calls"), ("one",))

    await asyncio.gather(*(process.flush() for process in processes))

    assert {row.count for row in (await _rows(store)).values()} == {4}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([A, B]), st.sampled_from(STEPS))))
def test_no_order_of_counting_flushing_and_failing_loses_one_or_counts_it_twice(
    steps: list[tuple[int, tuple[str, str], str]],
) -> None:
    async def played() -> dict[tuple[str, str], int]:
        store = Away(create_async_engine("sqlite+aiosqlite:///:memory:"), Clock())
        async with store.begin() as connection:
            await connection.run_sync(TABLE.create)
            await connection.run_sync(tb_flush.create)
        processes = [Tallies(store, TABLE), Tallies(store, TABLE)]
        for number, key, step in steps:
            if step == "count":
                processes[number].count(key, ("one",))
                continue
            store.away, store.unheard = step == "fail", step == "unheard"
            try:
                await processes[number].flush()
            except OperationalError:
                assert step != "flush"
            store.away = store.unheard = False
        for process in processes:
            await process.flush()
        rows = await _rows(store)
        await store.close()
        return {key: row.count for key, row in rows.items()}

    counted = asyncio.run(played())

    expected = {key: sum(step == "count" and at == key for _, at, step in steps) for key in (A, B)}
    assert counted == {key: count for key, count in expected.items() if count}
