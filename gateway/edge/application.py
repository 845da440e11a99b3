"""The edge itself: reads a request within bounds, finds its plan, carries it out, and sends what comes of it."""

from collections.abc import Iterable, Mapping
from typing import Final

from gateway.contract.model import CALLER, CORRELATION_ID, DECISION_ID, Api
from gateway.counters import Counters
from gateway.deadline import deadline
from gateway.edge.answers import App, Scope, Send, collect, send_answer
from gateway.edge.limits import Disconnected, Receive, check_address, check_headers, read_body
from gateway.edge.paths import normal
from gateway.edge.routes import Routes, allowed, is_governed
from gateway.errors import Refused
from gateway.identity import Verifier
from gateway.policy.call import Answer, Call, Proceed
from gateway.policy.kinds.base import Kit, Policy
from gateway.policy.kinds.cache import note_write
from gateway.policy.operation import UNMATCHED, Operation
from gateway.policy.plan import Plan
from gateway.policy.responses import Responses
from gateway.problems import Context, render
from gateway.store.audit import Auditor
from gateway.store.database import Store
from gateway.store.idempotency_records import IdempotencyRecords
from gateway.trace import correlation_id_of, current_correlation_id, current_trace, trace_of
from openapi.common.types import Code

OPERATION: Final = "tiebeam.operation"
"""Key of `scope["state"]`, beside those of `gateway.contract.model`."""
ANSWERED_WITHIN_S: Final = 25.0
"""No caller waits longer for other systems: however many of them an operation asks, they share it."""
PAGE: Final = Operation(name="page", method="GET", path="", public=True, max_body_bytes=0)
"""Stands for everything that is open to everybody: health, documentation, problems."""


class Edge:
    """The ASGI application to serve. Give it plans for every operation that `app` routes, and for UNMATCHED."""

    def __init__(
        self,
        app: App,
        plans: Mapping[str, Plan],
        *,
        verifier: Verifier,
        counters: Counters,
        store: Store,
        responses: Responses | None = None,
    ) -> None:
        self._app = app
        self.auditor = Auditor(store)
        self._kit = Kit(
            verifier=verifier,
            counters=counters,
            records=IdempotencyRecords(store),
            auditor=self.auditor,
            responses=responses or Responses(),
            problem=problem,
        )
        self._routes = Routes(plans)
        self._ways = {place: _way(plan.policies, self._kit, self._serve) for place, plan in plans.items()}
        self._nowhere = _way(self._routes.unmatched.policies, self._kit, self._nothing_here)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is no HTTP goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = _call_of(scope, receive)
        current_correlation_id.set(call.correlation_id)
        current_trace.set(trace_of(call.all(b"traceparent")))
        try:
            answer = await self._answer(call, scope)
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 — the last place where a caller can still be given an answer.
            answer = problem(call, error)
        answer.add(b"x-correlation-id", call.correlation_id.encode("ascii"))
        await send_answer(send, answer, with_body=scope["method"] != "HEAD")

    async def _answer(self, call: Call, scope: Scope) -> Answer:
        check_address(scope["raw_path"], call.query)
        check_headers(call.headers)
        call.path = normal(scope["raw_path"])
        if not is_governed(call.path):
            return await self._serve(call)
        plan = self._routes.find(call.path).get("GET" if scope["method"] == "HEAD" else scope["method"])
        call.operation = plan.operation if plan else UNMATCHED
        answer = await (self._ways[plan.operation.place] if plan else self._nowhere)(call)
        if answer.header(b"cache-control") is None:
            answer.add(b"cache-control", b"no-store")
        return answer

    async def _serve(self, call: Call) -> Answer:
        """Return the framework's answer, and tell the caches of a write."""
        body = await call.body()
        with deadline(ANSWERED_WITHIN_S):
            answer = await collect(self._app, _told(call), body)
        if not call.operation.is_safe:
            await note_write(call, self._kit, answer.status)
        return answer

    async def _nothing_here(self, call: Call) -> Answer:
        """Return what a known caller is told of a path without operations, or without this method."""
        found = self._routes.find(call.path)
        if not found:
            raise Refused(Code.resource_not_found, "Check the address; /docs lists every operation.")
        if call.scope["method"] == "OPTIONS":
            return Answer(204, [(b"allow", allowed(found).encode())], b"")
        refused = Refused(Code.request_method_not_allowed, f"Use one of {allowed(found)}.")
        answer = problem(call, refused)
        answer.add(b"allow", allowed(found).encode())
        return answer


def operations_of(apis: Iterable[Api]) -> list[Operation]:
    """Return what policies need to know of each operation that is served."""
    return [
        Operation(
            name=operation.name,
            method=operation.method,
            path=operation.path,
            connection=operation.connection,
            scopes=frozenset(operation.scopes),
            public=operation.public,
            takes_idempotency_key=operation.idempotency_key,
            max_body_bytes=operation.max_body,
        )
        for api in apis
        for operation in api.operations
    ]


def problem(call: Call, error: Exception) -> Answer:
    """Return the refusal or failure as its answer, which carries the call's decision id."""
    scopes = tuple(sorted(call.operation.scopes))
    context = Context(correlation_id=call.correlation_id, decision_id=call.decision_id, scopes=scopes)
    status, headers, body = render(error, context)
    return Answer(status, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers], body)


def _call_of(scope: Scope, receive: Receive) -> Call:
    headers = scope["headers"]
    correlation_id = correlation_id_of([value for name, value in headers if name == b"x-correlation-id"])

    async def read(call: Call) -> bytes:
        return await read_body(receive, call.header(b"content-length"), call.operation.max_body_bytes)

    return Call(PAGE, scope, correlation_id, read)


def _told(call: Call) -> Scope:
    """Return the scope as the framework gets it: the one form of the path, and what the edge knows by now."""
    state: dict[str, object] = {CORRELATION_ID: call.correlation_id, DECISION_ID: call.decision_id}
    if call.operation is not PAGE:
        state[OPERATION] = call.operation.name
    if call.known_caller:
        state[CALLER] = call.known_caller
    method = "GET" if call.scope["method"] == "HEAD" else call.scope["method"]
    return {**call.scope, "method": method, "path": call.path, "state": {**call.scope.get("state", {}), **state}}


def _way(policies: Iterable[Policy], kit: Kit, end: Proceed) -> Proceed:
    """Return the policies as one function, the first of them outermost."""
    way = end
    for policy in reversed(tuple(policies)):
        way = _link(policy, kit, way)
    return way


def _link(policy: Policy, kit: Kit, proceed: Proceed) -> Proceed:
    return lambda call: policy.apply(call, kit, proceed)
