"""What a worker does at set intervals: of all workers exactly one each time."""

from collections.abc import Awaitable, Callable

from msgspec import Struct


class Schedule(Struct, frozen=True, kw_only=True):
    """Something that is done again and again, such as taking up what changed elsewhere.

    It may be cut short anywhere, and is then run once more: what it does has to converge.
    """

    name: str
    """Its name for ever: when it is due next is kept under it."""
    every_s: float
    run: Callable[[], Awaitable[object]]
