"""The frame: several measures, taken in turns, so that a busy minute hits all of them alike."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

Measure = Callable[[], Awaitable[Mapping[str, float]]]
"""Takes each of its figures once."""


class Spread(NamedTuple):
    """What several rounds found."""

    least: float
    middle: float
    most: float


async def in_turns(measures: Sequence[Measure], rounds: int) -> dict[str, Spread]:
    """Return each figure's spread over the rounds; every round takes each measure once, in the order given."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for measure in measures:
            for name, value in (await measure()).items():
                found.setdefault(name, []).append(value)
    return {name: spread(values) for name, values in found.items()}


def spread(values: Sequence[float]) -> Spread:
    """Return the least, the median and the most."""
    return Spread(min(values), statistics.median(values), max(values))


def table(figures: Mapping[str, Spread]) -> str:
    """Return the figures for people, one a line."""
    width = max(map(len, figures))
    lines = [f"{'':{width}}  {'least':>12} {'median':>12} {'most':>12}"]
    lines += [f"{name:{width}}  {s.least:12,.2f} {s.middle:12,.2f} {s.most:12,.2f}" for name, s in figures.items()]
    return "\n".join(lines)
