"""The arithmetic of buckets. Pure; a place that counts by itself (SQL, Lua) repeats the one line in its own words.

A bucket is one number: when it is full again. It is kept as an instant, hence nothing has to run while nobody asks.

An instant further ahead than any bucket fills was written before a clock was set back. Nobody can tell how much of the
bucket is used then; it counts as full, because a caller who waits for an hour that never passed cannot be helped.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.counters import Limit, Question, Told

SLACK_S: Final = 1e-5
"""Seconds are binary, permits are whole: the last permit of a bucket may seem to miss by less than this."""
CLOCK_S: Final = 60.0
"""So much further ahead clocks may be that disagree, or are put right bit by bit: it only makes the wait longer."""
EPOCH: Final = 1_767_225_600.0
"""1 January 2026. Instants that are kept count from here: since 1970, a double resolves a quarter of a microsecond."""


class Pace(NamedTuple):
    """A limit in seconds, as it is counted: how many one call takes, and how many a full bucket holds for it."""

    bucket: str
    step: float
    full: float
    rate: float
    burst: float
    farthest: float
    """Further ahead than this no bucket can be full again."""


def pace_of(limit: Limit) -> Pace:
    """Return the limit in seconds."""
    bucket, rate, burst, cost, reserve = limit
    left_over = burst - reserve
    return Pace(bucket, cost / rate, left_over / rate, rate, left_over, burst / rate + CLOCK_S)


def paces_of(question: Question) -> tuple[Pace, ...]:
    """Return the question's limits in seconds; worked out once, and kept on the question."""
    kept = question.__dict__
    found: tuple[Pace, ...] | None = kept.get("paces")
    if found is None:
        found = kept["paces"] = tuple(map(pace_of, question.limits))
    return found


def used_at(now: float, tat: float, farthest: float) -> float:
    """Return how far a bucket is used that is full again at `tat`."""
    ahead = tat - now
    return ahead if 0.0 < ahead <= farthest else 0.0


def wait_of(pace: Pace, used_s: float) -> float:
    """Return when a bucket that is used so far has enough for one more call; 0.0 where it has."""
    wait = used_s + pace.step - pace.full
    return wait if wait > SLACK_S else 0.0


def left_of(pace: Pace, used_s: float) -> int:
    """Return the whole permits that are left."""
    return max(int(pace.burst - max(used_s - SLACK_S, 0.0) * pace.rate), 0)


def refused(question: Question, used: Sequence[float], generations: tuple[int, ...]) -> Told:
    """Return the refusal of that one of the limits that takes longest to have enough."""
    waits = [wait_of(*both) for both in zip(paces_of(question), used, strict=True)]
    worst = max(waits)
    return told(question, used, generations, waits.index(worst), worst)


def told(
    question: Question, used: Sequence[float], generations: tuple[int, ...], refused_by: int, wait_s: float
) -> Told:
    """Return a refusal: nothing was taken, and this is how the buckets stand."""
    left = tuple(left_of(*both) for both in zip(paces_of(question), used, strict=True))
    return Told(refused_by, wait_s, left, tuple(used), generations)
