"""The edge with everything around it that is ours, on a clock that stands still; the framework behind it is a stub."""

import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from gateway.contract.model import CALLER
from gateway.counters import Counters
from gateway.counters.memory import MemoryCounters
from gateway.edge import Edge, kit_of
from gateway.edge.answers import Send
from gateway.edge.limits import Receive
from gateway.identity import Denials, Verifier
from gateway.keys import KeyRing, TrustedIssuer
from gateway.policy.document import policies_of
from gateway.policy.operation import Operation
from gateway.policy.plan import compiled
from gateway.policy.responses import Responses
from gateway.store import audit, idempotency_records
from gateway.store.database import Store, create_engine
from gateway.store.denials import Denial
from gateway.store.tallies import tb_flush
from gateway.store.usage import tb_usage
from gateway.token_minting import Grant, ensure_development_key, mint
from tests.fakes.clock import Clock

OWN = "the CRM's own"
ISSUER, AUDIENCE = "https://login.example", "tiebeam"
SCOPES = ("status:read", "onboardings:start", "customers:read", "customers:create")
POLICIES = """
- {kind: audit}
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: rate_limit, per: client, limit: 100, window_s: 100, when_unavailable: allow}
- {kind: idempotency, keep_days: 7, lease_s: 30}
- {kind: cache, match: {operations: ["process/status/v1:*"]}, fresh_s: 10, when_unavailable: bypass,
   changed_by: ["process/project_onboarding/v1:start_onboarding"]}
- {kind: cache, match: {operations: ["system/*"]}, fresh_s: 10, when_unavailable: bypass}
"""
OPERATIONS = (
    Operation(
        name="process/status/v1:get_project_status",
        method="GET",
        path="/process/status/v1/project-statuses/{project_id}",
        scopes=frozenset({"status:read"}),
        max_body_bytes=0,
        stale_at=("stale",),
    ),
    Operation(
        name="process/status/v1:get_newest",
        method="GET",
        path="/process/status/v1/project-statuses/newest",
        max_body_bytes=0,
    ),
    Operation(name="process/status/v1:about", method="GET", path="/process/status/v1/about", public=True),
    Operation(
        name="process/project_onboarding/v1:start_onboarding",
        method="POST",
        path="/process/project-onboarding/v1/onboardings",
        scopes=frozenset({"onboardings:start"}),
        takes_idempotency_key=True,
        max_body_bytes=1000,
    ),
    *(
        operation
        for connection in ("books", "ledger")
        for operation in (
            Operation(
                name="system/erp/v1:get_customer",
                method="GET",
                path=f"/system/{connection}/erp/v1/customers/{{customer_id}}",
                connection=connection,
                scopes=frozenset({"customers:read"}),
                max_body_bytes=0,
            ),
            Operation(
                name="system/erp/v1:create_customer",
                method="POST",
                path=f"/system/{connection}/erp/v1/customers",
                connection=connection,
                scopes=frozenset({"customers:create"}),
                max_body_bytes=1000,
            ),
        )
    ),
)
STATUS = "/process/status/v1/project-statuses/prj_1"
ONBOARDINGS = "/process/project-onboarding/v1/onboardings"
CUSTOMER, CUSTOMERS = "/system/books/erp/v1/customers/17", "/system/books/erp/v1/customers"

Respond = Callable[["Seen"], Awaitable[tuple[int, dict[str, str], bytes]]]


EVERYBODY: dict[str, Any] = {"kind": "consumer", "client_id": "*", "owner": "Tests"}


class Seen:
    """A request as the framework got it."""

    def __init__(self, scope: MutableMapping[str, Any], body: bytes) -> None:
        self.method, self.path, self.query = scope["method"], scope["path"], scope["query_string"]
        self.state, self.body = scope["state"], body
        self.caller = scope["state"].get(CALLER)


