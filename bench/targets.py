"""What the figures are to reach, and how they are shown beside it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from bench.rounds import Spread


class Target(NamedTuple):
    """A bound for a figure's median."""

    bound: float
    is_least: bool
    """Whether more is better."""

    def is_met(self, value: float) -> bool:
        """Tell whether the value is within the bound."""
        return value >= self.bound if self.is_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.bound:g}"


TARGETS: Final[Mapping[str, Target]] = {
    "cached_vs_bare": Target(0.7, is_least=True),
    "cached_vs_envoy_cache": Target(1.0, is_least=True),
    "cached_valkey_vs_bare": Target(0.25, is_least=True),
    "cached_valkey_vs_envoy_proxy": Target(1.0, is_least=True),
    "cached_valkey_round_trips": Target(1.0, is_least=False),
    "uncached_added_cpu_us": Target(150, is_least=False),
    "uncached_added_p50_ms": Target(1.5, is_least=False),
    "uncached_added_p99_ms": Target(10, is_least=False),
    "two_webs_vs_one": Target(1.7, is_least=True),
    "two_webs_vs_one_by_cpu": Target(1.7, is_least=True),
}


def table(figures: Mapping[str, Spread]) -> str:
    """Return the figures for people, one a line: the median, its interval, and the target where there is one."""
    width = max(map(len, figures))
    return "\n".join([f"{'':{width}}  {'median':>12} {'from':>12} {'to':>12}  target", *_lines(figures, width)])


def _lines(figures: Mapping[str, Spread], width: int) -> list[str]:
    return [
        f"{name:{width}}  {one.middle:12,.2f} {one.low:12,.2f} {one.high:12,.2f}  {_beside(name, one)}".rstrip()
        for name, one in figures.items()
    ]


def _beside(name: str, one: Spread) -> str:
    target = TARGETS.get(name)
    return f"{target}: {'met' if target.is_met(one.middle) else 'MISSED'}" if target else ""
