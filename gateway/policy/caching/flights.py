"""Reads under way: who asks for the same thing meanwhile waits for the first; and those that nobody waits for."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Final

from gateway.errors import ApiError
from gateway.policy.caching.stored import Stored
from gateway.policy.call import Answer

log = logging.getLogger(__name__)

WAIT_S: Final = 10.0
"""Who has waited so long for another's read asks for itself; half of what a caller is answered within."""
MOST_REFRESHED: Final = 32
"""So many answers are renewed at once behind their callers' backs; the next ones stay as they are a little longer."""
FAILED: Final = 500

Landed = Stored | int | None
"""What came of a flight: an answer for all, the status of one that is nobody else's, or None: it was given up."""


class Flight:
    """One read under way. Nothing is made for it before somebody waits."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._waiting: asyncio.Future[Landed] | None = None

    def land(self, landed: Landed) -> None:
        """Tell all who wait; who comes later begins anew."""
        self._leave()
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(landed)

    async def landing(self) -> Landed:
        """Return what came of it; raises TimeoutError."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        return await asyncio.wait_for(asyncio.shield(self._waiting), WAIT_S)


class Flights:
    """The reads under way in this process, each by what is asked for and under which generations."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, Flight] = {}
        self._refreshes: dict[Hashable, asyncio.Task[None]] = {}

    def is_under_way(self, key: Hashable) -> bool:
        """Tell whether somebody reads this already."""
        return key in self._under_way

    def begin(self, key: Hashable) -> Flight:
        """Return a flight that others may wait for until it lands."""
        flight = self._under_way[key] = Flight(partial(self._end, key))
        return flight

    def _end(self, key: Hashable) -> None:
        del self._under_way[key]

    async def joined(self, key: Hashable) -> Landed:
        """Return what came of the flight that is under way; None where there is none any more: the next one leads."""
        while flight := self._under_way.get(key):
            try:
                landed = await flight.landing()
            except TimeoutError:
                return FAILED
            if landed is not None:
                return landed
        return None

    async def settled(self) -> None:
        """Return once nothing is read any more that nobody waits for."""
        await asyncio.gather(*self._refreshes.values())

    def refresh(self, key: Hashable, read: Callable[[], Awaitable[Answer]]) -> None:
        """Begin a read that nobody waits for, unless it is under way, or too many are."""
        if key in self._refreshes or key in self._under_way or len(self._refreshes) >= MOST_REFRESHED:
            return
        task = asyncio.get_running_loop().create_task(_refreshed(read))
        self._refreshes[key] = task  # Referred to, because a task that nobody refers to may vanish.
        task.add_done_callback(lambda _: self._refreshes.pop(key, None))


async def _refreshed(read: Callable[[], Awaitable[Answer]]) -> None:
    try:
        answer = await read()
    except ApiError as error:
        log.warning("A kept answer could not be renewed: %s.", error.code)
    except Exception:
        log.exception("A kept answer could not be renewed.")
    else:
        if answer.status >= FAILED or answer.header(b"age"):  # What has an age is the older answer again.
            log.warning("A kept answer could not be renewed.")
