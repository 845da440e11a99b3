"""The bytes to one system and back: httpx's types over aiohttp's sockets, each request written once."""

import ssl
from functools import cache
from typing import Final

import aiohttp
import httpx
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from httpx_aiohttp import AiohttpTransport

from gateway.egress.decoding import OF_THE_WIRE, plain, whole
from gateway.egress.verdict import NOT_SENT

KEEP_ALIVE_S: Final = 4.0
"""Servers hang up idle connections after 5 s (Node, Apache) and more; a write that meets that is uncertain."""
DNS_CACHE_S: Final = 60


class Transport:
    """A pool of connections. Follows no redirect, keeps no cookie, reads no proxy from the environment."""

    def __init__(self, *, connections: int, connect_s: float, max_answer_bytes: int, tls: ssl.SSLContext) -> None:
        self._connections, self._connect_s, self._most, self._tls = connections, connect_s, max_answer_bytes, tls
        self._http = AiohttpTransport(client=self._session, verify=tls)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Return the answer, whatever its status, read and decoded; raises what LOST lists, or Unreadable."""
        # aiohttp's `connect` includes waiting for the pool, where `limits` has made sure of a place.
        request.extensions["timeout"] = {"connect": self._connect_s, "pool": self._connect_s}
        answer = await self._http.handle_async_request(request)
        try:
            body = await whole(answer.aiter_raw(), self._most)
        finally:
            await answer.aclose()
        headers = [field for field in answer.headers.raw if field[0].lower().decode("latin-1") not in OF_THE_WIRE]
        content = plain(answer.headers, body, self._most)
        return httpx.Response(answer.status_code, headers=headers, content=content, request=request)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    def _session(self) -> aiohttp.ClientSession:
        """Return aiohttp's side; made with the first call, because it belongs to the loop that runs then."""
        connector = aiohttp.TCPConnector(
            limit=self._connections, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=DNS_CACHE_S, ssl=self._tls
        )
        return aiohttp.ClientSession(
            connector=connector,
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
