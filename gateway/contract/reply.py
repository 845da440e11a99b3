"""A whole response that needs nothing more of the framework: it sends itself."""

from collections.abc import Sequence

from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send


class Reply:
    """Status, header fields and body, as an ASGI application. Whoever sends it on says how long it is."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        self._status, self._body = status, body
        self._headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        start: HTTPResponseStartEvent = {
            "type": "http.response.start",
            "status": self._status,
            "headers": self._headers,
        }
        body: HTTPResponseBodyEvent = {"type": "http.response.body", "body": self._body, "more_body": False}
        await send(start)
        await send(body)
