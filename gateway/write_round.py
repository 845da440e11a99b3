"""One round of one write: lease, look, note the intent, ask the fence, act, record what came of it.

A process may die between any two of these: the next round begins with a look. One hole remains that no client can
close: a process that is frozen between its last check and its send, for longer than its lease.
"""

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from math import ceil
from secrets import token_hex
from typing import Any, Generic, TypeVar

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from gateway.agreement import Difference
from gateway.errors import ApiError, Overdue, Refused, Unavailable, Uncertain
from gateway.store.database import Store
from gateway.store.write_intents import Intent, Lease, WriteIntents, in_progress
from openapi.common.types import Code, Outcome

T = TypeVar("T")
Look = Callable[[], Awaitable[T | None]]
Act = Callable[[], Awaitable[T]]
Fence = Callable[[], Awaitable[None]]
Agree = Callable[[T], list[Difference]]
Moments = Callable[[str, str, str], Awaitable[None]]

_log = logging.getLogger(__name__)


class WriteSettings(Struct, frozen=True, kw_only=True):
    """The clocks of the guard. A lease outlasts everything that is done under it after it was last renewed."""

    lease_s: float = 120.0
    deadline_s: float = 3600.0

    @property
    def fence_s(self) -> float:
        """How long the fence may think."""
        return self.lease_s * 0.1

    @property
    def send_s(self) -> float:
        """How long a send may take; longer than any deadline of `egress`."""
        return self.lease_s * 0.7

    @property
    def second_look_s(self) -> float:
        """How long the look may take that checks a "no"."""
        return self.lease_s * 0.1


class Write(Struct, Generic[T], frozen=True, kw_only=True):
    """One write as it was asked for."""

    connection: str
    operation: str
    key: str
    makes: bool
    """Whether it makes a document, once for ever, or brings an object into a state, again and again."""
    payload_sha256: str | None
    look: Look[T]
    act: Act[T]
    fence: Fence | None
    agree: Agree[T] | None
    settle_s: float
    deadline_s: float


