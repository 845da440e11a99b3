"""Counters in Redis or Valkey: exact across replicas, one round trip a call, and 40 ms lost once while it is away.

What is asked in one turn of the event loop leaves together, and what is asked while a batch is out waits a moment for
its answer: the fewer batches, the less each question costs. An answer that is not there in time opens the circuit: all
that wait fail at once, all that ask fail at once, and a probe on nobody's time finds out when it may be closed.
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Iterable, Sequence
from contextvars import Context
from itertools import count
from typing import Final

from gateway.counters import CountersAway, Limit, Places, Question, Told
from gateway.counters.valkey_link import Asked, Batch, Link, connect
from gateway.counters.valkey_wire import Packed, packed_leave, packed_move, packed_question
from gateway.secret import Secret
from gateway.telemetry.metrics import COUNTERS_LOST, Metrics

BOUND_S: Final = 0.04
LAST_LOOK_S: Final = 0.004
"""Part of the bound. Where the event loop itself was held up, the answer may lie there unread: that is no silence."""
HELD_S: Final = 0.001
"""Part of the bound. A server that is well has answered the batch before by then; none other is waited for."""
OPEN_S: Final = 1.0
"""How long nobody asks a server that was silent."""
RETRY_S: Final = 0.25
"""How often one is called that cannot be reached: a refused connection costs nobody anything."""
TOGETHER: Final = 128
"""Things in one batch, at most: the server does nothing else meanwhile, for about a millisecond."""
LEAVING: Final = 10_000
"""Places that are given back once the server can be reached again, at most; others are when their lease is over."""


class ValkeyCounters:
    """Counters shared by every replica that has the same URL."""

    def __init__(
        self, url: Secret, metrics: Metrics | None = None, *, bound_s: float = BOUND_S, open_s: float = OPEN_S
    ) -> None:
        self._url, self._metrics, self._bound_s, self._open_s = url, metrics, bound_s, open_s
        self._queue: deque[Asked] = deque()
        self._over = asyncio.Event()
        self._away = self._closed = self._is_proved = False
        self._link: Link | None = None
        self._serving: Link | None = None
        self._due: asyncio.Handle | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._tickets = (f"{prefix}.{number}" for prefix in [os.urandom(6).hex()] for number in count())

    def ask_now(self, question: Question) -> Told | None:  # noqa: ARG002 - the protocol's
        """Return None: the answer lies elsewhere."""
        return None

    async def ask(self, question: Question) -> Told:
        """Return the answer; raises CountersAway, after 40 ms at most."""
        waiting = self._put(packed_question(question))
        try:
            return _there(await waiting)
        except asyncio.CancelledError:
            if not waiting.cancelled() and (told := waiting.result()):  # It came in the same moment.
                self._give_back(question, told)
            raise

    async def take(self, name: str, rate: float, burst: float, cost: float = 1.0, reserve: float = 0.0) -> float:
        """Return 0.0 where the permits were taken, otherwise how long to wait."""
        return (await self.ask(Question((Limit(name, rate, burst, cost, reserve),)))).wait_s

    def leave(self, places: Sequence[Places], ticket: str) -> None:
        """Give the places back, with what is asked next."""
        if len(self._queue) < LEAVING and not self._closed:
            self._queue.append(Asked(packed_leave(places, ticket), None))
            self._see_off()

    async def move(self, names: Sequence[str]) -> None:
        """Begin each name's next generation: it has begun when this returns."""
        _there(await self._put(packed_move(names)))

    async def close(self) -> None:
        """Fail what waits, and hang up."""
        self._closed = True
        self._fail()
        if self._keeper:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    def _put(self, packed: Packed) -> "asyncio.Future[Told | None]":
        if self._away or self._closed:
            raise CountersAway("The shared counters did not answer; nobody asks again just yet.")
        if self._keeper is None:
            self._begin()
        waiting: asyncio.Future[Told | None] = asyncio.get_running_loop().create_future()
        self._queue.append(Asked(packed, waiting))
        self._see_off()
        return waiting

    def _begin(self) -> None:
        """Connect while the first caller waits, and no longer than it may."""
        loop = asyncio.get_running_loop()
        self._keeper = loop.create_task(self._keep(), context=Context())  # It outlives that caller, and its trace.
        loop.call_later(self._bound_s, self._open_unless_proved)

    async def _keep(self) -> None:
        """Send what is asked while the server answers, and find out when it does again."""
        try:
            while not self._closed:
                pause_s = RETRY_S
                with contextlib.suppress(Exception):  # Whatever a client raises on a dying connection: it is gone.
                    link = await self._proved()
                    if link:
                        self._is_proved, self._away, pause_s = True, False, 0.0
                        await self._serve(link)
                        pause_s = 0.0 if link.is_lost else self._open_s
                self._open()
                await asyncio.sleep(pause_s)
        finally:
            await self._drop()

    async def _proved(self) -> Link | None:
        """Return a connection whose server answers in time; what is late is waited for, and then asked again."""
        if self._link is None or self._link.is_lost or self._link.sent:
            await self._drop()
            self._link = Link(await connect(self._url.reveal()), self._settle, self._lost)
        return self._link if await self._link.probe() <= self._bound_s else None

    async def _serve(self, link: Link) -> None:
        """Return once the server does not answer any more, or nobody is to ask."""
        self._over.clear()
        self._serving = link
        try:
            self._send(link)  # What was asked until now.
            await self._over.wait()
        finally:
            self._serving = None
            if self._due:
                self._due.cancel()
                self._due = None

    def _see_off(self) -> None:
        """Let what is asked leave with this turn of the loop, or as soon as the batch before is answered."""
        if self._due is None and self._serving:
            loop = asyncio.get_running_loop()
            link = self._serving
            self._due = loop.call_later(HELD_S, self._send, link) if link.sent else loop.call_soon(self._send, link)

    def _send(self, link: Link) -> None:
        self._due, loop = None, asyncio.get_running_loop()
        while self._queue and not (self._away or self._closed or link.is_lost):
            if things := self._next_things():
                batch = Batch(things, next(self._tickets))
                batch.timer = loop.call_later(self._bound_s - HELD_S - LAST_LOOK_S, self._look, batch)
                link.send(batch)
        if link.is_lost:  # It may have been before anybody was to be told.
            self._open()

    def _next_things(self) -> list[Asked]:
        things = [self._queue.popleft() for _ in range(min(len(self._queue), TOGETHER))]
        return [thing for thing in things if thing.waiting is None or not thing.waiting.done()]

    async def _drop(self) -> None:
        link, self._link = self._link, None
        if link:
            for batch in link.sent:  # Nobody hears any more what became of it, and nobody waits for its places.
                self._queue.extend(batch.unsure())
            await link.close()

    def _settle(self, batch: Batch, told: Iterable[Told]) -> None:
        if batch.timer:
            batch.timer.cancel()
        for (packed, waiting), each in zip(batch.things, told, strict=True):
            if waiting is None:
                continue
            if not waiting.done():
                waiting.set_result(each)
            elif packed.question:
                self._give_back(packed.question, each)
        if self._due and self._serving:  # Nothing is in its way now.
            self._due.cancel()
            self._due = asyncio.get_running_loop().call_soon(self._send, self._serving)

    def _look(self, batch: Batch) -> None:
        loop = asyncio.get_running_loop()
        batch.timer = loop.call_later(LAST_LOOK_S, loop.call_soon, self._judge, batch)

    def _judge(self, batch: Batch) -> None:
        """Open the circuit where the answer is not there: what had arrived was read before this was called."""
        if not batch.is_answered:
            self._open()

    def _lost(self, link: Link) -> None:
        if link is self._link:
            self._open()

    def _open_unless_proved(self) -> None:
        if not self._is_proved:
            self._open()

    def _open(self) -> None:
        """Let nobody wait any longer, and nobody ask."""
        if not self._away and not self._closed:
            self._away = True
            if self._metrics:
                self._metrics.count(COUNTERS_LOST)
            self._fail()

    def _fail(self) -> None:
        sent = [thing for batch in self._link.sent for thing in batch.things] if self._link else []
        for thing in (*sent, *self._queue):
            if thing.waiting and not thing.waiting.done():
                thing.waiting.set_result(None)
        self._queue = deque(thing for thing in self._queue if thing.waiting is None)
        self._over.set()

    def _give_back(self, question: Question, told: Told) -> None:
        """Give the places back of a call that no longer waits for them."""
        if told.ticket:
            self.leave(question.places, told.ticket)


def _there(told: Told | None) -> Told:
    if told is None:
        raise CountersAway("The shared counters do not answer.")
    return told
