"""One connection to the server: batches go out in order, and their answers come back in that order."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError

from gateway.counters import Limit, Question, Told
from gateway.counters.valkey_wire import Packed, command, packed_leave, packed_question, ticket_of, told_by

PATIENCE_S: Final = 1.0
"""How long a connection may take to come about, or to take what is sent. Not on a caller's time."""

PROBE: Final = Question((Limit("probe", 1_000, 1_000),))
"""A take like any other: a server that answers but cannot write, cannot count."""


class Asked(NamedTuple):
    """One thing that was asked, and who waits for it: nobody, where places are given back."""

    packed: Packed
    waiting: asyncio.Future[Told | None] | None


class Batch:
    """What left together: first what frees places, then the rest, with those who ask the same side by side."""

    __slots__ = ("is_answered", "packed", "things", "ticket", "timer")

    def __init__(self, things: Iterable[Asked], ticket: str) -> None:
        leaving, asking = list[Asked](), dict[Packed, list[Asked]]()
        for thing in things:
            asking.setdefault(thing.packed, []).append(thing) if thing.waiting else leaving.append(thing)
        self.packed = [(thing.packed, 1) for thing in leaving] + [(each, len(same)) for each, same in asking.items()]
        self.things, self.ticket = list(chain(leaving, *asking.values())), ticket
        self.timer: asyncio.TimerHandle | None = None
        self.is_answered = False

    def unsure(self) -> Iterator[Asked]:
        """Yield what gives every place back that this may have taken or kept; one that is free stays so."""
        for number, thing in enumerate(self.things):
            question = thing.packed.question
            if thing.waiting is None:
                yield thing
            elif question and question.places:
                yield Asked(packed_leave(question.places, ticket_of(self.ticket, number)), None)


class Link:
    """A connection that was made; `settle` gets each batch with its answers, `lost` is called when it is over."""

    def __init__(
        self,
        connection: AbstractConnection,
        settle: Callable[[Batch, Iterable[Told]], None],
        lost: Callable[["Link"], None],
    ) -> None:
        self._connection, self._settle, self._lost = connection, settle, lost
        self.sent: deque[Batch] = deque()
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(self._over)

    @property
    def is_lost(self) -> bool:
        """Return whether no answer can come any more."""
        return self._reading.done() or not self._connection.is_connected

    async def send(self, batch: Batch, *, known: bool = True) -> None:
        """Return when the batch is on its way; raises whatever the client and the network raise."""
        self.sent.append(batch)  # At once before it is written: nothing may come between.
        if self.is_lost:
            raise ConnectionResetError  # The client would connect anew, and nobody would read there.
        async with asyncio.timeout(PATIENCE_S):
            await self._connection.send_packed_command(command(batch.packed, batch.ticket, known=known))

    async def probe(self) -> float:
        """Return how long a take lasted, in seconds; infinity where the answer does not come."""
        loop = asyncio.get_running_loop()
        began, answer = loop.time(), loop.create_future()
        await self.send(Batch([Asked(packed_question(PROBE), answer)], "probe"), known=False)
        await asyncio.wait([answer, self._reading], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        return loop.time() - began if answer.done() else math.inf

    async def close(self) -> None:
        """Hang up."""
        self._reading.cancel()
        await asyncio.wait([self._reading])
        with contextlib.suppress(Exception):  # It is over either way, and a dying connection has many last words.
            await self._connection.disconnect(nowait=True)

    async def _read(self) -> None:
        while True:
            try:
                reply = await self._connection.read_response(disable_decoding=True, timeout=math.inf)
            except NoScriptError:  # A flush forgot it, and nothing was done: once more, with the script.
                await self.send(self.sent.popleft(), known=False)
                continue
            batch = self.sent.popleft()
            batch.is_answered = True
            self._settle(batch, told_by(reply, batch.packed))

    def _over(self, reading: asyncio.Task[None]) -> None:
        if not reading.cancelled():
            reading.exception()  # Looked at, so that nobody reports it: why a connection is gone, changes nothing.
        self._lost(self)


async def connect(url: str) -> AbstractConnection:
    """Return a connection; raises whatever the client and the network raise."""
    # Without timeouts of the client's own: they would cost a task for each command, and may swallow a cancellation.
    pool = ConnectionPool.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0), socket_timeout=None)
    connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]  # the client's
    try:
        async with asyncio.timeout(PATIENCE_S):
            await connection.connect()  # type: ignore[no-untyped-call]  # the client's
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection
