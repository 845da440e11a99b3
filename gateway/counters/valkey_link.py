"""One connection to the server: batches go out in order, and their answers come back in that order."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple, cast

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.counters import Limit, Question, Told
from gateway.counters.valkey_wire import (
    FORGOTTEN,
    REFUSAL,
    Packed,
    Replies,
    command,
    packed_leave,
    packed_question,
    ticket_of,
    told_by,
)

PATIENCE_S: Final = 1.0
"""How long a connection may take to come about, or to be proved. Not on a caller's time."""

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


class Link(asyncio.Protocol):
    """A connection that was made; `settle` gets each batch with its answers, `lost` is called when it is over."""

    def __init__(
        self,
        connection: AbstractConnection,
        settle: Callable[[Batch, Iterable[Told]], None],
        lost: Callable[["Link"], None],
    ) -> None:
        self._connection, self._settle, self._lost = connection, settle, lost
        self.sent: deque[Batch] = deque()
        self._over = asyncio.get_running_loop().create_future()
        self._replies = Replies()
        self._transport = _transport_of(connection)
        self._transport.set_protocol(self)

    @property
    def is_lost(self) -> bool:
        """Return whether no answer can come any more."""
        return self._transport.is_closing()

    def send(self, batch: Batch, *, known: bool = True) -> None:
        """Let the batch go; where the server does not take it, it does not answer either, and that is looked for."""
        self.sent.append(batch)
        if self.is_lost:
            raise ConnectionResetError
        self._transport.write(command(batch.packed, batch.ticket, known=known))

    async def probe(self) -> float:
        """Return how long a take lasted, in seconds; infinity where the answer does not come."""
        loop = asyncio.get_running_loop()
        began, answer = loop.time(), loop.create_future()
        self.send(Batch([Asked(packed_question(PROBE), answer)], "probe"), known=False)
        await asyncio.wait([answer, self._over], timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        return loop.time() - began if answer.done() else math.inf

    async def close(self) -> None:
        """Hang up."""
        self._transport.abort()
        with contextlib.suppress(Exception):  # It is over either way, and a dying connection has many last words.
            await self._connection.disconnect(nowait=True)

    def data_received(self, data: bytes) -> None:
        """Settle what was answered. Whatever else the server says, it does not count."""
        for reply in self._replies.after(data):
            batch = self.sent.popleft()
            if reply.startswith(FORGOTTEN):  # By a flush, and nothing was done: once more, with the script.
                self.send(batch, known=False)
            elif reply.startswith(REFUSAL):
                self.sent.appendleft(batch)
                self._transport.abort()
                return
            else:
                batch.is_answered = True
                self._settle(batch, told_by(reply, batch.packed))

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell that it is over; why a connection is gone, changes nothing."""
        if not self._over.done():
            self._over.set_result(None)
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


def _transport_of(connection: AbstractConnection) -> asyncio.Transport:
    """Return what lies below the client's streams, which cost more for each batch than all that we do for it.

    The client is there to read the address, to encrypt and to log in; it has nothing more to say then. None of its
    public names leads to the stream (8.1 has `is_connected`, `getpeername` and calls of its own, no transport, and what
    makes a stream of its own is private too). `tests/unit/test_counters_link.py` says where to look once that changes.
    """
    writer = connection._writer  # noqa: SLF001 - as above.
    if writer is None:
        raise ConnectionResetError
    return cast(asyncio.Transport, writer.transport)
