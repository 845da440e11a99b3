"""What processes share and may lose: quota buckets, places for calls under way, generations of cached answers.

Buckets are GCRA (one number each, the "theoretical arrival time"): exact, without windows to straddle, and a call that
is refused takes nothing, so it does not lengthen the wait. All that one call draws is drawn in one atomic step.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from msgspec import Struct


class CountersAway(Exception):
    """Nobody can count just now; the policy's `when_unavailable` says what happens."""


class Limit(NamedTuple):
    """One bucket that a call draws on: `rate` permits a second come back, at most `burst` are kept.

    Of these a call may leave `reserve` to others: as it sees the bucket, it holds so many fewer.
    """

    bucket: str
    rate: float
    burst: float
    cost: float = 1.0
    reserve: float = 0.0


class Places(NamedTuple):
    """How many calls of a name may be under way at once; who dies gives its place back after the lease."""

    name: str
    most: int
    lease_s: float


class Question(Struct, frozen=True, dict=True):
    """All that one call asks: built once for each caller and operation, asked many times."""

    limits: tuple[Limit, ...] = ()
    places: tuple[Places, ...] = ()
    topics: tuple[str, ...] = ()


NEVER: Final = Places("nothing", 0, 1.0)
"""A place that nobody gets: a question that ends with it is answered, and takes nothing."""


def peek_at(question: Question) -> Question:
    """Return the question that is answered as the other would be, and takes nothing: NEVER refuses what would go on."""
    return Question(question.limits, (*question.places, NEVER))


class Told(NamedTuple):
    """The answer to a question."""

    refused_by: int | None
    """Index in the limits, then the places; None where everything was taken. One that refuses takes from none."""
    wait_s: float
    """When the one that refused has enough again."""
    left: tuple[int, ...]
    """Of each limit, whole permits."""
    full_in_s: tuple[float, ...]
    """Of each limit, when it is full again if nobody takes any more."""
    generations: tuple[int, ...]
    """Of each topic; one that never moved is 0."""
    ticket: str | None = None
    """Names the places that are held, for `leave`."""


class Counters(Protocol):
    """Buckets, places and generations, by name. Raises CountersAway and nothing else."""

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0, reserve: float = 0.0) -> float:
        """Return 0.0 where `cost` permits were taken, otherwise how many seconds to wait; then nothing was taken.

        For vendors' limits, which web processes and workers share.
        """

    def ask_now(self, question: Question) -> Told | None:
        """Return the answer where it can be had without waiting for anybody, None otherwise."""

    async def ask(self, question: Question) -> Told:
        """Return the answer: every limit and place was taken in one step, or none was."""

    def leave(self, places: Sequence[Places], ticket: str) -> None:
        """Give the places back; returns at once."""

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation: what was kept under the one before is no longer used."""

    async def close(self) -> None:
        """Give connections back."""
