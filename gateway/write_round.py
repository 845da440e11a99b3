"""One round of one write: lease, look, note the intent, ask the fence, act, record what came of it.

A write is a batch of documents, each by its own key; a single document is a batch of one. A process may die between any
two of these: the next round begins with a look. One hole remains that no client can close: a process that is frozen
between its last check and its send, for longer than its lease.
"""

import asyncio
import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from datetime import datetime
from secrets import token_hex
from typing import Any, TypeVar

from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import ApiError, Refused, Unavailable, Uncertain
from gateway.store.completed import completed
from gateway.store.database import Store
from gateway.store.write_intents import Intent, Lease, WriteIntents
from gateway.write_rules import (
    Write,
    began_at,
    refuse_another_payload,
    refuse_different,
    refuse_gone,
    uncertain,
)
from gateway.write_slots import Slots
from openapi.common.types import Code, Outcome

T = TypeVar("T")
Answers = dict[str, T | Refused]
Moments = Callable[[str, str, str], Awaitable[None]]

_log = logging.getLogger(__name__)


class WriteSettings(Struct, frozen=True, kw_only=True):
    """The clocks of the guard. A lease outlasts everything that is done under it after it was last renewed."""

    lease_s: float = 120.0
    deadline_s: float = 3600.0
    slot_s: float = 15.0
    """After how long the slot of a holder that died is free; while a holder sends, it is renewed."""

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

    @property
    def slot_wait_s(self) -> float:
        """How long a write waits for its slot. Nothing is noted by then, and the note renews the lease."""
        return self.lease_s * 0.5


