"""One timer of the event loop for all calls under way: to arm and disarm one for each costs more than it guards."""

import asyncio
from math import inf
from types import TracebackType
from typing import Final

TICK_S: Final = 0.001
"""What a loop rounds its timers to."""


class Alarm:
    """Ends what takes longer than it may, in the one event loop in which it is used."""

    def __init__(self) -> None:
        self._due: dict[Within, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = inf

    def within(self, seconds: float) -> "Within":
        """Return a block that raises TimeoutError where it takes longer, as that of `asyncio.timeout` does."""
        return Within(self, seconds)

    def set(self, block: "Within", seconds: float) -> None:
        """End the block after so long."""
        loop = asyncio.get_running_loop()
        self._due[block] = at = loop.time() + seconds
        if at < self._rings_at:
            self._arm(loop, at)

    def unset(self, block: "Within") -> None:
        """Leave the block alone; the timer stays, since others may need it, and rings for nobody otherwise."""
        self._due.pop(block, None)

    def _arm(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer, self._rings_at = loop.call_at(at, self._ring, loop), at

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what is due, and see to the next."""
        self._timer, self._rings_at = None, inf
        now = loop.time() + TICK_S
        for block in [block for block, at in self._due.items() if at <= now]:
            self.unset(block)
            block.end()
        if self._due:
            self._arm(loop, min(self._due.values()))


class Within:
    """A block, to be entered once in a task."""

    __slots__ = ("_alarm", "_cancelling", "_is_over", "_seconds", "_task")

    def __init__(self, alarm: Alarm, seconds: float) -> None:
        self._alarm, self._seconds, self._is_over = alarm, seconds, False

    def __enter__(self) -> None:
        """Begin to count the time."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("Only a task can be ended when its time is up.")
        self._task, self._cancelling = task, task.cancelling()
        self._alarm.set(self, self._seconds)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Raise TimeoutError where it was the time that ended the block, and nobody else."""
        self._alarm.unset(self)
        if self._is_over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        """End what the block awaits."""
        self._is_over = True
        self._task.cancel()
