"""One write, one effect: every write to another system goes through `Writes`, whoever asks and whatever gets lost."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from gateway.agreement import Difference
from gateway.errors import Refused, Unavailable
from gateway.store.database import Store
from gateway.store.write_intents import Intent, WriteIntents
from gateway.write_round import Moments, Rounds, WriteSettings
from gateway.write_rules import Fence, Write

__all__ = ["BoundWrites", "Item", "Moments", "Port", "WriteSettings", "Writes"]

P = TypeVar("P", bound=Struct)
T = TypeVar("T")
Look = Callable[[], Awaitable[T | None]]
Act = Callable[[], Awaitable[T]]
Agree = Callable[[T], list[Difference]]
Changed = Callable[[str], Awaitable[None]]
LookMany = Callable[[Sequence[str]], Awaitable[Mapping[str, T]]]


class Item(Struct, Generic[P], frozen=True, kw_only=True):
    """One document of a batch."""

    key: str
    payload: P


class Capabilities(Protocol):
    """What the guard has to know of a connection."""

    @property
    def settle_s(self) -> float:
        """Seconds after a send within which "not found" proves nothing."""


class Port(Protocol):
    """A connection, as far as the guard is concerned: any port of `system_apis.ports` is one."""

    @property
    def connection(self) -> str:
        """Its name."""

    @property
    def capabilities(self) -> Capabilities:
        """What it declares."""


async def undisturbed(_name: str, _operation: str, _key: str) -> None:
    """Do nothing at a moment inside a write: what a fault campaign puts something else in the place of."""


async def unheard(_connection: str) -> None:
    """Tell nobody that a connection's documents have changed: there is nobody who keeps them."""


class Writes:
    """The guard. `moments` is called at `between_intent_and_act` and `between_act_and_record`.

    `changed` is called with the connection's name after each round that has, or may have, changed something there.
    """

    def __init__(
        self, store: Store, settings: WriteSettings, moments: Moments = undisturbed, changed: Changed = unheard
    ) -> None:
        self._settings, self._changed = settings, changed
        self._fence: Fence | None = None
        self._rounds, self._intents = Rounds(store, settings, moments), WriteIntents(store, settings.lease_s)

    def fenced(self, fence: Fence) -> "Writes":
        """Return the guard of one worker: it asks the fence before each send, beside what the write asks."""
        guard = copy(self)
        guard._fence = fence  # noqa: SLF001 - a copy of this one
        return guard

    def bound(self, port: Port) -> "BoundWrites":
        """Return the guard of one connection, as handlers get it."""
        return BoundWrites(self, port)

    async def intent(self, connection: str, operation: str, key: str) -> Intent | None:
        """Return what is known of a write, or None where nobody asked for it."""
        return await self._intents.get(connection, operation, key)

    async def once(  # noqa: PLR0913 - one write has so many sides, and each is given by name
        self,
        *,
        connection: str,
        operation: str,
        key: str,
        payload: Struct,
        look: Look[T],
        act: Act[T],
        fence: Fence | None = None,
        agree: Agree[T] | None = None,
        settle_s: float,
        serial: str | None = None,
    ) -> T:
        """Return the document that carries the key, there once, whoever else asks and whatever gets lost.

        One round. `serial` names a slot, through which one write goes at a time over all processes: for systems that
        refuse whoever comes second. Raises WriteInProgress while another has the lease, or the slot; Uncertain while
        "not there" proves nothing (Overdue once that has lasted for the settings' `deadline_s`),
        Refused(process_payload_conflict) where the key was sent with another payload, Refused(upstream_conflict_stale)
        where the document is not what was wanted, and what `look`, `fence` and `act` raise. After Refused and
        Unavailable nothing of this call has had an effect.
        """
        return await self._single(
            key,
            look,
            act,
            connection=connection,
            operation=operation,
            makes=True,
            payloads={key: _sha256(payload)},
            agree=None if agree is None else lambda _key, found: agree(found),
            fence=fence,
            settle_s=settle_s,
            serial=serial,
        )

    async def change(  # noqa: PLR0913 - as above
        self,
        *,
        connection: str,
        operation: str,
        object_id: str,
        look: Look[T],
        act: Act[T],
        payload: Struct | None = None,
        fence: Fence | None = None,
        settle_s: float,
        serial: str | None = None,
    ) -> T:
        """Return the object in its target state. `look` alone decides: it returns the object only once it is there.

        Keyed by the object's id and the operation, and bound to no payload, so that activate, deactivate, activate
        does what it says. Raises what `once` raises, but the two conflicts.
        """
        return await self._single(
            object_id,
            look,
            act,
            connection=connection,
            operation=operation,
            makes=False,
            payloads={object_id: None if payload is None else _sha256(payload)},
            agree=None,
            fence=fence,
            settle_s=settle_s,
            serial=serial,
        )

    async def many(  # noqa: PLR0913 - as above
        self,
        *,
        connection: str,
        operation: str,
        items: Sequence[Item[P]],
        look: LookMany[T],
        act: Callable[[Sequence[P]], Awaitable[Mapping[str, T | Refused]]],
        fence: Fence | None = None,
        agree: Callable[[P, T], list[Difference]] | None = None,
        makes: bool = True,
        settle_s: float,
        serial: str | None = None,
    ) -> dict[str, T | Refused]:
        """Return what came of each item, by key: the document, there once, or why that one was refused.

        One round over all keys, in one look and one send. What `once` raises as a conflict, and what `act` refuses of
        an item, is that item's answer, and its siblings go on. Everything else is raised, and holds for the batch:
        while one key is leased by another, or its outcome is unknown, nothing is sent, and the batch comes again as it
        is. `act` sends the payloads that are left, in their order, and answers each by its key; what it raises is
        true of all of them. With `makes=False` the keys are ids of objects that are brought into a state, as in
        `change`: bound to no payload, and `look` returns those that are in it.
        """
        payloads = {item.key: item.payload for item in items}
        if len(payloads) < len(items):
            raise ValueError(f"{operation}: a batch has each key once.")
        if not payloads:
            return {}

        async def act_on(keys: Sequence[str]) -> Mapping[str, T | Refused]:
            return await act([payloads[key] for key in keys])

        return await self._carry_out(
            connection=connection,
            operation=operation,
            makes=makes,
            payloads={key: _sha256(payload) if makes else None for key, payload in payloads.items()},
            look=look,
            act=act_on,
            agree=None if agree is None else lambda key, found: agree(payloads[key], found),
            fence=fence,
            settle_s=settle_s,
            serial=serial,
        )

    async def _single(self, key: str, look: Look[T], act: Act[T], **asked: Any) -> T:  # noqa: ANN401 - the rest of it
        """Return what came of a batch of one."""

        async def look_for(_keys: Sequence[str]) -> Mapping[str, T]:
            found = await look()
            return {} if found is None else {key: found}

        async def act_on(_keys: Sequence[str]) -> Mapping[str, T | Refused]:
            return {key: await act()}

        answers = await self._carry_out(look=look_for, act=act_on, **asked)
        answer: T | Refused = answers[key]
        if isinstance(answer, Refused):
            raise answer
        return answer

    async def _carry_out(self, *, fence: Fence | None, **asked: Any) -> dict[str, Any]:  # noqa: ANN401 - the rest of it
        write = Write[Any](deadline_s=self._settings.deadline_s, fence=_both(self._fence, fence), **asked)
        try:
            answers = await self._rounds.carry_out(write)
        except (Refused, Unavailable):
            raise
        except BaseException:  # It may have happened.
            await self._changed(write.connection)
            raise
        if any(not isinstance(answer, Refused) for answer in answers.values()):
            await self._changed(write.connection)
        return answers


