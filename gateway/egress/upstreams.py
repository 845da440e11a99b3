"""Builds the `Http` of each connection, and closes what they opened. One for each process."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from gateway.counters import Counters
from gateway.counters.memory import MemoryCounters
from gateway.egress import Http
from gateway.egress.circuit import Circuit
from gateway.egress.connection import ConnectionHttp, Sends, Tools
from gateway.egress.limits import Limiter, Part, places_of
from gateway.egress.terms import Quota, Terms
from gateway.egress.transport import Transport, tls_context
from gateway.telemetry.metrics import Metrics


def _now() -> datetime:
    return datetime.now(UTC)


def tools(metrics: Metrics) -> Tools:
    """Return real time and real chance."""
    return Tools(
        clock=time.monotonic, now=_now, sleep=asyncio.sleep, fraction=random.SystemRandom().random, metrics=metrics
    )


class Upstreams:
    """Every connection's way out; connections of one `scope` share its limits.

    `traced(connection, transport)` puts spans around what is sent: `Tracing.transport`, or None where nobody records.
    """

    def __init__(
        self,
        terms: Mapping[str, Terms],
        *,
        part: Part,
        counters: Counters | None = None,
        metrics: Metrics | None = None,
        traced: Callable[[str, Sends], Sends] | None = None,
        with_tools: Tools | None = None,
    ) -> None:
        self.metrics = metrics or Metrics()
        self._terms, self._part, self._tools = terms, part, with_tools or tools(self.metrics)
        self._counters = counters or MemoryCounters(self._tools.clock)
        self._traced = traced or _untraced
        self._limiters: dict[str, Limiter] = {}
        self._https: dict[str, ConnectionHttp] = {}
        self._transports: list[Transport] = []

    def http(self, connection: str) -> Http:
        """Return the way to the connection's system, the same one each time."""
        if connection not in self._https:
            self._https[connection] = self._built(connection, self._terms[connection])
        return self._https[connection]

    async def close(self) -> None:
        """Hang up everywhere."""
        for transport in self._transports:
            await transport.close()

    def _built(self, connection: str, terms: Terms) -> ConnectionHttp:
        transport = Transport(
            connections=places_of(terms.quota, self._part).all,
            connect_s=terms.patience.connect_s,
            max_answer_bytes=terms.max_answer_bytes,
            tls=tls_context(),
        )
        self._transports.append(transport)
        return ConnectionHttp(
            connection,
            terms.patience,
            transport=self._traced(connection, transport),
            limiter=self._limiter(terms.quota, terms.quota.scope or connection),
            circuit=Circuit(terms.circuit, self._tools.clock),
            tools=self._tools,
        )

    def _limiter(self, quota: Quota, scope: str) -> Limiter:
        if scope not in self._limiters:
            self._limiters[scope] = Limiter(
                scope, quota, self._part, self._counters, self._tools.clock, self._tools.sleep
            )
        return self._limiters[scope]


def _untraced(_connection: str, transport: Sends) -> Sends:
    return transport
