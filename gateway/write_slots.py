"""Waiting for a slot, and holding it: where another system takes one write at a time, ours do not meet there.

Correctness never rests on it: a holder that lost its slot goes on, and the other system refuses one of the two.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from gateway.deadline import left_s
from gateway.store import write_slots
from gateway.store.completed import completed
from gateway.store.database import Store
from gateway.store.write_intents import in_progress

POLLS_S: Final = (0.05, 0.2)
"""Rows tell nobody. Small beside a posting, and apart, so that those who wait do not ask together."""
_JITTER: Final = random.Random()  # noqa: S311 - it only spreads what would otherwise come at once
_log = logging.getLogger(__name__)


class Slots:
    """The slots of one database; any number of processes share them."""

    def __init__(self, store: Store, *, lease_s: float, wait_s: float) -> None:
        self._store, self._lease_s, self._wait_s = store, lease_s, wait_s

    @asynccontextmanager
    async def held(self, name: str | None) -> AsyncIterator[None]:
        """Hold the slot for as long as the block takes; raises WriteInProgress where others keep it for too long."""
        if name is None:
            yield
            return
        holder, done = token_hex(16), asyncio.Event()
        try:
            await self._wait(name, holder)
            renewing = asyncio.create_task(self._renew(name, holder, done))
            try:
                yield
            finally:
                done.set()
                await completed(_ended(renewing))
        finally:
            await completed(self._give_back(name, holder))

    async def _wait(self, name: str, holder: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + min(self._wait_s, left_s() / 2)  # The other half is for the send.
        while not await completed(write_slots.take(self._store, name, holder, self._lease_s)):
            if loop.time() >= until:
                raise in_progress()
            await asyncio.sleep(_JITTER.uniform(*POLLS_S))

    async def _renew(self, name: str, holder: str, done: asyncio.Event) -> None:
        """Return when it is done, or the slot is lost. Nothing is cut in the middle, so it is told by an event."""
        while not await _set_within(done, self._lease_s / 3):
            try:
                kept = await write_slots.renew(self._store, name, holder, self._lease_s)
            except SQLAlchemyError:
                _log.warning("The slot %s could not be renewed. It is tried again.", name, exc_info=True)
                continue
            if not kept:
                _log.warning("The slot %s was lost: what goes through it now may be refused.", name)
                return

    async def _give_back(self, name: str, holder: str) -> None:
        try:
            await write_slots.give_back(self._store, name, holder)
        except SQLAlchemyError:
            _log.exception("The slot %s is not given back. It runs out by itself.", name)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _ended(task: asyncio.Task[None]) -> None:
    await task
