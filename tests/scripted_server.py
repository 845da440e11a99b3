"""A server on a real socket that does to each request what it is told next, and remembers what arrived."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from msgspec import Struct

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]

TLS_HANDSHAKE: Final = b"\x16"
NO_LINGER: Final = struct.pack("ii", 1, 0)


class Received(Struct, frozen=True, kw_only=True):
    """One request, as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers as `otherwise` does, 200 `ok`, unless `script` has something else for the next request."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.script: list[Behaviour] = []
        self.otherwise: Behaviour = answer()
        self.url = ""
        self.under_way = self.most_under_way = 0
        self._arrival = asyncio.Condition()
        self.released = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def then(self, *behaviours: Behaviour) -> None:
        """Let the next requests meet these, one each."""
        self.script += behaviours

    async def hang(self, writer: asyncio.StreamWriter) -> None:
        """Say nothing until `released`."""
        await self.released.wait()
        await answer()(writer)

    def release(self) -> None:
        """Let everybody who hangs go."""
        self.released.set()

    async def arrived(self, requests: int) -> None:
        """Return when so many are there and wait for their answers."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self.under_way >= requests)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        with suppress(asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            await task
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def stop(self) -> None:
        """Hang up on everybody."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _note_arrival(self) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        async with self._arrival:
            self._arrival.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            first = await reader.readexactly(1)
            if first == TLS_HANDSHAKE:
                await no_http(writer)
                return
            self.received.append(await _request(first, reader))
            await self._note_arrival()
            try:
                await (self.script.pop(0) if self.script else self.otherwise)(writer)
            finally:
                self.under_way -= 1


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """Give a server of its own."""
    scripted = ScriptedServer()
    server = await asyncio.start_server(scripted.accept, "127.0.0.1", 0)
    scripted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield scripted
    finally:
        server.close()
        await scripted.stop()
        await server.wait_closed()


def answer(status: int = 200, body: bytes = b"ok", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer so, and keep the connection."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        fields = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body)
        await writer.drain()

    return behave


async def close(writer: asyncio.StreamWriter) -> None:
    """Hang up, the request read."""
    writer.close()


async def reset(writer: asyncio.StreamWriter) -> None:
    """Hang up with RST, the request read."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.close()


async def cut_short(writer: asyncio.StreamWriter) -> None:
    """Announce ten bytes, send four, hang up."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfour")
    await writer.drain()
    writer.close()


async def no_http(writer: asyncio.StreamWriter) -> None:
    """Answer in another protocol."""
    writer.write(b"220 mail.example ESMTP ready\r\n")
    await writer.drain()
    writer.close()


async def _request(first: bytes, reader: asyncio.StreamReader) -> Received:
    head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method=method, target=target, headers=headers, body=body)
