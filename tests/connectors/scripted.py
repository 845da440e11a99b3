"""A Tryton that answers what a test says, and notes what it was asked: for what a running one does too seldom."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from gateway.egress.response import Response
from gateway.secret import Secret
from system_apis.connector import Connection
from system_apis.connectors import tryton
from system_apis.connectors.tryton import Settings
from system_apis.connectors.tryton.client import TrytonClient
from system_apis.connectors.tryton.erp.adapter import TrytonErp
from system_apis.connectors.tryton.psa.adapter import TrytonPsa

SETTINGS = Settings(
    base_url="http://tryton.example",
    database="erp",
    user="gateway",
    password=Secret("right"),
    companies={"ES01": 1},
    payment_terms={"net_30": "Net 30"},
)
CONNECTION = Connection(name="books", environment="sandbox", legal_entities=("ES01",))
Reply = Exception | Callable[[str | None], object] | int | object


class ScriptedTryton:
    """The `Http` of a connection.

    An answer is a result, a status, an exception that `egress` would raise, or what makes one of the authorization.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.writes: set[str] = set()
        """The operations that were sent as writes."""
        self.sent: list[tuple[str, list[Any], str | None]] = []
        self._planned: dict[str, deque[Reply]] = {}
        self._standing: dict[str, Reply] = {
            "common.db.login": [2, "key", None],
            "res.user.get_preferences": {"company": 1, "companies": [1], "employee": None, "groups": [4]},
        }

    def plan(self, operation: str, *replies: Reply) -> None:
        """Answer the next calls of an operation with these, in their order."""
        self._planned.setdefault(operation, deque()).extend(replies)

    def always(self, operation: str, reply: Reply) -> None:
        """Answer every call of an operation with this, where nothing is planned."""
        self._standing[operation] = reply

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
        """Return what was planned."""
        del method, url, no_effect
        await asyncio.sleep(0)  # Others come in between, as on any network.
        self.calls[operation] += 1
        if write:
            self.writes.add(operation)
        params = json.loads(content or b"{}").get("params", [])
        self.sent.append((operation, params, (headers or {}).get("Authorization")))
        planned = self._planned.get(operation)
        reply = planned.popleft() if planned else self._standing[operation]
        if callable(reply):
            reply = reply((headers or {}).get("Authorization"))
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, int) and not isinstance(reply, bool):
            return Response(status=reply, content=b"<!doctype html>")
        return Response(status=200, content=json.dumps({"id": 1, "result": reply}).encode())

    def params(self, operation: str) -> list[Any]:
        """Return what the last call of an operation was sent with."""
        return next(params for name, params, _ in reversed(self.sent) if name == operation)


def client(http: ScriptedTryton, clock: Callable[[], float] = lambda: 0.0) -> TrytonClient:
    """Return a client of the scripted server."""
    return TrytonClient(SETTINGS, http, clock)


def erp(http: ScriptedTryton) -> TrytonErp:
    """Return the port of a ledger on the scripted server."""
    return tryton.erp(CONNECTION, SETTINGS, http)


def psa(http: ScriptedTryton) -> TrytonPsa:
    """Return the port of delivery on the scripted server."""
    return tryton.psa(CONNECTION, SETTINGS, http)
