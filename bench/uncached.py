"""A read that goes to the other system each time: what this gateway adds to what it stands on, beside proxies.

`uncached_added_cpu_us` is a request's CPU, less that of the framework with one call of the same transport, both of the
same round. `uncached_added_p50_ms` and `…_p99_ms` are what a caller waits longer than for the upstream itself.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from bench import paced
from bench.contenders import all as contenders
from bench.rounds import Measure
from bench.wrk import in_turn

FRESH: Final = {"Cache-Control": "no-cache"}
PER_S: Final = 500
PACED_S: Final = 2.0


@asynccontextmanager
async def measured() -> AsyncIterator[Measure]:
    """Give the measure, everybody running and warm."""
    with contextlib.ExitStack() as stack:
        on = stack.enter_context(contenders.stage())
        ours = on.gateway._replace(headers=dict(on.gateway.headers) | FRESH)
        framework = stack.enter_context(contenders.framework(on))
        everybody = [framework, ours, *stack.enter_context(contenders.peers(on, keeping=False))]
        await in_turn(everybody, "warm")

        async def measure() -> Mapping[str, float]:
            loads, figures = await in_turn(everybody, "uncached")
            added_us = loads["gateway"].cpu_us - loads["framework"].cpu_us
            direct = await paced.latencies(on.asked, {}, PER_S, PACED_S)
            through = await paced.latencies(ours.url, ours.headers, PER_S, PACED_S)
            added = {f"uncached_added_{which}_ms": through[which] - direct[which] for which in direct}
            return figures | {"uncached_added_cpu_us": added_us} | added

        yield measure
