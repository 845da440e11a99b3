"""An answer from the cache: this gateway, with and without Valkey, beside bare ASGI, Envoy's cache and nginx's.

Ratios are of the same round: ours over theirs in requests a second, theirs over ours in CPU (`…_cpu`), so that more is
better in both. Envoy's proxy is here because it is what `cached_valkey_vs_envoy_proxy` is about.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from bench.contenders import all as contenders
from bench.processes import cpu_s
from bench.rounds import Measure
from bench.wrk import Contender, Load, in_turn

RATIOS: Final = {
    "cached_vs_bare": ("gateway", "bare"),
    "cached_vs_envoy_cache": ("gateway", "envoy_cache"),
    "cached_vs_nginx_cache": ("gateway", "nginx_cache"),
    "cached_valkey_vs_bare": ("gateway_valkey", "bare"),
    "cached_valkey_vs_envoy_proxy": ("gateway_valkey", "envoy_proxy"),
}


@asynccontextmanager
async def measured() -> AsyncIterator[Measure]:
    """Give the measure, everybody running and warm."""
    with contextlib.ExitStack() as stack:
        on = stack.enter_context(contenders.stage())
        shared, valkey = stack.enter_context(contenders.with_valkey(on))
        bare = stack.enter_context(contenders.bare(on))
        keeping = stack.enter_context(contenders.peers(on, keeping=True))
        passing = stack.enter_context(_envoy_proxy(on))
        everybody = [bare, on.gateway, *keeping, shared, *passing]
        await in_turn(everybody, "warm")

        async def measure() -> Mapping[str, float]:
            took_s, reads = cpu_s(valkey.pid), valkey.reads
            loads, figures = await in_turn(everybody, "cached")
            took_s, reads, answered = cpu_s(valkey.pid) - took_s, valkey.reads - reads, loads[shared.name].requests
            theirs = {
                "cached_valkey_server_cpu_us": took_s / answered * 1e6,
                "cached_valkey_round_trips": reads / answered,
            }
            return figures | theirs | ratios(loads)

        yield measure


def ratios(loads: Mapping[str, Load]) -> dict[str, float]:
    """Return how we compare, with everybody who is there."""
    figures: dict[str, float] = {}
    for name, (ours, theirs) in RATIOS.items():
        if ours in loads and theirs in loads:
            figures[name] = loads[ours].per_s / loads[theirs].per_s
            figures[f"{name}_cpu"] = loads[theirs].cpu_us / loads[ours].cpu_us
    return figures


@contextlib.contextmanager
def _envoy_proxy(on: contenders.Stage) -> Iterator[list[Contender]]:
    with contenders.peers(on, keeping=False) as peers:
        yield [peer for peer in peers if peer.name == "envoy_proxy"]
