"""The file between web process and worker: what it shares, what outlives a restart, and what a broken one says."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from gateway.counters import CountersAway, Limit, Question
from gateway.counters.file import BUSY_S, FileCounters
from gateway.counters.local import SWEEP, LocalCounters
from tests.fakes.clock import Time

SLOW = 1 / 3600
DAY = Limit("day", 1_000 / 86_400, 1_000)
MINUTE = Limit("minute", 1.0, 60)
BOTH = Question((DAY, MINUTE), topics=("x",))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters.sqlite"


@pytest.fixture
async def local(path: Path) -> AsyncIterator[LocalCounters]:
    counters = LocalCounters(path)
    yield counters
    await counters.close()


async def test_day_outlives_a_restart_to_the_permit_and_a_minute_begins_anew(path: Path) -> None:
    time = Time()
    before = LocalCounters(path, time)
    for _ in range(25):
        before.ask_now(BOTH)
    await before.close()
    after = LocalCounters(path, time)

    assert after.ask_now(BOTH).left == (1_000 - 26, 59)
    await after.close()


async def test_process_that_was_killed_lost_a_hundredth_of_a_day_and_gave_nothing_twice(path: Path) -> None:
    time, taken = Time(), 0
    for _ in range(30):
        counters = LocalCounters(path, time)  # Nobody closes it.
        for _ in range(40):
            taken += counters.ask_now(Question((DAY,))).refused_by is None
            left = counters.ask_now(Question((Limit("day", *DAY[1:3], cost=1_001),))).left

    assert left == (0,)
    assert 1_000 - 30 * 10 <= taken <= 1_000


async def test_mark_moves_once_for_a_hundredth_of_the_bucket(path: Path, local: LocalCounters) -> None:
    watcher = FileCounters(path)
    marks = set()
    for _ in range(100):
        local.ask_now(Question((DAY,)))
        marks.add(watcher.marks()["day"])

    assert len(marks) == pytest.approx(100 / 11, abs=1)
    await watcher.close()


async def test_clock_that_is_set_back_makes_nobody_wait_longer_before_or_after_a_restart(path: Path) -> None:
    time = Time()
    counters = LocalCounters(path, time)
    minute, day = Question((MINUTE._replace(cost=60),)), Question((DAY._replace(cost=1_000),))
    for asked in (minute, day):
        counters.ask_now(asked)
    await counters.take("vendor", 1, 60, cost=60)
    time.now -= 7 * 86_400
    told = [counters.ask_now(Question((limit,))) for limit in (MINUTE, DAY)]
    waits = [await counters.take("vendor", 1, 60)]
    marks = FileCounters(path, time)

    assert [each.left for each in told] == [(59,), (999,)]
    assert waits == [0.0]
    assert marks.marks()["day"] <= time.now + 86_400 * 0.02  # A process that is killed now finds what was taken since.
    for closed in (marks, counters):
        await closed.close()


async def test_mark_is_never_further_ahead_than_a_bucket_that_is_used_up(path: Path) -> None:
    time = Time()
    month = Question((Limit("month", 1_000 / (30 * 86_400), 1_000),))
    counters = LocalCounters(path, time)
    for _ in range(1_000):
        counters.ask_now(month)
    killed = LocalCounters(path, time)  # The one before is not closed.

    assert killed.ask_now(month).refused_by == 0
    for closed in (killed, counters):
        await closed.close()


async def test_worker_that_ends_leaves_the_marks_of_the_web_process_alone(path: Path) -> None:
    time = Time()
    web, worker = LocalCounters(path, time), LocalCounters(path, time)
    web.ask_now(BOTH)
    later = LocalCounters(path, time)
    for _ in range(50):
        web.ask_now(BOTH)
    await web.close()
    await worker.close()
    await later.close()
    after = LocalCounters(path, time)

    assert after.ask_now(BOTH).left[0] == 1_000 - 52
    await after.close()


async def test_marks_that_are_over_are_dropped(path: Path) -> None:
    time = Time()
    counters = LocalCounters(path, time)
    for number in range(3 * SWEEP):
        time.now += 3_600
        counters.ask_now(Question((Limit(f"caller:{number}", 1 / 700, 2),)))

    assert len(counters._marks) <= SWEEP + 1  # noqa: SLF001 - what memory holds cannot be seen from outside.
    await counters.close()
    after = FileCounters(path, time)
    assert len(after.marks()) <= 2
    await after.close()


async def test_generation_that_another_process_moved_is_seen_at_once(path: Path, local: LocalCounters) -> None:
    there = LocalCounters(path)
    told = [local.ask_now(BOTH).generations]
    await there.move(["x"])
    told.append(local.ask_now(BOTH).generations)
    await local.move(["x"])
    told.append(there.ask_now(BOTH).generations)

    assert told == [(0,), (1,), (2,)]
    await there.close()


async def test_vendors_bucket_is_shared_with_another_process(path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from gateway.counters.local import LocalCounters\n"
        "async def main():\n"
        "    counters, taken = LocalCounters(Path(sys.argv[1])), 0\n"
        "    for _ in range(300):\n"
        "        taken += not await counters.take('a', 1 / 3600, 100)\n"
        "    print(taken)\n"
        "asyncio.run(main())"
    )
    await LocalCounters(path).close()
    start = [sys.executable, "-c", program, str(path)]
    both = [subprocess.Popen(start, stdout=subprocess.PIPE) for _ in range(2)]  # noqa: S603, ASYNC220 - our own.
    taken = [int((await asyncio.to_thread(process.communicate, timeout=60))[0]) for process in both]

    assert sum(taken) == 100


def test_file_that_is_no_database_is_away(path: Path) -> None:
    path.write_text("This is no database, and it is long enough for its header to be read." * 9)

    with pytest.raises(CountersAway):
        LocalCounters(path)


@pytest.mark.parametrize("journal", ["delete", "wal"])
async def test_opening_waits_for_others_longer_than_a_take_does(path: Path, journal: str) -> None:
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute(f"PRAGMA journal_mode={journal}")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("CREATE TABLE theirs (id INTEGER)")
    ends = threading.Timer(2 * BUSY_S, other.execute, ["COMMIT"])
    ends.start()
    counters = FileCounters(path)

    assert await counters.take("a", SLOW, 1) == 0.0
    assert counters._file.execute("PRAGMA busy_timeout").fetchone() == (1_000 * BUSY_S,)  # noqa: SLF001
    ends.join()
    other.close()
    await counters.close()


async def test_opening_does_not_wait_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.counters.file.OPEN_S", 0.02)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    other.execute("CREATE TABLE theirs (id INTEGER)")

    with pytest.raises(CountersAway):
        FileCounters(path)
    other.close()


def test_folder_that_cannot_be_written_is_away(path: Path) -> None:
    path.with_name("counters.sqlite-moved").mkdir()

    with pytest.raises(CountersAway):
        LocalCounters(path)


async def test_file_that_was_closed_is_away(path: Path) -> None:
    counters = LocalCounters(path)
    await counters.close()

    for ask in (counters.take("a", SLOW, 1), counters.move(["a"]), counters.ask(BOTH)):
        with pytest.raises(CountersAway):
            await ask


async def test_mark_that_cannot_be_written_is_away_and_closing_says_nothing(path: Path) -> None:
    counters = LocalCounters(path)
    counters.ask_now(Question((DAY,)))
    await counters._file.close()  # noqa: SLF001 - as if the disk were gone

    with pytest.raises(CountersAway):
        counters.ask_now(Question((Limit("other", *DAY[1:]),)))
    await counters.close()


async def test_move_of_several_of_which_one_fails_moves_none(local: LocalCounters) -> None:
    with pytest.raises(CountersAway):
        await local.move(["x", cast("str", None)])

    assert local.ask_now(BOTH).generations == (0,)
    await local.move(["x"])
    assert local.ask_now(BOTH).generations == (1,)


async def test_move_that_fails_moves_nothing(path: Path, local: LocalCounters) -> None:
    there = FileCounters(path)
    there._file.execute("BEGIN IMMEDIATE")  # noqa: SLF001 - a writer that does not end
    with pytest.raises(CountersAway):
        await local.move(["x"])
    there._file.execute("ROLLBACK")  # noqa: SLF001 - as above

    assert local.ask_now(BOTH).generations == (0,)
    await there.close()
