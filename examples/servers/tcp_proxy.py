"""A proxy before a real server that loses what it is told to lose, and keeps a log of every call.

It runs in a thread of its own, on a free port. What becomes of a call is decided by the first rule that fits it.
"""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from examples.servers.http_messages import keeps_the_line, plain_answer, read_answer, read_request, status_of

ANSWERS_WITHIN_S: Final = 60.0
STARTS_WITHIN_S: Final = 10.0
BACKLOG: Final = 100


class Fault(Enum):
    """What becomes of a call."""

    lost_before = auto()
    """It never arrives: the line is held, and cut."""
    lost_after = auto()
    """It arrives and has its effect; the answer is dropped, the line held, and cut."""
    cut = auto()
    """It has its effect; the line is cut in the middle of the answer."""
    late = auto()
    """It has its effect; the answer comes after `hold_s`."""
    away = auto()
    """503, and it never arrives."""
    away_after = auto()
    """504, and it has had its effect."""


BEFORE: Final = frozenset({Fault.lost_before, Fault.away})
"""Those without any effect."""
HELD: Final = frozenset({Fault.lost_before, Fault.lost_after, Fault.late})


@dataclass(kw_only=True)
class Call:
    """One call that came through."""

    request: bytes
    at: float
    """When it came, by the monotonic clock."""
    fault: Fault | None = None
    status: int | None = None
    """What the server answered, whatever became of the answer; None where it was not asked, or said nothing."""

    def contains(self, *parts: bytes) -> bool:
        """Tell whether all of the parts stand in the request."""
        return all(part in self.request for part in parts)


Hook = Callable[[Call], object]


@dataclass(kw_only=True, eq=False)
class Rule:
    """What is done to calls that contain all of `parts`, to so many of them, with that chance."""

    fault: Fault | None
    parts: tuple[bytes, ...]
    left: int | None
    """How many more; None means all."""
    chance: float
    hold_s: float
    on_call: Hook | None
    """Called before the call is passed on."""
    on_effect: Hook | None
    """Called between the effect and the answer."""

    def takes(self, call: Call, dice: random.Random) -> bool:
        """Tell whether the call is this rule's, and count it."""
        if self.left == 0 or not call.contains(*self.parts) or dice.random() >= self.chance:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class TcpProxy:
    """What stands before one server, while the `with` block runs."""

    def __init__(self, target: str, *, seed: int = 0) -> None:
        address = urlsplit(target)
        self._target = (address.hostname or "127.0.0.1", address.port or 80)
        self._dice, self._lock = random.Random(seed), threading.Lock()  # noqa: S311 - it only decides what breaks
        self._rules: list[Rule] = []
        self._log: list[Call] = []
        self._lines: set[asyncio.StreamWriter] = set()
        self._port = 0
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="tcp-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._up.wait(STARTS_WITHIN_S):
            raise RuntimeError("The proxy did not start.")
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """Return its address, to be given to the client in place of the server's."""
        return f"http://127.0.0.1:{self._port}"

    def inject(
        self,
        fault: Fault | None,
        *parts: bytes,
        times: int | None = 1,
        chance: float = 1.0,
        hold_s: float = 0.0,
        on_call: Hook | None = None,
        on_effect: Hook | None = None,
    ) -> Rule:
        """Let the next `times` calls that contain all parts meet the fault, each with that chance."""
        rule = Rule(
            fault=fault,
            parts=parts,
            left=times,
            chance=chance,
            hold_s=hold_s,
            on_call=on_call,
            on_effect=on_effect,
        )
        with self._lock:
            self._rules.append(rule)
        return rule

    def lift(self, *rules: Rule) -> None:
        """Take rules back; without any named, all of them."""
        with self._lock:
            self._rules = [rule for rule in self._rules if rules and rule not in rules]

    def calls(self, *parts: bytes) -> list[Call]:
        """Return the calls so far that contain all of the parts."""
        with self._lock:
            return [call for call in self._log if call.contains(*parts)]

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections for the length of the block; those that there are are cut."""
        self._do(self._stop_listening())
        try:
            yield
        finally:
            self._do(self._listen())

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(STARTS_WITHIN_S)

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        await self._listen()
        self._up.set()
        await self._end.wait()
        await self._stop_listening()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=BACKLOG)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        self._server.close()
        for line in self._lines:
            line.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass calls on, one by one, until somebody hangs up."""
        self._lines.add(writer)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while (request := await read_request(reader)) is not None:
                    if not await self._pass_on(Call(request=request, at=time.monotonic()), reader, writer):
                        await _close(writer)
                        break
        finally:
            self._lines.discard(writer)
            writer.transport.abort()

    async def _pass_on(self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Tell whether the line stays open."""
        rule = self._rule_for(call)
        if rule is None:
            return await _say(writer, await self._answer(call))
        answer = await self._answer_by(rule, call)
        if call.fault in HELD:
            await _held(reader, rule.hold_s)
        match call.fault:
            case Fault.lost_before | Fault.lost_after:
                return False
            case Fault.cut:
                await _say(writer, answer[: len(answer) // 2])
                return False
        return await _say(writer, answer)

    async def _answer_by(self, rule: Rule, call: Call) -> bytes:
        """Return the answer that the rule leaves of the server's."""
        if rule.on_call:
            await asyncio.to_thread(rule.on_call, call)
        if call.fault in BEFORE:
            return plain_answer(503, "Service Unavailable")
        answer = await self._answer(call)
        if rule.on_effect:
            await asyncio.to_thread(rule.on_effect, call)
        return plain_answer(504, "Gateway Timeout") if call.fault is Fault.away_after else answer

    def _rule_for(self, call: Call) -> Rule | None:
        with self._lock:
            self._log.append(call)
            rule = next((rule for rule in self._rules if rule.takes(call, self._dice)), None)
        call.fault = rule.fault if rule else None
        return rule

    async def _answer(self, call: Call) -> bytes:
        """Return the server's answer; each call has a line of its own, so that none is sent on one that has ended."""
        reader, writer = await asyncio.open_connection(*self._target, limit=2**20)
        try:
            writer.write(call.request)
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                answer = await read_answer(reader)
        finally:
            writer.transport.abort()
        call.status = int(status_of(answer))
        return answer


async def _say(writer: asyncio.StreamWriter, answer: bytes) -> bool:
    """Tell whether the line stays open."""
    writer.write(answer)
    await writer.drain()
    return keeps_the_line(answer)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Let what was written go out, and end the line."""
    writer.close()
    await writer.wait_closed()


async def _held(reader: asyncio.StreamReader, hold_s: float) -> None:
    """Return after so long, or as soon as the client has hung up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(hold_s):
            await reader.read(1)
