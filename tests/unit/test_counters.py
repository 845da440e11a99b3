"""Buckets and generations, the same in memory, in a file and in a real Valkey; and what happens while they are away."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.counters import Counters, CountersAway, bucket
from gateway.counters.file import FileCounters
from gateway.counters.memory import MemoryCounters
from gateway.counters.valkey import BOUND_S, Circuit, ValkeyCounters
from gateway.secret import Secret
from tests.servers_valkey import Valkey, valkey

SLOW = 1 / 3600
"""One permit an hour: none comes back while a test runs on real clocks."""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.fixture(params=["memory", "file", "valkey"])
async def counters(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Counters]:
    if request.param == "valkey":
        running: Valkey = request.getfixturevalue("server")
        running.forget()
        found: Counters = ValkeyCounters(running.url)
    else:
        found = MemoryCounters() if request.param == "memory" else FileCounters(tmp_path / "counters.sqlite")
    yield found
    await found.close()


async def test_bucket_gives_what_it_holds_and_then_says_when(counters: Counters) -> None:
    draws = [await counters.draw("a", SLOW, 3) for _ in range(4)]

    assert [draw.left for draw in draws] == [2, 1, 0, 0]
    assert [draw.wait_s > 0 for draw in draws] == [False, False, False, True]
    assert draws[3].wait_s == pytest.approx(3600, abs=5)
    assert draws[3].full_in_s == pytest.approx(3 * 3600, abs=5)


async def test_refused_take_costs_nothing(counters: Counters) -> None:
    await counters.take("a", SLOW, 3, cost=2)
    refused = [await counters.take("a", SLOW, 3, cost=2) for _ in range(3)]

    assert all(wait == pytest.approx(3600, abs=5) for wait in refused)
    assert await counters.take("a", SLOW, 3) == 0.0


async def test_cost_beyond_the_bucket_is_never_met(counters: Counters) -> None:
    assert await counters.take("a", SLOW, 3, cost=4) > 0
    assert await counters.take("a", SLOW, 3, cost=3) == 0.0


async def test_buckets_do_not_know_each_other(counters: Counters) -> None:
    await counters.take("a", SLOW, 1)

    assert await counters.take("b", SLOW, 1) == 0.0


async def test_permits_come_back(counters: Counters) -> None:
    assert await counters.take("a", 100, 1) == 0.0
    wait = await counters.take("a", 100, 1)
    await asyncio.sleep(wait + 0.002)

    assert 0 < wait <= 0.01
    assert await counters.take("a", 100, 1) == 0.0


async def test_generation_moves_alone(counters: Counters) -> None:
    await counters.move(["a"])
    await counters.move(["a", "b"])

    assert await counters.generations(["a", "b", "c"]) == (2, 1, 0)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.integers(1, 3)), max_size=60),
    st.floats(0.1, 50),
    st.integers(3, 20),
)
def test_bucket_never_gives_more_than_it_may(calls: list[tuple[float, int]], rate: float, burst: int) -> None:
    tat, now, taken = 0.0, 1000.0, 0
    for pause, cost in calls:
        now += pause
        tat, draw = bucket.take(tat, now, rate, burst, cost)
        taken += 0 if draw.wait_s else cost

        assert taken <= burst + rate * (now - 1000.0) + 1e-3
        assert 0 <= draw.left <= burst


async def test_two_processes_share_one_bucket(tmp_path: Path) -> None:
    path = tmp_path / "counters.sqlite"
    program = (
        "import asyncio, sys; from pathlib import Path; from gateway.counters import CountersAway\n"
        "from gateway.counters.file import FileCounters\n"
        "async def main():\n"
        "    counters, taken = FileCounters(Path(sys.argv[1])), 0\n"
        "    for _ in range(300):\n"
        "        try: taken += not await counters.take('a', 1 / 3600, 100)\n"
        "        except CountersAway: pass\n"
        "    print(taken)\n"
        "asyncio.run(main())"
    )
    FileCounters(path)
    start = [sys.executable, "-c", program, str(path)]
    both = [subprocess.Popen(start, stdout=subprocess.PIPE) for _ in range(2)]  # noqa: S603, ASYNC220 - our own.
    taken = [int(process.communicate(timeout=60)[0]) for process in both]

    assert sum(taken) == 100


async def test_generation_that_another_process_moved_is_seen(tmp_path: Path) -> None:
    here, there = FileCounters(tmp_path / "counters.sqlite"), FileCounters(tmp_path / "counters.sqlite")
    assert await here.generations(["a"]) == (0,)
    await there.move(["a"])

    assert await here.generations(["a"]) == (1,)
    await here.close()
    await there.close()


async def test_buckets_that_nobody_uses_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "counters.sqlite"
    old = FileCounters(path, clock=lambda: time.time() - 200_000)
    await old.take("a", 1, 10)
    await old.close()
    new = FileCounters(path)

    assert new._file.execute("SELECT count(*) FROM bucket").fetchone() == (0,)  # noqa: SLF001
    await new.close()


async def test_file_that_is_no_database_is_away(tmp_path: Path) -> None:
    (tmp_path / "counters.sqlite").write_text(
        "This is no database, and it is long enough for its header to be read." * 9
    )

    with pytest.raises(CountersAway):
        FileCounters(tmp_path / "counters.sqlite")


async def test_file_that_was_closed_is_away(tmp_path: Path) -> None:
    counters = FileCounters(tmp_path / "counters.sqlite")
    await counters.close()

    for ask in (counters.take("a", 1, 1), counters.generations(["a"]), counters.move(["a"])):
        with pytest.raises(CountersAway):
            await ask


async def test_frozen_server_is_waited_for_once(server: Valkey) -> None:
    counters = ValkeyCounters(server.url)
    await counters.take("frozen", SLOW, 9)
    server.freeze()
    try:
        started = time.perf_counter()
        for _ in range(50):
            with pytest.raises(CountersAway):
                await counters.take("frozen", SLOW, 9)
        lasted = time.perf_counter() - started
    finally:
        server.thaw()
        await counters.close()

    assert lasted < 5 * BOUND_S


async def test_server_that_comes_back_counts_at_once(server: Valkey) -> None:
    circuit = Circuit(open_s=0.0)
    counters = ValkeyCounters(server.url, circuit)
    server.freeze()
    with pytest.raises(CountersAway):
        await counters.take("back", SLOW, 9)
    server.thaw()
    server.forget()

    assert await eventually(lambda: counters.take("back", SLOW, 9)) == 0.0
    await counters.close()


async def test_server_that_is_not_there_is_away() -> None:
    counters = ValkeyCounters(Secret("redis://127.0.0.1:1/0"))

    for ask in (counters.take("a", 1, 1), counters.generations(["a"]), counters.move(["a"])):
        with pytest.raises(CountersAway):
            await ask
    await counters.close()


def test_circuit_lets_one_probe_through_a_while() -> None:
    now = [100.0]
    circuit = Circuit(clock=lambda: now[0], open_s=1.0)
    circuit.check()
    circuit.fail()

    assert opened(circuit)
    now[0] += 1.1
    assert not opened(circuit)
    assert opened(circuit)
    circuit.succeed()
    assert not opened(circuit)


def opened(circuit: Circuit) -> bool:
    try:
        circuit.check()
    except CountersAway:
        return True
    return False


async def eventually(ask: Callable[[], "asyncio.Future[float] | object"]) -> float:
    """Return the first answer; a thawed server has a backlog to go through."""
    for _ in range(50):
        try:
            return await ask()  # type: ignore[misc, no-any-return]
        except CountersAway:
            await asyncio.sleep(0.02)
    raise AssertionError("Nobody counts any more.")
