"""The edge itself: reads a request within bounds, finds its plan, carries it out, and sends what comes of it."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Final

from gateway.contract.model import CALLER, CORRELATION_ID, DECISION_ID, RESOURCE_METADATA, Api, Endpoint
from gateway.contract.model import Operation as Bound
from gateway.deadline import deadline
from gateway.edge.address import Addresses
from gateway.edge.answers import App, Scope, Send, answered, collect, send_answer
from gateway.edge.governed import PAGE, Governed
from gateway.edge.limits import Disconnected, Receive, check_address, check_headers, check_host, has_no_body, read_body
from gateway.edge.outcomes import Outcomes
from gateway.edge.paths import normal
from gateway.edge.pressure import MOST, Pressure
from gateway.edge.shadow import Shadow
from gateway.edge.standing import Standing
from gateway.edge.strangers import Strangers
from gateway.identity import Identity
from gateway.policy.call import Answer, Call
from gateway.policy.kinds.base import Kit
from gateway.policy.kinds.cache import note_write
from gateway.policy.operation import Operation
from gateway.policy.plan import PolicySet
from gateway.trace import correlation_id_of, current_correlation_id, current_trace, trace_of

ANSWERED_WITHIN_S: Final = 25.0
"""No caller waits longer for other systems: however many of them an operation asks, they share it."""


class Edge:
    """The ASGI application to serve. Give it policies for every operation that is served, and for UNMATCHED.

    `endpoints` answer operations, each by its place; `app` answers everything else.
    `reload` is called when another set of policies went live; it ends with `use`. `governed` is the set at work,
    `shadow` the candidate that is tried beside it, if there is one.
    """

    governed: Governed
    shadow: Shadow | None = None

    def __init__(  # noqa: PLR0913 - what each process has of its own, given by name.
        self,
        app: App,
        policies: PolicySet,
        kit: Kit,
        *,
        endpoints: Mapping[str, Endpoint] | None = None,
        trusted_proxies: Sequence[str] = (),
        most_under_way: int = MOST,
        reload: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._endpoints, self.kit, self.clock = app, endpoints or {}, kit, clock
        self._standing = Standing(kit.verifier, reload or _nothing_to_reload)
        self._strangers = Strangers(kit, self._standing, Addresses(trusted_proxies).of, clock)
        self._pressure = Pressure(most_under_way)
        self._outcomes = Outcomes()
        for figures in (self._pressure.figures, self._outcomes.figures):
            kit.metrics.read_from(figures)
        self.use(policies)

    def use(self, policies: PolicySet) -> None:
        """Put the set in the place of the one before; a call under way ends under the one that it began with.

        What was tried beside another set is tried no longer: its counts are about that one.
        """
        if self.shadow and policies.id != self.policies.id:
            self.shadow = None
        self.governed = Governed(
            *(policies, self.kit, self._standing, self._serve),
            strangers=self._strangers,
            pressure=self._pressure,
            shadow=self.shadow,
        )

    def try_out(self, shadow: Shadow | None) -> None:
        """Decide each call by a candidate too, for the count alone; None ends that."""
        if shadow is not self.shadow:
            self.shadow = shadow
            self.use(self.policies)

    @property
    def policies(self) -> PolicySet:
        """Return the set at work."""
        return self.governed.policies

    async def identity(self, call: Call) -> Identity:
        """Return whose token came with a call of a page, counted as on any path; raises Refused and Unavailable."""
        return await self._strangers.identity(call, self.governed.tries)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is no HTTP goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self.clock()
        call = Call(PAGE, scope, partial(_read, receive))
        fields = call.fields
        call.correlation_id = correlation_id_of(fields.get(b"x-correlation-id"))
        current_correlation_id.set(call.correlation_id)
        try:
            check_address(scope["raw_path"], scope["query_string"])
            check_headers(fields)
            check_host(scope.get("http_version", ""), fields)
            answer = self.governed.way(call)(call)
            if not isinstance(answer, Answer):
                answer = _not_to_be_kept(call, await answer)
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 — the last place where a caller can still be given an answer.
            refusal = self.kit.problem(call, error) if call.path else await self.governed.turned_away(call, error)
            answer = _not_to_be_kept(call, refusal)
        self._outcomes.count(call.operation, answer.status, self.clock() - began)
        answer.headers.append((b"x-correlation-id", call.correlation_id.encode()))
        await send_answer(send, answer, with_body=scope["method"] != "HEAD")

    async def _serve(self, call: Call) -> Answer:
        """Return the operation's answer, or the framework's, and tell the caches of a write.

        Pages are answered under any pressure: whether the process lives is asked most when it has much to do.
        """
        if not call.path:
            call.path = normal(call.scope["raw_path"])
        current_trace.set(trace_of(call.all(b"traceparent")))
        body = await call.body()  # Before a place is taken: who sends slowly keeps nobody else from one.
        with nullcontext() if call.operation is PAGE else self._pressure, deadline(ANSWERED_WITHIN_S):
            endpoint = self._endpoints.get(call.operation.place)
            if endpoint:
                answer = await answered(endpoint, _told(call, self.kit), body)
            else:
                answer = await collect(self._app, _told(call, self.kit), body)
        if not call.operation.is_safe:
            await note_write(call, self.kit, answer.status)
        return answer


async def _nothing_to_reload() -> None:
    """Stand in where nobody reloads: in tests, and in tools."""


def operations_of(apis: Iterable[Api]) -> list[Operation]:
    """Return what policies need to know of each operation that is served."""
    return [_known(operation) for api in apis for operation in api.operations]


def places_of(apis: Iterable[Api]) -> dict[str, tuple[str, Endpoint]]:
    """Return each operation's name and what answers it, by its place."""
    bound = (operation for api in apis for operation in api.operations)
    return {_known(operation).place: (operation.name, operation.endpoint) for operation in bound}


def _known(operation: Bound) -> Operation:
    return Operation(
        name=operation.name,
        method=operation.method,
        path=operation.path,
        connection=operation.connection,
        scopes=frozenset(operation.scopes),
        further_scopes=frozenset(operation.further_scopes),
        public=operation.public,
        takes_idempotency_key=operation.idempotency_key,
        max_body_bytes=operation.max_body,
        stale_at=operation.stale_at,
    )


def _not_to_be_kept(call: Call, answer: Answer) -> Answer:
    """Return the answer, which nobody else may keep unless it says so itself; of a page anybody may."""
    if call.operation is not PAGE and answer.header(b"cache-control") is None:
        answer.add(b"cache-control", b"no-store")
    return answer


async def _read(receive: Receive, call: Call) -> bytes:
    if has_no_body(call.scope.get("http_version", ""), call.fields):
        return b""
    return await read_body(receive, call.header(b"content-length"), call.operation.max_body_bytes)


def _told(call: Call, kit: Kit) -> Scope:
    """Return the scope as the framework gets it: the one form of the path, and what the edge knows by now."""
    state: dict[str, object] = {
        CORRELATION_ID: call.correlation_id,
        DECISION_ID: lambda: call.decision_id,
        RESOURCE_METADATA: kit.resource_metadata,
    }
    if call.known_caller:
        state[CALLER] = call.known_caller
    method = "GET" if call.scope["method"] == "HEAD" else call.scope["method"]
    return {**call.scope, "method": method, "path": call.path, "state": {**call.scope.get("state", {}), **state}}
