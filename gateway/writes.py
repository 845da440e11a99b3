"""One write, one effect: every write to another system goes through `Writes`, whoever asks and whatever gets lost."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from gateway.agreement import Difference
from gateway.errors import Refused
from gateway.store.database import Store
from gateway.store.write_intents import Intent, WriteIntents
from gateway.write_round import Act, Agree, Fence, Look, Moments, Rounds, Write, WriteSettings

__all__ = ["BoundWrites", "Item", "Moments", "Port", "WriteSettings", "Writes"]

P = TypeVar("P", bound=Struct)
T = TypeVar("T")


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


class Writes:
    """The guard. `moments` is called at `between_intent_and_act` and `between_act_and_record`."""

    def __init__(self, store: Store, settings: WriteSettings, moments: Moments = undisturbed) -> None:
        self._settings = settings
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
        deadline_s: float | None = None,
        serial: str | None = None,
    ) -> T:
        """Return the document that carries the key, there once, whoever else asks and whatever gets lost.

        One round. Raises WriteInProgress while another has the lease, Uncertain while "not there" proves nothing
        (Overdue once that has lasted for `deadline_s`), Refused(process_payload_conflict) where the key was sent with
        another payload, Refused(upstream_conflict_stale) where the document is not what was wanted, and what `look`,
        `fence` and `act` raise. After Refused and Unavailable nothing of this call has had an effect.
        """
        return await self._rounds.carry_out(
            Write(
                connection=connection,
                operation=operation,
                key=key,
                makes=True,
                payload_sha256=_sha256(payload),
                look=look,
                act=act,
                fence=_both(self._fence, fence),
                agree=agree,
                settle_s=settle_s,
                deadline_s=self._settings.deadline_s if deadline_s is None else deadline_s,
            )
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
        deadline_s: float | None = None,
        serial: str | None = None,
    ) -> T:
        """Return the object in its target state. `look` alone decides: it returns the object only once it is there.

        Keyed by the object's id and the operation, and bound to no payload, so that activate, deactivate, activate
        does what it says. Raises what `once` raises, but the two conflicts.
        """
        return await self._rounds.carry_out(
            Write(
                connection=connection,
                operation=operation,
                key=object_id,
                makes=False,
                payload_sha256=None if payload is None else _sha256(payload),
                look=look,
                act=act,
                fence=_both(self._fence, fence),
                agree=None,
                settle_s=settle_s,
                deadline_s=self._settings.deadline_s if deadline_s is None else deadline_s,
            )
        )

    async def many(  # noqa: PLR0913 - as above
        self,
        *,
        connection: str,
        operation: str,
        items: Sequence[Item[P]],
        look: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]],
        act: Callable[[Sequence[P]], Awaitable[Mapping[str, T | Refused]]],
        fence: Fence | None = None,
        agree: Callable[[P, T], list[Difference]] | None = None,
        makes: bool = True,
        settle_s: float,
        deadline_s: float | None = None,
        serial: str | None = None,
    ) -> dict[str, T | Refused]:
        """Return what came of each item, by key: the document, there once, or why that one was refused.

        A round over all keys at once. With `makes=False` the keys are ids of objects that are brought into a state, as
        in `change`, and `look` returns those that are in it.
        """
        raise NotImplementedError


class BoundWrites:
    """The guard of one connection: `once` and `change` without what the port knows."""

    def __init__(self, writes: Writes, port: Port) -> None:
        self._writes, self._port = writes, port

    async def once(
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
        look: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]],
        act: Callable[[Sequence[P]], Awaitable[Mapping[str, T | Refused]]],
        fence: Fence | None = None,
        agree: Callable[[P, T], list[Difference]] | None = None,
        makes: bool = True,
        serial: str | None = None,
    ) -> dict[str, T | Refused]:
        """Return what came of each item, by key: see `Writes.many`."""
        raise NotImplementedError


def _both(first: Fence | None, second: Fence | None) -> Fence | None:
    if first is None or second is None:
        return first or second

    async def both() -> None:
        await first()
        await second()

    return both


def _sha256(payload: Struct) -> str:
    return hashlib.sha256(msgspec.json.encode(payload, order="deterministic")).hexdigest()
