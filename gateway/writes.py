"""One write, one effect: every write to another system goes through `Writes`, whoever asks and whatever gets lost."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from msgspec import Struct

from gateway.agreement import Difference
from gateway.errors import Uncertain
from gateway.store.database import Store

T = TypeVar("T")
Moments = Callable[[str, str, str], Awaitable[None]]


class Overdue(Uncertain):
    """Still unknown at the deadline. A class, because `submit` catches it by name: somebody has to look."""


class WriteSettings(Struct, frozen=True, kw_only=True):
    """The clocks of the guard."""

    lease_s: float = 120.0
    deadline_s: float = 3600.0


async def undisturbed(name: str, operation: str, key: str) -> None:
    """Be at a moment inside a write, and do nothing: what a fault campaign puts its own in place of."""


class Capabilities(Protocol):
    @property
    def settle_s(self) -> float: ...


class Port(Protocol):
    @property
    def connection(self) -> str: ...
    @property
    def capabilities(self) -> Capabilities: ...


class Writes:
    def __init__(self, store: Store, settings: WriteSettings, moments: Moments = undisturbed) -> None:
        raise NotImplementedError

    def bound(self, port: Port) -> "BoundWrites":
        raise NotImplementedError

    async def once(
        self,
        *,
        connection: str,
        operation: str,
        key: str,
        payload: Struct,
        look: Callable[[], Awaitable[T | None]],
        act: Callable[[], Awaitable[T]],
        fence: Callable[[], Awaitable[None]] | None = None,
        agree: Callable[[T], list[Difference]] | None = None,
        settle_s: float,
        deadline_s: float | None = None,
    ) -> T:
        raise NotImplementedError

    async def change(
        self,
        *,
        connection: str,
        operation: str,
        object_id: str,
        look: Callable[[], Awaitable[T | None]],
        act: Callable[[], Awaitable[T]],
        payload: Struct | None = None,
        fence: Callable[[], Awaitable[None]] | None = None,
        settle_s: float,
        deadline_s: float | None = None,
    ) -> T:
        raise NotImplementedError


class BoundWrites:
    async def once(
        self,
        *,
        operation: str,
        key: str,
        payload: Struct,
        look: Callable[[], Awaitable[T | None]],
        act: Callable[[], Awaitable[T]],
        fence: Callable[[], Awaitable[None]] | None = None,
        agree: Callable[[T], list[Difference]] | None = None,
    ) -> T:
        raise NotImplementedError

    async def change(
        self,
        *,
        operation: str,
        object_id: str,
        look: Callable[[], Awaitable[T | None]],
        act: Callable[[], Awaitable[T]],
        payload: Struct | None = None,
        fence: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        raise NotImplementedError