class Rounds:
    """Carries rounds out. `moments` is called at `between_intent_and_act` and `between_act_and_record`."""

    def __init__(self, store: Store, settings: WriteSettings, moments: Moments) -> None:
        self._store, self._settings, self._moments = store, settings, moments
        self._intents = WriteIntents(store, settings.lease_s)

    async def carry_out(self, write: Write[T]) -> T:
        """Return the write's effect after one round; what it raises stands at `gateway.writes`."""
        lease = Lease(connection=write.connection, operation=write.operation, key=write.key, owner=token_hex(16))
        try:
            intent = await _completed(self._intents.take(lease))
            return await self._look_then_send(write, lease, intent)
        except (Exception, CancelledError):
            await _written_down(lease, self._intents.release(lease))
            raise

    async def _look_then_send(self, write: Write[T], lease: Lease, intent: Intent) -> T:
        _refuse_another_payload(write, intent)
        # Before the look: an effect may become visible while it is under way.
        asked_at = self._store.now()
        found = await write.look()
        if found is not None:
            return await self._adopt(write, lease, found)
        self._refuse_unsettled(write, intent, asked_at)
        await _completed(self._intents.note(lease, write.payload_sha256))
        await self._clear(write, lease, intent)
        return await self._send(write, lease, intent.uncertain_since or asked_at)

    async def _adopt(self, write: Write[T], lease: Lease, found: T) -> T:
        """Return what was found, where it is what was wanted."""
        _refuse_different(write, found)
        await _completed(self._intents.record(lease, Outcome.applied, payload_sha256=write.payload_sha256))
        return found

    def _refuse_unsettled(self, write: Write[T], intent: Intent, at: datetime) -> None:
        """Return where "not there" means that it may be sent."""
        wait_s = intent.unsettled_s(at, write.settle_s)
        if wait_s and intent.outcome is Outcome.uncertain:
            raise self._uncertain(write, intent.uncertain_since, wait_s)
        if not write.makes:
            return
        if wait_s and intent.outcome is Outcome.none:
            # The port said that its last send never arrived. Clients are wrong there: a look will show it by then.
            raise in_progress(retry_after_s=ceil(wait_s))
        if wait_s:
            raise self._uncertain(write, None, wait_s)  # It was made, and the index does not show it yet.
        if intent.outcome is Outcome.applied:
            detail = "It was made earlier and cannot be found any more. Somebody has to look in the other system."
            raise Refused(Code.upstream_conflict_stale, detail)

    async def _clear(self, write: Write[T], lease: Lease, intent: Intent) -> None:
        """Return when the send may go out. Otherwise nothing was sent, and the row is as it was before."""
        try:
            await self._moments("between_intent_and_act", write.operation, write.key)
            await _completed(self._intents.renew(lease))
            if write.fence is not None:
                async with asyncio.timeout(self._settings.fence_s):
                    await write.fence()
        except TimeoutError as error:
            await _completed(self._intents.restore(lease, intent))
            raise Unavailable(Code.gateway_overloaded, "The fence did not answer. Nothing was sent.") from error
        except (Exception, CancelledError):
            await _completed(self._intents.restore(lease, intent))
            raise

    async def _send(self, write: Write[T], lease: Lease, since: datetime) -> T:
        """Return the effect, and record what came of the send, whatever it is."""
        try:
            done = await self._act(write)
            await self._moments("between_act_and_record", write.operation, write.key)
        except Refused:
            # Somebody answered: nothing is under way any more, and a mended document may take the key at once.
            await _written_down(lease, self._intents.record(lease, Outcome.none, settles_from=None))
            raise
        except Unavailable:
            await self._record_sent(lease, Outcome.none)
            raise
        except CancelledError:
            await self._record_sent(lease, Outcome.uncertain)
            raise
        except Exception as error:
            await self._record_sent(lease, Outcome.uncertain)
            if not isinstance(error, Uncertain | TimeoutError):
                _log.exception("%s of %s at %s broke.", write.operation, write.key, write.connection)
            raise self._uncertain(write, since, write.settle_s) from error
        await self._record_sent(lease, Outcome.applied)
        _refuse_different(write, done)
        return done

    async def _act(self, write: Write[T]) -> T:
        """Return the effect. A "no" is passed on only where a look does not show the opposite."""
        try:
            async with asyncio.timeout(self._settings.send_s):
                return await write.act()
        except (Refused, Unavailable):
            found = await self._second_look(write)
            if found is None:
                raise
            return found

    async def _second_look(self, write: Write[T]) -> T | None:
        try:
            async with asyncio.timeout(self._settings.second_look_s):
                return await write.look()
        except (ApiError, TimeoutError):
            return None

    async def _record_sent(self, lease: Lease, outcome: Outcome) -> None:
        await _written_down(lease, self._intents.record(lease, outcome, settles_from=self._store.now()))

    def _uncertain(self, write: Write[Any], since: datetime | None, wait_s: float) -> Uncertain:
        age_s = (self._store.now() - since).total_seconds() if since else 0.0
        family = Overdue if since and age_s >= write.deadline_s else Uncertain
        detail = "It may have happened. Send it again unchanged: it is looked for before anything is sent."
        return family(Code.upstream_timeout_uncertain, detail, retry_after_s=max(1, ceil(wait_s)))


def _refuse_another_payload(write: Write[Any], intent: Intent) -> None:
    """Return where the key is free, or bound to this payload: after a certain "no" a corrected document may take it."""
    sent = intent.outcome is not Outcome.none and intent.payload_sha256 is not None
    if write.makes and sent and intent.payload_sha256 != write.payload_sha256:
        detail = "The key was sent with another payload. Send that one again, or take another key."
        raise Refused(Code.process_payload_conflict, detail)


def _refuse_different(write: Write[T], found: T) -> None:
    """Return where the document is what was wanted, in the fields that the write names."""
    differences = write.agree(found) if write.agree else []
    if differences:
        violations = (difference.violation(write.connection) for difference in differences)
        detail = "The document that carries the key differs from what was wanted. Somebody has to look at both."
        raise Refused(Code.upstream_conflict_stale, detail, *violations)


async def _written_down(lease: Lease, work: Coroutine[Any, Any, None]) -> None:
    """Return once it is written down, or cannot be: what happened is told all the same, and looked for the next time.

    The row still says that something was sent, and the lease runs out by itself.
    """
    try:
        await _completed(work)
    except SQLAlchemyError:
        _log.exception("What came of %s of %s at %s is not written down.", lease.operation, lease.key, lease.connection)


async def _completed(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns. A cancellation waits for its end: what is recorded is recorded."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # Seen, so that nobody is warned of it; the cancellation is what is told.
        raise
