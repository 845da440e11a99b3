"""One connection's `Http`: each call queues, is sent, is judged, and is made again where that is safe."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from msgspec import Struct

from gateway import deadline
from gateway.egress.alarm import Alarm
from gateway.egress.circuit import Circuit
from gateway.egress.limits import Limiter
from gateway.egress.request import Request, shown
from gateway.egress.response import Response
from gateway.egress.retry import pause_s
from gateway.egress.terms import Patience
from gateway.egress.verdict import LOST, Answer, Failure, Unreadable, verdict_on, verdict_on_loss
from gateway.errors import Unavailable
from gateway.telemetry.logs import note
from gateway.telemetry.metrics import RETRIES, UPSTREAM_CALLS, Metrics
from gateway.trace import current_correlation_id, current_trace
from openapi.common.types import Code

USER_AGENT: Final = "tiebeam"
PATIENT: Final = 0.5
"""The part of its own deadline that a connection must have been given, before silence speaks against the system."""

log = logging.getLogger(__name__)


class Sends(Protocol):
    """What carries bytes: `transport.Transport`."""

    async def send(self, request: Request) -> Response:
        """Return the answer; raises what LOST lists, or Unreadable."""


class Tools(Struct, frozen=True, kw_only=True):
    """What tests replace: time, chance, and where calls are counted."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    fraction: Callable[[], float]
    metrics: Metrics


class Asked(Struct, frozen=True, kw_only=True):
    """One call as the connector wants it, all its tries together."""

    request: Request
    write: bool
    no_effect: Callable[[Response], bool] | None
    left_s: Callable[[], float]


class ConnectionHttp:
    """The way to one system; `gateway.egress.Http` says what `call` does."""

    def __init__(
        self, name: str, patience: Patience, *, transport: Sends, limiter: Limiter, circuit: Circuit, tools: Tools
    ) -> None:
        self._name, self._patience = name, patience
        self._transport, self._limiter, self._circuit, self._tools = transport, limiter, circuit, tools
        self._alarm = Alarm()

    async def call(
        self,
        method: str,
        url: str,
        *,
        operation: str,
        write: bool,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        no_effect: Callable[[Response], bool] | None = None,
    ) -> Response:
        """Return the answer; raises Unavailable, of writes also Uncertain."""
        fields = {"user-agent": USER_AGENT} | {name.lower(): value for name, value in (headers or {}).items()}
        fields["accept-encoding"] = "gzip"  # Else Tryton 8.2 says gzip of what it did not compress.
        request = Request(method=method, url=url, operation=operation, headers=fields, content=content)
        asked = Asked(request=request, write=write, no_effect=no_effect, left_s=self._left())
        failed = 0
        while isinstance(answer := await self._try(asked), Failure):
            failed += 1
            await self._pause(asked, answer, failed)
        return answer

    def _left(self) -> Callable[[], float]:
        """Return what tells how much time this call has left: the connection's, or the caller's where that is less."""
        until = self._tools.clock() + min(self._patience.deadline_s, deadline.left_s())
        return lambda: until - self._tools.clock()

    async def _pause(self, asked: Asked, failure: Failure, failed: int) -> None:
        """Return when the call may be tried again; raises the error that says why it is not."""
        wait_s = pause_s(
            failure,
            self._patience,
            write=asked.write,
            failed=failed,
            left_s=asked.left_s(),
            fraction=self._tools.fraction(),
        )
        if wait_s is None:
            raise failure.error(write=asked.write) from failure.cause
        self._tools.metrics.count(RETRIES, connection=self._name, operation=asked.request.operation)
        await self._tools.sleep(wait_s)

    async def _try(self, asked: Asked) -> Answer:
        """Return what became of one try. What is refused before anything is sent is raised: nobody asks the system."""
        self._circuit.check(write=asked.write)
        await self._limiter.turn(asked.left_s)
        async with self._limiter.place(asked.left_s):
            self._circuit.admit(write=asked.write)
            answer = await self._exchange(asked)
        self._learn(answer)
        return answer

    def _learn(self, answer: Answer) -> None:
        """Note what the answer says of the system."""
        if isinstance(answer, Failure) and answer.away:
            self._circuit.failed()
            return
        self._circuit.answered()
        if isinstance(answer, Failure) and answer.code is Code.upstream_rate_limited and answer.retry_after_s:
            self._limiter.be_quiet(answer.retry_after_s)

    async def _exchange(self, asked: Asked) -> Answer:
        """Return the answer to one request that was sent, counted and logged whatever becomes of it."""
        left_s = asked.left_s()
        if left_s <= 0:
            raise Unavailable(Code.upstream_unavailable, "Time was up before the other system could be asked.")
        _belong(asked.request)
        began, told = self._tools.clock(), "cancelled"
        try:
            with self._alarm.within(left_s):
                response = await self._transport.send(asked.request)
            told = str(response.status)
            return verdict_on(response, self._tools.now, asked.no_effect)
        except (*LOST, Unreadable) as error:
            told = "unreadable" if isinstance(error, Unreadable) else "lost"
            return verdict_on_loss(error, patient=left_s >= self._patience.deadline_s * PATIENT)
        finally:
            self._record(asked, told, self._tools.clock() - began)

    def _record(self, asked: Asked, told: str, seconds: float) -> None:
        labels = {"connection": self._name, "operation": asked.request.operation}
        self._tools.metrics.count(UPSTREAM_CALLS, **labels, outcome=told)
        if log.isEnabledFor(logging.INFO):
            fields = {
                **labels,
                "method": asked.request.method,
                **shown(asked.request.url),
                "outcome": told,
                "ms": round(seconds * 1000, 1),
            }
            note(log, "upstream call", fields)


def _belong(request: Request) -> None:
    """Let the vendor's logs name the same call as ours (W3C Trace Context)."""
    if trace := current_trace.get():
        request.headers["traceparent"] = trace.parent
    if correlation_id := current_correlation_id.get():
        request.headers["x-correlation-id"] = correlation_id