class Rounds:
    """Carries rounds out. `moments` is called at `between_intent_and_act` and `between_act_and_record`."""

    def __init__(self, store: Store, settings: WriteSettings, moments: Moments) -> None:
        self._store, self._settings, self._moments = store, settings, moments
        self._intents = WriteIntents(store, settings.lease_s)
        self._slots = Slots(store, lease_s=settings.slot_s, wait_s=settings.slot_wait_s)

    async def carry_out(self, write: Write[T]) -> Answers[T]:
        """Return what came of each key after one round; what it raises stands at `gateway.writes`."""
        keys = tuple(write.payloads)
        lease = Lease(connection=write.connection, operation=write.operation, keys=keys, owner=token_hex(16))
        try:
            intents = await completed(self._intents.take(lease))
            answers = await self._look_then_send(write, lease, intents)
        except (Exception, CancelledError):
            await _written_down(lease, self._intents.release(lease))
            raise
        return {key: answers[key] for key in keys}

    async def _look_then_send(self, write: Write[T], lease: Lease, intents: Mapping[str, Intent]) -> Answers[T]:
        answers: Answers[T] = {**refuse_another_payload(write, intents)}
        # Before the look: an effect may become visible while it is under way.
        asked_at = self._store.now()
        found: Answers[T] = await self._find(write, lease.of(_left(lease, answers)))
        answers |= found
        answers |= refuse_gone(write, {key: intents[key] for key in _left(lease, answers)}, asked_at)
        refused = [key for key, answer in answers.items() if isinstance(answer, Refused)]
        if refused:
            await _written_down(lease, self._intents.release(lease.of(refused)))
        left = lease.of(_left(lease, answers))
        sent: Answers[T] = await self._send(write, left, intents, asked_at) if left.keys else {}
        return answers | sent

    async def _find(self, write: Write[T], lease: Lease) -> Answers[T]:
        """Return what is there already: adopted where it is what was wanted."""
        found = _of(lease.keys, await write.look(lease.keys)) if lease.keys else {}
        answers: Answers[T] = {**found, **refuse_different(write, found)}
        adopted = [key for key, answer in answers.items() if not isinstance(answer, Refused)]
        if adopted:
            await completed(self._intents.adopt(lease.of(adopted), write.payloads))
        return answers

    async def _send(
        self, write: Write[T], lease: Lease, intents: Mapping[str, Intent], asked_at: datetime
    ) -> Answers[T]:
        noted = {key: intents[key] for key in lease.keys}
        async with self._slots.held(write.serial):
            await completed(self._intents.note(lease, write.payloads))
            await self._clear(write, lease, noted)
            return await self._sent(write, lease, noted, asked_at)

    async def _clear(self, write: Write[T], lease: Lease, intents: Mapping[str, Intent]) -> None:
        """Return when the send may go out. Otherwise nothing was sent, and the rows are as they were before."""
        try:
            await self._moments("between_intent_and_act", write.operation, lease.keys[0])
            await completed(self._intents.renew(lease))
            if write.fence is not None:
                async with asyncio.timeout(self._settings.fence_s):
                    await write.fence()
        except TimeoutError as error:
            await completed(self._intents.restore(lease, intents))
            raise Unavailable(Code.gateway_overloaded, "The fence did not answer. Nothing was sent.") from error
        except (Exception, CancelledError):
            await completed(self._intents.restore(lease, intents))
            raise

    async def _sent(self, write: Write[T], lease: Lease, noted: Mapping[str, Intent], asked_at: datetime) -> Answers[T]:
        """Return the effects, and record what came of the send, whatever it is."""
        earlier = began_at(noted.values())
        since = earlier or asked_at
        try:
            outcomes = await self._act(write, lease, in_doubt=earlier is not None)
            await self._moments("between_act_and_record", write.operation, lease.keys[0])
        except Refused:
            await self._record(lease, Outcome.none, settles_from=None)
            raise
        except Unavailable:
            await self._record(lease, Outcome.none, settles_from=self._store.now())
            raise
        except CancelledError:
            await self._record(lease, Outcome.uncertain, settles_from=self._store.now())
            raise
        except Exception as error:
            await self._record(lease, Outcome.uncertain, settles_from=self._store.now())
            if not isinstance(error, Uncertain | TimeoutError):
                _log.exception("%s of %s at %s broke.", write.operation, lease.keys[0], write.connection)
            raise uncertain(write, since, self._store.now(), write.settle_s) from error
        await self._record_each(lease, outcomes)
        if len(outcomes) < len(lease.keys):
            raise uncertain(write, since, self._store.now(), write.settle_s)
        made = {key: outcome for key, outcome in outcomes.items() if not isinstance(outcome, Refused)}
        return outcomes | refuse_different(write, made)

    async def _act(self, write: Write[T], lease: Lease, *, in_doubt: bool) -> Answers[T]:
        """Return what is known of the keys. A "no" is passed on only where a look does not show the opposite.

        `in_doubt` says that an earlier send may have had the effect that this one is refused for.
        """
        try:
            async with asyncio.timeout(self._settings.send_s):
                outcomes = _of(lease.keys, await write.act(lease.keys))
        except (Refused, Unavailable):
            found = await self._second_look(write, lease.keys, in_doubt=in_doubt)
            if not found:
                raise
            return {**found}  # Whoever errs about these may err about the others: they are left unknown.
        refused = [key for key, outcome in outcomes.items() if isinstance(outcome, Refused)]
        return outcomes | (await self._second_look(write, refused, in_doubt=in_doubt) if refused else {})

    async def _second_look(self, write: Write[T], keys: Iterable[str], *, in_doubt: bool) -> dict[str, T]:
        asked = tuple(keys)
        try:
            async with asyncio.timeout(self._settings.second_look_s):
                return _of(asked, await write.look(asked))
        except (ApiError, TimeoutError) as error:
            if in_doubt:
                detail = "It was refused, but an earlier send may have had the effect, and nobody could be asked."
                raise Uncertain(Code.upstream_timeout_uncertain, detail) from error
            return {}

    async def _record_each(self, lease: Lease, outcomes: Mapping[str, T | Refused]) -> None:
        """Write down what came of each key; of one without an answer it is not known."""
        made = [key for key, outcome in outcomes.items() if not isinstance(outcome, Refused)]
        refused = [key for key, outcome in outcomes.items() if isinstance(outcome, Refused)]
        now = self._store.now()
        await self._record(lease.of(made), Outcome.applied, settles_from=now)
        # Somebody answered: nothing is under way any more, and a mended document may take the key at once.
        await self._record(lease.of(refused), Outcome.none, settles_from=None)
        await self._record(lease.of(_left(lease, outcomes)), Outcome.uncertain, settles_from=now)

    async def _record(self, lease: Lease, outcome: Outcome, *, settles_from: datetime | None) -> None:
        if lease.keys:
            await _written_down(lease, self._intents.record(lease, outcome, settles_from=settles_from))


def _left(lease: Lease, answers: Mapping[str, object]) -> list[str]:
    return [key for key in lease.keys if key not in answers]


def _of(keys: Iterable[str], answers: Mapping[str, T]) -> dict[str, T]:
    return {key: answers[key] for key in keys if key in answers}


async def _written_down(lease: Lease, work: Coroutine[Any, Any, None]) -> None:
    """Return once it is written down, or cannot be: what happened is told all the same, and looked for the next time.

    The rows still say that something was sent, and the lease runs out by itself.
    """
    try:
        await completed(work)
    except SQLAlchemyError:
        where = lease.operation, lease.keys[0], lease.connection
        _log.exception("What came of %s of %s at %s is not written down.", *where)
