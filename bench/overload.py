"""More than the gateway bears: what it turns away, how soon, and how soon it is well again.

Three times as many reads of another system as it answers at most are due, in an open loop; then few again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from bench.contenders import all as contenders
from bench.paced import Shot, fired
from bench.rounds import Measure, quantile
from bench.uncached import FRESH
from bench.wrk import Contender, loaded

TIMES: Final = 3
OVERLOAD_S: Final = 3.0
CONNECTIONS: Final = 512
CALM_PER_S, CALM_S = 100.0, 3.0
PROMPT_S: Final = 0.1
"""A read that takes longer is not yet answered as before."""
OK, BUSY = 200, 503


@asynccontextmanager
async def measured() -> AsyncIterator[Measure]:
    """Give the measure, the gateway running and warm."""
    with contextlib.ExitStack() as stack:
        on = stack.enter_context(contenders.stage())
        ours = on.gateway._replace(headers=dict(on.gateway.headers) | FRESH)
        most = (await loaded(ours)).per_s
        yield lambda: asyncio.to_thread(_figures, ours, most * TIMES)


def _figures(ours: Contender, per_s: float) -> Mapping[str, float]:
    under = fired(ours.url, ours.headers, per_s, OVERLOAD_S, CONNECTIONS)
    after = fired(ours.url, ours.headers, CALM_PER_S, CALM_S)
    return figures(under, after)


def figures(under: Sequence[Shot], after: Sequence[Shot]) -> dict[str, float]:
    """Return what became of the requests under overload, and when those after it were answered as before."""
    shed = [shot for shot in under if shot.status == BUSY and b"retry-after:" in shot.head.lower()]
    served = [shot for shot in under if shot.status == OK]
    return {
        "shed_share": len(shed) / len(under),
        "shed_p99_ms": quantile([shot.took_s * 1e3 for shot in shed] or [0.0], 0.99),
        "shed_served_p99_ms": quantile([shot.took_s * 1e3 for shot in served] or [0.0], 0.99),
        "shed_otherwise": (len(under) - len(shed) - len(served)) / len(under),
        "recovered_s": recovered_s(after),
    }


def recovered_s(after: Sequence[Shot]) -> float:
    """Return when the last request that was not answered promptly was due, after the first one; 0 where all were."""
    late = [shot.due_s for shot in after if shot.status != OK or shot.took_s > PROMPT_S]
    return max(late, default=0.0)
