"""Where a fault campaign may strike: `before` a step's call, `after` it, and once it is `recorded`."""

from collections.abc import Awaitable, Callable
from typing import Final

Moments = Callable[[str, str], Awaitable[None]]
"""Called with the moment and the step's name; for each step, undo, and closing of a process."""

BEFORE: Final = "before"
AFTER: Final = "after"
RECORDED: Final = "recorded"
MOMENTS: Final = (BEFORE, AFTER, RECORDED)


async def undisturbed(_moment: str, _step: str) -> None:
    """Do nothing."""
