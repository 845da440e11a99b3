"""The worker: one process that carries out what was accepted, until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from msgspec import json

from gateway.correlation import Urgency, belonging
from gateway.durable.body import carry
from gateway.durable.engine import Engine, Runtime, Start
from gateway.durable.moments import Moments, undisturbed
from gateway.durable.run import Run
from gateway.durable.schedules import Schedule
from gateway.durable.settings import DurableSettings
from gateway.durable.sweeps import Sweeps
from gateway.durable.worker_lock import worker_lock
from gateway.durable.workflow import Workflow
from gateway.store.database import Store
from gateway.trace import place_of
from gateway.writes import Writes

_log = logging.getLogger(__name__)


class Worker:
    """Carries workflows out with the resources that they name. `moments` is where a fault campaign strikes."""

    def __init__(
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
        self._schedules = schedules
        self._url, self._store, self._writes, self._settings, self._moments = url, store, writes, settings, moments
        self._workflows = {workflow.name: workflow for workflow in workflows}
        everything = {"store": store, "writes": writes, **resources}
        self._resources = {workflow.name: workflow.bind(everything) for workflow in workflows}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Return once told to stop, by SIGTERM, SIGINT or `stop`, and what was under way is done or put down.

        Raises AnotherWorker where there is one already.
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

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopping.set()

    def _stop_from(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self.stop)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[Engine]:
        """Carry out while the block runs; for tests, and for `run`."""
        loop = asyncio.get_running_loop()
        lock = worker_lock(self._url, self._settings, partial(self._stop_from, loop))
        await asyncio.to_thread(lock.take)
        engine = Engine(self._url)
        try:
            await engine.register_queue(self._settings)
            async with self._carrying_out(engine):
                yield engine
        finally:
            engine.close()
            await asyncio.to_thread(lock.release)

    @asynccontextmanager
    async def _carrying_out(self, engine: Engine) -> AsyncIterator[None]:
        runtime = Runtime(self._url, list(self._workflows), self._body)
        self._runtime = runtime
        sweeping = asyncio.create_task(self._sweep(engine))
        try:
            runtime.launch()
            yield
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
            await runtime.destroy(self._settings.drain_s)

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

    async def _sweep(self, engine: Engine) -> None:
        sweeps, loop = Sweeps(self._store, engine, self._settings), asyncio.get_running_loop()
        prune_at = loop.time() + self._settings.prune_interval_s
        while True:
            await asyncio.sleep(self._settings.sweep_interval_s)
            try:
                await sweeps.all()
                if loop.time() >= prune_at:
                    await engine.prune(self._settings.keep_s)
                    prune_at = loop.time() + self._settings.prune_interval_s
            except Exception:  # noqa: BLE001 - whatever it was, the next sweep finds the same rows again
                _log.exception("A sweep broke.")
