"""What is done again and again while a worker lives, beside the runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

_log = logging.getLogger(__name__)


class Round(Struct, frozen=True, kw_only=True):
    """Something to do each `every_s` seconds; it finds all there is to do each time it is asked."""

    name: str
    every_s: float
    act: Callable[[], Awaitable[object]]


@asynccontextmanager
async def going(rounds: Sequence[Round]) -> AsyncIterator[None]:
    """Let the rounds go on while the block runs."""
    tasks = [asyncio.create_task(_go(one), name=one.name) for one in rounds]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _go(one: Round) -> None:
    while True:
        await asyncio.sleep(one.every_s)
        try:
            await one.act()
        except Exception:  # noqa: BLE001 - whatever it was, the next round finds the same again
            _log.exception("A round broke: %s.", one.name)
