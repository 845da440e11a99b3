"""Vendors' buckets in memory that processes map: as exact as the arithmetic, whoever opens, dies or fills the table."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.counters import CountersAway, Limit, bucket, mapped
from gateway.counters.mapped import MappedBuckets
from tests.fakes.clock import Time

LIMITS: Final = [Limit("a", 0.5, 3), Limit("b", 2.0, 10, 2.0), Limit("b", 2.0, 10, 1.0, 4.0), Limit("c" * 500, 7.3, 4)]
PAUSES: Final = st.one_of(st.floats(0, 3), st.floats(-100, 100), st.just(-86_400.0))
"""Clocks are put right, too."""


class Call(NamedTuple):
    """So long after the one before, one limit, in one of the processes."""

    pause_s: float
    limit: Limit
    process: int


calls = st.lists(st.builds(Call, PAUSES, st.sampled_from(LIMITS), st.integers(0, 2)), max_size=60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vendors"


@given(calls)
@settings(deadline=None, max_examples=60)
def test_processes_that_open_and_leave_count_as_one_bucket_does(calls: list[Call]) -> None:
    time, tats = Time(), dict[str, float]()
    with TemporaryDirectory() as folder:
        opened = [MappedBuckets(Path(folder, "vendors"), time) for _ in range(2)]
        for call in calls:
            time.now += call.pause_s
            if call.process == len(opened):
                opened[0].close()
                opened = [opened[1], MappedBuckets(Path(folder, "vendors"), time)]
            wait_s = opened[call.process % 2].take(call.limit)

            pace = bucket.pace_of(call.limit)
            used_s = bucket.used_at(time.now, tats.get(pace.bucket, 0.0), pace.farthest)
            assert wait_s == bucket.wait_of(pace, used_s)
            if not wait_s:
                tats[pace.bucket] = time.now + used_s + pace.step
        for buckets in opened:
            buckets.close()


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from("abcdef")), max_size=60))
@settings(deadline=None, max_examples=60)
def test_table_with_fewer_slots_than_names_gives_none_away_that_is_in_use(asked: list[tuple[float, str]]) -> None:
    time, full_at = Time(), dict[str, float]()
    with pytest.MonkeyPatch.context() as few, TemporaryDirectory() as folder:
        few.setattr(mapped, "SLOTS", 4)
        both = [MappedBuckets(Path(folder, "vendors"), time) for _ in range(2)]
        for number, (pause_s, name) in enumerate(asked):
            time.now += pause_s
            in_use = {name for name, at in full_at.items() if at > time.now}
            if len(in_use | {name}) > 4:
                with pytest.raises(CountersAway):
                    both[number % 2].take(Limit(name, 1, 2))
                continue
            used_s = max(full_at.get(name, 0.0) - time.now, 0.0)
            taken = not both[number % 2].take(Limit(name, 1, 2))

            assert taken == (used_s + 1 <= 2 + bucket.SLACK_S)
            full_at[name] = time.now + used_s + taken
        for buckets in both:
            buckets.close()


def test_clock_before_anything_was_counted_counts(path: Path) -> None:
    time = Time()
    time.now = -50 * 365 * 86_400.0  # 1976, as a machine without a battery has it.
    buckets = MappedBuckets(path, time)

    assert [buckets.take(Limit("a", 1, 2)) for _ in range(3)] == [0.0, 0.0, pytest.approx(1.0)]
    buckets.close()


def test_names_cut_short_by_a_death_are_nobodys_and_their_slots_are_used_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped, "SLOTS", 4)
    path.write_bytes((bytes(8) + b"\1" * 7 + bytes(17)) * 4)  # Each instant was written, and a part of the name.
    buckets = MappedBuckets(path, Time())

    assert [buckets.take(Limit(name, 1, 1)) for name in "abcd"] == [0.0] * 4
    assert [buckets.take(Limit(name, 1, 1)) for name in "abcd"] == [pytest.approx(1.0)] * 4
    buckets.close()


def test_file_of_rubbish_is_a_full_bucket(path: Path) -> None:
    path.write_bytes(b"\xff" * 32 * mapped.SLOTS)
    buckets = MappedBuckets(path, Time())

    assert [buckets.take(Limit("a", 1, 2)) for _ in range(3)] == [0.0, 0.0, pytest.approx(1.0)]
    buckets.close()


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    MappedBuckets(path, Time()).close()
    program = (
        "import fcntl, sys; file = open(sys.argv[1]); fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program, path], stdin=pipe, stdout=pipe) as process:  # noqa: S603
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_process_that_dies_gives_the_lock_back(path: Path, holder: subprocess.Popen[bytes]) -> None:
    buckets = MappedBuckets(path, Time())
    with pytest.raises(CountersAway):
        buckets.take(Limit("a", 1, 2))
    holder.kill()
    holder.wait()

    assert buckets.take(Limit("a", 1, 2)) == 0.0
    buckets.close()


def test_lock_is_given_back_where_a_take_fails(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "SLOTS", 1)
    buckets, other = MappedBuckets(path, Time()), MappedBuckets(path, Time())
    buckets.take(Limit("a", 1, 2))
    with pytest.raises(CountersAway):
        buckets.take(Limit("b", 1, 2))

    assert other.take(Limit("a", 1, 2)) == 0.0
    for closed in (buckets, other):
        closed.close()
