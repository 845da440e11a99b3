"""What processes share and may lose: quota buckets and generations of cached answers. Three places, one interface.

Buckets are GCRA (one number each, the "theoretical arrival time"): exact, without windows to straddle, and a call that
is refused takes nothing, so it does not lengthen the wait.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class CountersAway(Exception):
    """Nobody can count just now; the policy's `when_unavailable` says what happens."""


class Draw(NamedTuple):
    """What became of one take."""

    wait_s: float
    """0.0 where it was taken; otherwise when enough will be there again."""
    left: int
    """Whole permits that are left."""
    full_in_s: float
    """When the bucket will be full again, if nobody takes any more."""


class Counters(Protocol):
    """Buckets and generations, by name. Raises CountersAway and nothing else."""

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0) -> float:
        """Return 0.0 where `cost` permits were taken, otherwise how many seconds to wait; then nothing was taken.

        `rate` permits a second come back, at most `burst` are kept.
        """

    async def draw(self, name: str, rate: float, burst: float, cost: float = 1.0) -> Draw:
        """Return the same as `take`, and what is left."""

    async def generations(self, names: Sequence[str]) -> tuple[int, ...]:
        """Return the present generation of each name; one that never moved is 0."""

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation: what was kept under the one before is no longer used."""

    async def close(self) -> None:
        """Give connections back."""
