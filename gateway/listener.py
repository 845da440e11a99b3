"""A small HTTP server for who watches a process: a few pages that are read, and nothing else.

A worker takes no calls, so it has no web server and needs none: what orchestrators and scrapers send is one short GET.
It asks for no token: it listens on an address of its own, which only they can reach.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, NamedTuple

LONGEST_HEAD: Final = 8_192
PATIENCE_S: Final = 5.0
"""Who has not sent a whole request by then, or not read its answer, is hung up on."""
AT_ONCE: Final = 32
"""Connections beyond these are closed unanswered: nobody who watches opens so many."""

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a page says."""

    status: int
    media_type: str
    content: bytes


Page = Callable[[], Awaitable[Answer]]


@asynccontextmanager
async def listening(host: str, port: int, pages: Mapping[str, Page]) -> AsyncIterator[int]:
    """Answer with the pages, by their paths, while the block runs; gives the port, which is a free one where 0 asks."""
    answering = _Answering(pages)
    server = await asyncio.start_server(answering.serve, host, port, limit=LONGEST_HEAD)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await answering.end()


class _Answering:
    """The connections that are open."""

    def __init__(self, pages: Mapping[str, Page]) -> None:
        self._pages = pages
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._open) >= AT_ONCE:
            writer.close()
            return
        self._open.add(task)
        try:
            async with asyncio.timeout(PATIENCE_S):
                writer.write(await self._answered(reader))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # Whoever asked went away, was too slow, or meets a process that ends.
        finally:
            self._open.discard(task)
            writer.close()

    async def end(self) -> None:
        """Hang up on who is still there."""
        left = list(self._open)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _answered(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _written(_plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE))
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path, _, version = rest.partition(" ")
        if not version.startswith("HTTP/1."):
            return _written(_plain(HTTPStatus.BAD_REQUEST))
        if method not in {"GET", "HEAD"}:
            return _written(_plain(HTTPStatus.METHOD_NOT_ALLOWED), "Allow: GET, HEAD")
        answer = await self._page(path.partition("?")[0])
        return _written(answer, body=method == "GET")

    async def _page(self, path: str) -> Answer:
        page = self._pages.get(path)
        if page is None:
            return _plain(HTTPStatus.NOT_FOUND)
        try:
            return await page()
        except Exception:  # noqa: BLE001 - one page that breaks is no reason for the others to be away
            _log.exception("The page %s broke.", path)
            return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


def _plain(status: HTTPStatus) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())


def _written(answer: Answer, *further: str, body: bool = True) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Content-Type: {answer.media_type}",
        f"Content-Length: {len(answer.content)}",
        "Cache-Control: no-store",
        "Connection: close",
        *further,
        "\r\n",
    ]
    return "\r\n".join(lines).encode("latin-1") + (answer.content if body else b"")