class Framework:
    """Answers everything with a number that grows, unless a test says otherwise."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.respond: Respond = self.count

    async def count(self, seen: Seen) -> tuple[int, dict[str, str], bytes]:
        """Return how many requests came so far."""
        status = 202 if seen.method == "POST" else 200
        return status, {"content-type": "application/json"}, json.dumps({"number": len(self.seen)}).encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        assert (await receive())["type"] == "http.disconnect"
        seen = Seen(scope, body)
        self.seen.append(seen)
        status, headers, content = await self.respond(seen)
        fields = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": content})


class Reply:
    """What the caller got."""

    def __init__(self, messages: list[MutableMapping[str, Any]]) -> None:
        self.status: int = messages[0]["status"]
        self.fields = [(name.decode(), value.decode()) for name, value in messages[0]["headers"]]
        self.headers = dict(self.fields)
        assert len(self.headers) == len(self.fields), "A field came twice."
        self.body = b"".join(message["body"] for message in messages[1:])

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document is anything.
        """Return the body's document."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """Return the problem's code."""
        if self.headers.get("content-type") != "application/problem+json":
            return None
        assert self.json["status"] == self.status
        return str(self.json["code"])


class World:
    """One edge and its surroundings."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        clock: Clock,
        policies: str = POLICIES,
        counters: Counters | None = None,
        *,
        consumers: Sequence[dict[str, Any]] = (EVERYBODY,),
        operations: Sequence[Operation] = OPERATIONS,
        **edge: Any,  # noqa: ANN401 - what an edge takes by name.
    ) -> None:
        self.clock, self.store, self.folder, self.framework = clock, store, folder, Framework()
        self.denied: list[Denial] = []
        self.denials_read = 0
        issuer = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=ensure_development_key(folder))
        denials = Denials(self._read_denials, clock=self.seconds, wall=self.seconds)
        self.verifier = Verifier(KeyRing([issuer]), clock=self.seconds, denials=denials)
        self.counters = counters or MemoryCounters(self.seconds)
        rows = policies_of("test.yaml", [*yaml.safe_load(policies), *consumers])
        self.policies = compiled(rows, operations, self.verifier.issuers)
        self.kit = kit_of(
            verifier=self.verifier,
            counters=self.counters,
            store=store,
            responses=Responses(clock=self.seconds),
        )
        self.edge = Edge(self.framework, self.policies, self.kit, clock=self.seconds, **edge)

    async def _read_denials(self) -> Sequence[Denial]:
        self.denials_read += 1
        return self.denied

    def seconds(self) -> float:
        """Return the moment as a number."""
        return self.clock().timestamp()

    def token(self, client_id: str = "crm", scopes: Sequence[str] = SCOPES, **limits: Any) -> str:  # noqa: ANN401 - fields of a grant.
        """Return a token that sees everything, unless it is limited."""
        grant = Grant(client_id=client_id, scopes=tuple(scopes), **({"legal_entities": "*"} | limits))
        return mint(self.folder, grant, issuer=ISSUER, audience=AUDIENCE, now=self.seconds())

    async def send(  # noqa: PLR0913 - what requests differ in, given by name.
        self,
        method: str,
        target: str,
        *,
        token: str | None = OWN,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        parts: int = 1,
        client: str | None = None,
        http_version: str = "2",
    ) -> Reply:
        """Return the answer to a request of the CRM, or of whoever the token names; `client` is a network address."""
        fields = list(headers)
        if token is not None:
            fields.append(("authorization", f"Bearer {self.token() if token == OWN else token}"))
        path, _, query = target.partition("?")
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": http_version,
            "method": method,
            "path": "never read",
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in fields],
            "client": (client, 40_000) if client else None,
        }
        size = -(-len(body) // parts) or 1
        pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
        messages: list[MutableMapping[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self.edge(scope, receive, send)
        return Reply(sent)


async def open_edge_store(url: str, clock: Clock) -> Store:
    """Return a store that has the edge's tables."""
    store = Store(create_engine(url), clock)
    async with store.begin() as connection:
        for table in (audit.TABLE, idempotency_records.TABLE, tb_usage, tb_flush):
            await connection.run_sync(table.create, checkfirst=True)
    return store