class BoundWrites:
    """The guard of one connection: `once` and `change` without what the port knows."""

    def __init__(self, writes: Writes, port: Port) -> None:
        self._writes, self._port = writes, port

    async def once(  # noqa: PLR0913 - as above
        self,
        *,
        operation: str,
        key: str,
        payload: Struct,
        look: Look[T],
        act: Act[T],
        fence: Fence | None = None,
        agree: Agree[T] | None = None,
        serial: str | None = None,
    ) -> T:
        """Return the document that carries the key: see `Writes.once`."""
        return await self._writes.once(
            connection=self._port.connection,
            operation=operation,
            key=key,
            payload=payload,
            look=look,
            act=act,
            fence=fence,
            agree=agree,
            settle_s=self._port.capabilities.settle_s,
            serial=serial,
        )

    async def change(
        self,
        *,
        operation: str,
        object_id: str,
        look: Look[T],
        act: Act[T],
        payload: Struct | None = None,
        fence: Fence | None = None,
        serial: str | None = None,
    ) -> T:
        """Return the object in its target state: see `Writes.change`."""
        return await self._writes.change(
            connection=self._port.connection,
            operation=operation,
            object_id=object_id,
            look=look,
            act=act,
            payload=payload,
            fence=fence,
            settle_s=self._port.capabilities.settle_s,
            serial=serial,
        )

    async def many(  # noqa: PLR0913 - as above
        self,
        *,
        operation: str,
        items: Sequence[Item[P]],
        look: LookMany[T],
        act: Callable[[Sequence[P]], Awaitable[Mapping[str, T | Refused]]],
        fence: Fence | None = None,
        agree: Callable[[P, T], list[Difference]] | None = None,
        makes: bool = True,
        serial: str | None = None,
    ) -> dict[str, T | Refused]:
        """Return what came of each item, by key: see `Writes.many`."""
        return await self._writes.many(
            connection=self._port.connection,
            operation=operation,
            items=items,
            look=look,
            act=act,
            fence=fence,
            agree=agree,
            makes=makes,
            settle_s=self._port.capabilities.settle_s,
            serial=serial,
        )


def _both(first: Fence | None, second: Fence | None) -> Fence | None:
    if first is None or second is None:
        return first or second

    async def both() -> None:
        await first()
        await second()

    return both


def _sha256(payload: Struct) -> str:
    return hashlib.sha256(msgspec.json.encode(payload, order="deterministic")).hexdigest()
