"""What a worker does at set intervals: of all workers exactly one each time, and never two runs of one at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from secrets import token_hex

from msgspec import Struct

from gateway.correlation import Urgency, belonging
from gateway.durable.settings import DurableSettings
from gateway.store import schedules as rows
from gateway.store.database import Store
from gateway.trace import correlation_id_of

_log = logging.getLogger(__name__)


class Schedule(Struct, frozen=True, kw_only=True):
    """Something that is done again and again, such as taking up what changed elsewhere.

    It may be cut short anywhere, and is then run once more: what it does has to converge.
    """

    name: str
    """Its name for ever: when it is due next is kept under it."""
    every_s: float
    run: Callable[[], Awaitable[object]]


class Schedules:
    """Runs each schedule when it is due; a run is held while it lasts, and renewed, so that it may be a long one."""

    def __init__(self, store: Store, schedules: Sequence[Schedule], settings: DurableSettings) -> None:
        self._store, self._settings = store, settings
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._holder = token_hex(16)
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def enter(self) -> None:
        """Let every schedule be known."""
        for schedule in self._schedules.values():
            await rows.enter(self._store, schedule.name, schedule.every_s)

    async def look(self) -> None:
        """Start what is due, of ours, unless another worker is quicker."""
        if not self._schedules:
            return
        for name in await rows.list_due(self._store):
            schedule = self._schedules.get(name)  # Another release may know others.
            if schedule is None or name in self._under_way:
                continue
            if await rows.claim(self._store, name, self._holder, self._settings.lease_s):
                self._under_way[name] = asyncio.create_task(self._carry_out(schedule), name=f"schedule {name}")

    async def finished(self) -> None:
        """Return once what is under way here has ended."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    async def stop(self) -> None:
        """Cut short what is under way; another worker runs it at once, or the next one that comes."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry_out(self, schedule: Schedule) -> None:
        holding = asyncio.create_task(self._hold(schedule.name, asyncio.current_task()))
        try:
            await self._run(schedule)
            await rows.finish(self._store, schedule.name, self._holder, schedule.every_s)
        except asyncio.CancelledError:
            _log.warning("The run of the schedule %s was cut short.", schedule.name)
            await rows.let_go(self._store, schedule.name, self._holder)
            raise
        except Exception:  # noqa: BLE001 - what is not written down is due again once the hold is over
            _log.exception("The end of the schedule %s could not be written down.", schedule.name)
        finally:
            holding.cancel()
            del self._under_way[schedule.name]

    async def _run(self, schedule: Schedule) -> None:
        with belonging(correlation_id=correlation_id_of(None), urgency=Urgency.background):
            try:
                await schedule.run()
            except Exception:  # noqa: BLE001 - whatever it was, it comes again at its next time
                _log.exception("The schedule %s broke.", schedule.name)

    async def _hold(self, name: str, run: asyncio.Task[None] | None) -> None:
        """Renew the hold; a run that another worker has taken over meanwhile is cut short."""
        held = True
        while held:
            await asyncio.sleep(self._settings.lease_renewal_s)
            try:
                held = await rows.renew(self._store, name, self._holder, self._settings.lease_s)
            except Exception:  # noqa: BLE001 - a database that is away for a moment costs nothing yet
                _log.warning("The hold of the schedule %s could not be renewed.", name, exc_info=True)
        if run is not None:
            run.cancel()
