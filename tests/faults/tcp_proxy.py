"""A TCP proxy that does to chosen requests what networks do: HTTP/1.1 with connections that are kept.

It reads whole messages, so that it knows where one ends, and passes them on as the very bytes that came.
"""

import asyncio
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum, auto
from typing import Final

from msgspec import Struct

Predicate = Callable[[bytes], bool]

WHOLE: Final = 64 * 1024 * 1024
"""As much as a head, or a line, may have."""
NO_LINGER: Final = struct.pack("ii", 1, 0)
BODILESS: Final = {204, 304}


class Harm(StrEnum):
    """What is done to one request."""

    swallowed_before = auto()
    """It is not passed on; the caller waits for a while and sees the connection end."""
    swallowed_after = auto()
    """It is passed on and its answer read; the caller waits for a while and sees the connection end."""
    cut = auto()
    """It is passed on; half of the answer arrives, then the connection ends."""
    delayed = auto()
    """It is passed on; the answer arrives after a while, if anybody still waits."""
    reset = auto()
    """It is not passed on; the connection is reset at once."""


BEFORE: Final = {Harm.swallowed_before, Harm.reset}
"""The request never reaches the target."""


class Done(Struct, frozen=True, kw_only=True):
    """What became of one request."""

    request: str
    """Its first line."""
    harm: Harm | None
    reached: bool
    """Whether it was passed on."""
    status: int | None
    """What the target answered, whoever got to see it."""


class Rule:
    """Does harm to the next requests that match, so many of them."""

    def __init__(self, harm: Harm, matches: Predicate, times: int, hold_s: float) -> None:
        self.harm, self.matches, self.times, self.hold_s = harm, matches, times, hold_s
        self.used = asyncio.Event()
        """Set once it has been used up."""


class TcpProxy:
    """Stands on a port of its own before the target; harmless until it is told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._rules: list[Rule] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0
        self.log: list[Done] = []

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def harm(self, harm: Harm, matches: Predicate | bytes = b"", *, times: int = 1, hold_s: float = 0.2) -> Rule:
        """Do it to the next requests that match, or whose bytes contain the text; `hold_s` is how long one waits."""
        rule = Rule(harm, containing(matches) if isinstance(matches, bytes) else matches, times, hold_s)
        self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Do no harm from now on."""
        self._rules.clear()

    async def refuse(self) -> None:
        """Take no connection, and end those there are: nobody listens on the port."""
        await self._stop_listening()
        await self._hang_up()

    async def accept(self) -> None:
        """Take connections, on the port of before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=WHOLE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything."""
        await self._stop_listening()
        await self._hang_up()

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _hang_up(self) -> None:
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(asyncio.CancelledError):
            await task

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Carry one connection, until it is closed or harmed."""
        try:
            while request := await read_request(reader):
                if not await self._exchange(request, writer):
                    return
        except (OSError, asyncio.IncompleteReadError):
            return  # One end is gone: so is the other, in a moment.
        finally:
            await _closed(writer)

    async def _exchange(self, request: bytes, caller: StreamWriter) -> bool:
        """Tell whether the connection goes on after one request and its answer."""
        rule = self._rule_for(request)
        if rule and rule.harm in BEFORE:
            self._note(request, rule, b"")
            await self._end(caller, rule)
            return False
        answer = await self._pass_on(request)
        self._note(request, rule, answer)
        if rule is None or rule.harm is Harm.delayed:
            await asyncio.sleep(rule.hold_s if rule else 0)
            caller.write(answer)
            await caller.drain()
            return keeps(answer)
        if rule.harm is Harm.cut:
            caller.write(answer[: len(answer) // 2])
            await caller.drain()
            return False
        await self._end(caller, rule)
        return False

    async def _pass_on(self, request: bytes) -> bytes:
        """Return the target's answer: over a connection of its own, which nobody can have closed meanwhile."""
        answers, upstream = await asyncio.open_connection(*self._target, limit=WHOLE)
        try:
            upstream.write(request)
            await upstream.drain()
            return await read_answer(answers, request)
        finally:
            await _closed(upstream)

    async def _end(self, caller: StreamWriter, rule: Rule) -> None:
        """Let the caller wait, or feel it at once."""
        if rule.harm is Harm.reset:
            caller.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            return
        await asyncio.sleep(rule.hold_s)

    def _rule_for(self, request: bytes) -> Rule | None:
        for rule in self._rules:
            if rule.matches(request):
                rule.times -= 1
                if rule.times == 0:
                    self._rules.remove(rule)
                    rule.used.set()
                return rule
        return None

    def _note(self, request: bytes, rule: Rule | None, answer: bytes) -> None:
        harm = rule.harm if rule else None
        line = request.partition(b"\r\n")[0].decode("latin-1")
        status = int(answer.split(b" ", 2)[1]) if answer else None
        self.log.append(Done(request=line, harm=harm, reached=harm not in BEFORE, status=status))


@asynccontextmanager
async def tcp_proxy(host: str, port: int) -> AsyncIterator[TcpProxy]:
    """Give a proxy before a target."""
    proxy = TcpProxy(host, port)
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()


async def _closed(writer: StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def keeps(answer: bytes) -> bool:
    """Tell whether a connection goes on after the answer."""
    fields = _fields(answer.partition(b"\r\n\r\n")[0])
    bounded = b"content-length" in fields or b"transfer-encoding" in fields
    return bounded and fields.get(b"connection", b"").lower() != b"close" and not answer.startswith(b"HTTP/1.0")


def containing(text: bytes) -> Predicate:
    """Return the predicate of requests with the text in them, in the head or in the body."""
    return lambda request: text in request


async def read_request(reader: StreamReader) -> bytes:
    """Return one request as it came; nothing where the connection has ended."""
    head = await _head(reader)
    return head + await _body(reader, _fields(head)) if head else b""


async def read_answer(reader: StreamReader, request: bytes) -> bytes:
    """Return one answer as it came; a 1xx before it is left out, since nobody asked for one."""
    status = 100
    while status < 200:
        if not (head := await _head(reader)):
            return b""
        status = int(head.split(b" ", 2)[1])
    if status in BODILESS or request.startswith(b"HEAD "):
        return head
    fields = _fields(head)
    if b"content-length" not in fields and b"transfer-encoding" not in fields:
        return head + await reader.read(-1)  # It ends with the connection.
    return head + await _body(reader, fields)


async def _head(reader: StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        if ended.partial:
            raise
        return b""


def _fields(head: bytes) -> dict[bytes, bytes]:
    lines = head.rstrip(b"\r\n").split(b"\r\n")[1:]
    pairs = (line.partition(b":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: StreamReader, fields: dict[bytes, bytes]) -> bytes:
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        return await _chunks(reader)
    return await reader.readexactly(int(fields.get(b"content-length", 0)))


async def _chunks(reader: StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        if size == 0:
            break
        body += line + await reader.readexactly(size + 2)
    while line != b"\r\n":
        body += line
        line = await reader.readuntil(b"\r\n")
    return body + line
