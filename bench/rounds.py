"""The frame: a measure is taken in rounds, and what it compares is compared within each of them.

So a busy minute hits both sides alike.
"""

import math
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

Measure = Callable[[], Awaitable[Mapping[str, float]]]
"""Takes each of its figures once."""
DOUBT: Final = 0.05
"""How often the true median may lie outside the interval."""


class Spread(NamedTuple):
    """What several rounds found."""

    least: float
    middle: float
    most: float
    low: float
    """From here to `high` the true median lies, with DOUBT; of fewer than six rounds it is all that was found."""
    high: float


async def in_turns(measures: Sequence[Measure], rounds: int) -> dict[str, Spread]:
    """Return each figure's spread over the rounds; every round takes each measure once, in the order given."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for measure in measures:
            for name, value in (await measure()).items():
                found.setdefault(name, []).append(value)
    return {name: spread(values) for name, values in found.items()}


def spread(values: Sequence[float]) -> Spread:
    """Return the least, the median and the most, and the median's interval."""
    ordered, cut = sorted(values), outside(len(values))
    return Spread(ordered[0], statistics.median(ordered), ordered[-1], ordered[cut], ordered[-1 - cut])


def outside(count: int) -> int:
    """Return how many values at each end the median's interval leaves out: each falls on either side like a coin."""
    cut, chance = 0, 0.5**count
    while (chance := chance + math.comb(count, cut + 1) * 0.5**count) <= DOUBT / 2:
        cut += 1
    return cut


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
