"""What the gateway stands on, alone: the same server with nothing but the bytes, and the framework with one call.

Run as `python -m bench.contenders.applications bare|framework`: served exactly as the gateway is, from its settings.
"""

import os
import sys
from typing import Final

import aiohttp
from litestar import Litestar, Request, Response, route
from litestar.datastructures import State
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send
from msgspec import Struct, json

from gateway.commands import server
from gateway.settings import load

VARIABLE: Final = "BENCH_PLAIN"
"""Holds what to serve; the server builds the application in a process of its own."""
CONNECTIONS: Final = 500


class Plain(Struct, frozen=True, kw_only=True):
    """What is served: the gateway's answer, and where the framework's handler asks before it sends that."""

    headers: list[tuple[str, str]]
    body: str
    upstream: str
    path: str


def bare() -> ASGIApp:
    """Return an application that sends the answer."""
    plain = _plain()
    headers = [(name.encode(), value.encode()) for name, value in plain.headers]
    start: HTTPResponseStartEvent = {"type": "http.response.start", "status": 200, "headers": headers}
    body: HTTPResponseBodyEvent = {"type": "http.response.body", "body": plain.body.encode(), "more_body": False}

    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(start)
        await send(body)

    return application


def framework() -> Litestar:
    """Return the framework with one route, whose handler reads the upstream's answer and sends the gateway's."""
    plain = _plain()
    headers, body = dict(plain.headers), plain.body.encode()
    sessions: list[aiohttp.ClientSession] = []

    @route(plain.path, http_method=["GET"])
    async def read(request: Request[None, None, State]) -> Response[bytes]:
        del request
        if not sessions:
            sessions.append(_session())  # In the loop that serves.
        async with sessions[0].get(plain.upstream) as answer:
            await answer.read()
        return Response(body, headers=headers)

    return Litestar([read], openapi_config=None)


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ttl_dns_cache=60)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)


def _plain() -> Plain:
    return json.decode(os.environ[VARIABLE], type=Plain)


if __name__ == "__main__":
    server(load(), f"bench.contenders.applications:{sys.argv[1]}").serve()
