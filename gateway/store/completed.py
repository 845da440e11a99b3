"""Work on the database that a cancellation does not cut in the middle."""

import asyncio
from asyncio import CancelledError
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def completed(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns. A cancellation waits for its end: what is recorded is recorded."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # Seen, so that nobody is warned of it; the cancellation is what is told.
        raise
