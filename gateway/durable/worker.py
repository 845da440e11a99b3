"""The worker: a process that carries out what was accepted, until it is told to stop. PostgreSQL takes many of them."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from msgspec import json
from sqlalchemy.exc import SQLAlchemyError

from gateway.correlation import Urgency, belonging
from gateway.durable.body import carry
from gateway.durable.engine import Engine, Runtime, Start
from gateway.durable.moments import Moments, undisturbed
from gateway.durable.reaper import Reaper
from gateway.durable.rounds import Round, going
from gateway.durable.run import Fence, Run, unfenced
from gateway.durable.schedules import Schedule, Schedules
from gateway.durable.settings import DurableSettings
from gateway.durable.sweeps import Sweeps
from gateway.durable.worker_lease import LeaseLost
from gateway.durable.worker_lock import WorkerLock, worker_lock
from gateway.durable.workflow import Workflow
from gateway.store import usage
from gateway.store.database import Store, is_sqlite
from gateway.trace import place_of
from gateway.writes import Writes


class Worker:
    """Carries workflows out with the resources that they name. `moments` is where a fault campaign strikes."""

    def __init__(  # noqa: PLR0913 - each is given by name
        self,
        *,
        url: str,
        store: Store,
        writes: Writes,
        workflows: Sequence[Workflow[Any]],
        resources: Mapping[str, object],
        settings: DurableSettings,
        moments: Moments = undisturbed,
        schedules: Sequence[Schedule] = (),
    ) -> None:
        self._url, self._store, self._settings, self._moments = url, store, settings, moments
        self._writes = writes.fenced(self._ask_fence)
        self._workflows = {workflow.name: workflow for workflow in workflows}
        everything = {"store": store, "writes": self._writes, **resources}
        self._resources = {workflow.name: workflow.bind(everything) for workflow in workflows}
        self._schedules = schedules
        self._fence: Fence = unfenced
        self._stopping, self._lease_lost = asyncio.Event(), False

    async def run(self) -> None:
        """Return once told to stop, by SIGTERM, SIGINT or `stop`, and what was under way is done or put down.

        Raises AnotherWorker where there is one and the database takes no second, and LeaseLost where it was taken for
        dead: start another one.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        try:
            async with self.started():
                await self._stopping.wait()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        if self._lease_lost:
            raise LeaseLost("The worker was taken for dead, and others have its work. Start it again.")

    async def _ask_fence(self) -> None:
        async with self._store.begin() as connection:
            await self._fence(connection)

    async def works(self) -> bool:
        """Tell whether it carries out just now: it has the right to, and nobody has told it to stop."""
        if self._stopping.is_set() or self._fence is unfenced:
            return False
        await self._ask_fence()
        return True

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()

    def _lose_from(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._lose)

    def _lose(self) -> None:
        self._lease_lost = True
        self.stop()

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Engine]:
        """Carry out while the block runs; for tests, and for `run`."""
        lock = worker_lock(self._url, self._settings, partial(self._lose_from, asyncio.get_running_loop()))
        await asyncio.to_thread(lock.take)
        engine, undone = Engine(self._url), True
        try:
            await engine.register_queue(self._settings)
            async with self._carrying_out(engine, lock):
                yield engine
            undone = await _is_undone(engine, lock.executor)
        finally:
            engine.close()
            await asyncio.to_thread(lock.release, undone=undone)

    @asynccontextmanager
    async def _carrying_out(self, engine: Engine, lock: WorkerLock) -> AsyncIterator[None]:
        self._fence, settings = lock.fence, self._settings
        schedules = Schedules(self._store, self._schedules, settings)
        await schedules.enter()
        self._runtime = Runtime(self._url, list(self._workflows), self._body, lock.executor, settings.max_recoveries)
        try:
            async with going(self._rounds(engine, schedules)):
                self._runtime.launch()
                yield
        finally:
            await schedules.stop()
            # What others have by now is not waited for.
            await self._runtime.destroy(0 if self._lease_lost else settings.drain_s)

    def _rounds(self, engine: Engine, schedules: Schedules) -> list[Round]:
        settings = self._settings
        sweeps = Sweeps(self._store, engine, settings)
        prune, forget = partial(engine.prune, settings.keep_s), partial(usage.prune, self._store, settings.keep_usage_s)
        rounds = [
            Round(name="move on", every_s=settings.sweep_interval_s, act=sweeps.move_on),
            Round(name="clear up", every_s=settings.clear_up_interval_s, act=sweeps.clear_up),
            Round(name="schedules", every_s=settings.sweep_interval_s, act=schedules.look),
            Round(name="prune", every_s=settings.prune_interval_s, act=prune),
            Round(name="forget usage", every_s=settings.prune_interval_s, act=forget),
        ]
        if not is_sqlite(self._url):
            reaper = Reaper(self._store, engine, self._runtime.recover, settings)
            rounds.append(Round(name="reap", every_s=settings.lease_renewal_s, act=reaper.reap))
        return rounds

    async def _body(self, name: str, start: Start) -> None:
        workflow = self._workflows[name]
        run = Run(
            workflow=workflow,
            process_id=start.process_id,
            attempt=start.attempt,
            store=self._store,
            writes=self._writes,
            engine=self._runtime,
            settings=self._settings,
            moments=self._moments,
            fence=self._fence,
        )
        order = json.decode(start.order, type=workflow.order)
        trace = place_of([start.traceparent.encode()]) if start.traceparent else None
        with belonging(
            correlation_id=start.correlation_id,
            trace=trace,
            process_id=start.process_id,
            urgency=Urgency.background,
        ):
            await carry(run, self._resources[name], order)


async def _is_undone(engine: Engine, executor: str) -> bool:
    """Tell whether the worker leaves something; where nobody can say, it does."""
    try:
        return executor in await engine.executors()
    except SQLAlchemyError:
        return True
