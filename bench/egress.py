"""What `egress` costs: CPU of a call with everything around it, against its transport alone, at the cheapest vendor.

Everything is on as in service: limits in the shared file, circuit, correlation, a JSON line in the log for each call.
"""

import asyncio
import io
import logging
import ssl
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from bench.rounds import Measure
from gateway.correlation import belonging
from gateway.counters.local import LocalCounters
from gateway.egress.limits import Part
from gateway.egress.request import Request
from gateway.egress.terms import Breaker, Patience, Quota, Terms
from gateway.egress.transport import Transport
from gateway.egress.upstreams import Upstreams
from gateway.telemetry.logs import start_logging
from gateway.trace import Trace

CALLS: Final = 2_000
IN_FLIGHT: Final = 32
BODY: Final = b'{"method":"model.party.party.search","params":[[["code","=","C-1"]],0,2,null,{}],"id":1}'
TERMS: Final = Terms(
    quota=Quota(
        rate=100_000, burst=100_000, concurrency=IN_FLIGHT * 2, interactive_share=0.5, when_unavailable="refuse"
    ),
    patience=Patience(deadline_s=20, connect_s=2, read_retries=3),
    circuit=Breaker(failures=5, open_s=10),
)


class Nowhere(io.BytesIO):
    """Takes lines, and forgets them."""

    def write(self, line: bytes) -> int:  # type: ignore[override]  # Nobody gives it any other buffer.
        """Return how much was taken."""
        return len(line)


Call = Callable[[], Awaitable[object]]


@asynccontextmanager
async def measured() -> AsyncIterator[Measure]:
    """Give the measure, its vendor running."""
    async with _echo() as url:
        with tempfile.TemporaryDirectory() as folder:
            start_logging("info", Nowhere())
            counters = LocalCounters(Path(folder, "counters.sqlite"))
            egress = Upstreams({"books": TERMS}, part=Part.web, counters=counters)
            tls = ssl.create_default_context()
            bare = Transport(connections=IN_FLIGHT, connect_s=2, max_answer_bytes=1 << 20, tls=tls)
            try:
                yield lambda: _figures(bare, egress, url)
            finally:
                await egress.close()
                await bare.close()
                await counters.close()
                logging.basicConfig(force=True)


async def _figures(bare: Transport, egress: Upstreams, url: str) -> Mapping[str, float]:
    http = egress.http("books")
    headers = {"content-type": "application/json"}
    request = Request(method="POST", url=url, operation="search", headers=headers, content=BODY)
    alone_us = await _cpu_us(lambda: bare.send(request))
    with belonging(correlation_id="cor_bench_1", trace=Trace.begin()):
        whole_us = await _cpu_us(
            lambda: http.call("POST", url, operation="search", write=False, content=BODY, headers=headers)
        )
    return {
        "egress_transport_cpu_us": alone_us,
        "egress_call_cpu_us": whole_us,
        "egress_overhead_ratio": whole_us / alone_us,
    }


async def _cpu_us(call: Call) -> float:
    """Return this process's CPU time for one call, of many in flight."""

    async def several() -> None:
        for _ in range(CALLS // IN_FLIGHT):
            await call()

    began = time.process_time()
    await asyncio.gather(*(several() for _ in range(IN_FLIGHT)))
    return (time.process_time() - began) / CALLS * 1e6


@asynccontextmanager
async def _echo() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.echo", stdin=PIPE, stdout=PIPE)
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("The echo has no pipes.")
    try:
        port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/erp/"
    finally:
        process.stdin.close()
        await process.wait()
