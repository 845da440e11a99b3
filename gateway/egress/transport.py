"""The bytes to one system and back, over aiohttp's sockets: each request is written once, each answer read whole."""

import ssl
from functools import cache
from typing import Final

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from gateway.egress.decoding import plain, whole
from gateway.egress.request import Request
from gateway.egress.response import Response
from gateway.egress.verdict import NOT_SENT

KEEP_ALIVE_S: Final = 4.0
"""Servers hang up idle connections after 5 s (Node, Apache) and more; a write that meets that is uncertain."""
DNS_CACHE_S: Final = 60


class Transport:
    """A pool of connections. Follows no redirect, keeps no cookie, reads no proxy from the environment."""

    def __init__(self, *, connections: int, connect_s: float, max_answer_bytes: int, tls: ssl.SSLContext) -> None:
        self._connections, self._connect_s, self._most, self._tls = connections, connect_s, max_answer_bytes, tls
        self._http: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> Response:
        """Return the answer, whatever its status, read and decoded; raises what LOST lists, or Unreadable."""
        if self._http is None:
            self._http = self._session()  # With the first call, because it belongs to the loop that runs then.
        asked = self._http.request(
            request.method, request.url, headers=request.headers, data=request.content, allow_redirects=False
        )
        async with asked as answer:
            body = await whole(answer.content, self._most)
        content = plain(answer.headers, body, self._most)
        return Response(status=answer.status, content=content, headers=answer.raw_headers)

    async def close(self) -> None:
        """Hang up."""
        if self._http is not None:
            await self._http.close()

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._connections, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=DNS_CACHE_S, ssl=self._tls
        )
        return aiohttp.ClientSession(
            connector=connector,
            # aiohttp's `connect` includes waiting for the pool, where `limits` has made sure of a place.
            timeout=aiohttp.ClientTimeout(connect=self._connect_s, sock_connect=self._connect_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=("User-Agent",),
            middlewares=(_once,),
        )


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating GET, PUT and DELETE when a connection drops: a second PUT may undo somebody's change.

    It repeats what ends with two classes of exceptions, so those are given another one; whether a call is made again is
    decided in `retry.py`, by what it means rather than by its method.
    """
    try:
        return await handler(request)
    except NOT_SENT:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(str(error)) from error


@cache
def tls_context() -> ssl.SSLContext:
    """Return one context for all: reading the system's certificates takes 40 ms."""
    return ssl.create_default_context()
