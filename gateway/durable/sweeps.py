"""What the worker looks for again and again: processes that ought to go on by themselves, or that nobody would miss."""

from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select

from gateway.caller import INSTALLATION
from gateway.durable import decisions, marks
from gateway.durable.engine import Engine, Status
from gateway.durable.outcomes import Outcome
from gateway.durable.settings import DurableSettings
from gateway.errors import Refused
from gateway.store import processes
from gateway.store.database import Store
from gateway.store.locks import tb_lock
from gateway.store.processes import MOVING, Process, State, tb_process_instance
from openapi.common.types import Outcome as Effect

COLUMNS: Final = tb_process_instance.c
MOVES: Final = COLUMNS.state.in_([state.value for state in MOVING])
REDELIVER_AFTER: Final = timedelta(seconds=1)
DELIVERIES: Final = 5
"""How often the engine is told; one that ends each time before it comes to a step is left to a person."""
_BATCH: Final = 100


class Sweeps:
    """Each sweep finds rows, and changes each in a transaction of its own; all may be repeated at any time."""

    def __init__(self, store: Store, engine: Engine, settings: DurableSettings) -> None:
        self._store, self._engine, self._settings = store, engine, settings

    async def move_on(self) -> None:
        """Look once for what may go on just now."""
        for sweep in (self.deliver, self.resume_unavailable, self.resume_blocked):
            await sweep()

    async def clear_up(self) -> None:
        """Look once for what has come to nothing: that is known after minutes and days, and asked for as seldom."""
        for sweep in (self.give_up, self.find_stranded):
            await sweep()

    async def deliver(self) -> None:
        """Tell the engine of decisions that it could not be told of when they were made; not for ever."""
        old = COLUMNS.updated_at < self._store.now() - REDELIVER_AFTER
        # What was decided about moves from then on; by the state, each second does not read all that ever was.
        for process in await self._found(MOVES, COLUMNS.rewind_to.is_not(None), old):
            if process.tries >= self._settings.unavailable_tries + DELIVERIES:
                await self._park_stranded(process)
            else:
                await self._deliver_again(process)

    async def resume_unavailable(self) -> None:
        """Take up what parked because a system was away: a few at once, each less and less often."""
        due = COLUMNS.next_try_at <= self._store.now()
        for process in await self._found(COLUMNS.state == State.parked.value, due, limit=self._settings.group):
            await self._take_up(process)

    async def resume_blocked(self) -> None:
        """Take up what met a lock that its owner does not hold any more."""
        name = func.coalesce(COLUMNS.blocked_lock, tb_lock.c.name)
        held = select(tb_lock.c.name).where(tb_lock.c.process_id == COLUMNS.blocked_by, tb_lock.c.name == name)
        blocked = (COLUMNS.state == State.parked.value, COLUMNS.blocked_by.is_not(None), ~held.exists())
        for process in await self._found(*blocked, limit=self._settings.group):
            await self._take_up(process)

    async def give_up(self) -> None:
        """Undo what was held forward for so long that nobody will mend it."""
        since = self._store.now() - timedelta(seconds=self._settings.hold_forward_s)
        held = (COLUMNS.state == State.parked.value, COLUMNS.parked_at < since, COLUMNS.pivot_at.is_(None))
        undoable = (COLUMNS.giving_up.is_(False), COLUMNS.outcome != Effect.uncertain.value)
        for process in await self._found(*held, *undoable):
            try:
                await decisions.cancel(self._store, self._engine, INSTALLATION, process.id)
            except Refused:
                continue  # Somebody was quicker.

    async def find_stranded(self) -> None:
        """Open a work item for what the engine has left without one: nothing dies unseen."""
        since = self._store.now() - timedelta(seconds=self._settings.stranded_after_s)
        moving = (MOVES, COLUMNS.rewind_to.is_(None))
        for process in await self._found(*moving, COLUMNS.updated_at < since):
            if await self._engine.status_of(process.workflow_id) is not Status.moving:
                await self._park_stranded(process)

    async def _park_stranded(self, seen: Process) -> None:
        at = await self._engine.next_step_of(seen.workflow_id)
        async with self._store.begin() as connection:
            process = await processes.locked(connection, seen.id)
            if process.version == seen.version:
                step = process.current_step or process.kind
                outcome = Outcome.broke(at=process.rewind_to or at)
                stop = marks.Stop(step=step, outcome=outcome)
                await marks.park_within(connection, self._store, self._settings, process, stop)

    async def _deliver_again(self, seen: Process) -> None:
        async with self._store.begin() as connection:
            process = await processes.locked(connection, seen.id)
            if process.version != seen.version:
                return
            process = await processes.change(connection, self._store, process, tries=process.tries + 1)
        await decisions.deliver(self._engine, process)

    async def _take_up(self, seen: Process) -> None:
        async with self._store.begin() as connection:
            process = await processes.locked(connection, seen.id)
            if process.version != seen.version:
                return
            process = await decisions.take_up(connection, self._store, process)
        await decisions.deliver(self._engine, process)

    async def _found(self, *wanted: ColumnElement[bool], limit: int = _BATCH) -> list[Process]:
        asked = select(tb_process_instance).where(*wanted).order_by(COLUMNS.updated_at).limit(limit)
        async with self._store.begin() as connection:
            return [Process.of(row) for row in await connection.execute(asked)]
