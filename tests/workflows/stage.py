"""Where a toy process is played: asked for as a handler would, carried out by a worker in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway.caller import INSTALLATION
from gateway.durable import (
    DurableSettings,
    Engine,
    Moments,
    Process,
    ProcessStep,
    Schedule,
    Window,
    Worker,
    Workflow,
    enqueue,
    get_process,
    list_steps,
    undisturbed,
    wait_until_resting,
)
from gateway.store import business_events, work_items
from gateway.store.database import Store, create_engine
from gateway.store.work_items import WorkItem
from gateway.writes import Writes, WriteSettings
from tests.workflows.toy import QUICK, Desk, ToyOrder, sell, sell_or_not

PATIENCE_S = 120.0


class Stage:
    """One installation."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.desk = url, Desk(folder)
        self.store, self.engine = Store(create_engine(url)), Engine(url)
        self.writes = Writes(self.store, WriteSettings(lease_s=20.0, deadline_s=60.0))

    async def close(self) -> None:
        """Give the connections back."""
        self.engine.close()
        await self.store.close()

    def worker(
        self,
        moments: Moments = undisturbed,
        schedules: Sequence[Schedule] = (),
        **changed: Any,  # noqa: ANN401 - any setting
    ) -> Worker:
        """Return a worker; settings may be changed."""
        settings: DurableSettings = replace(QUICK, **changed)
        return Worker(
            url=self.url,
            store=self.store,
            writes=self.writes,
            workflows=[sell, sell_or_not],
            resources={"desk": self.desk},
            settings=settings,
            moments=moments,
            schedules=schedules,
        )

    @asynccontextmanager
    async def working(
        self,
        moments: Moments = undisturbed,
        schedules: Sequence[Schedule] = (),
        **changed: Any,  # noqa: ANN401 - any setting
    ) -> AsyncIterator[Worker]:
        """Let a worker work while the block runs."""
        worker = self.worker(moments, schedules, **changed)
        async with worker.started():
            yield worker

    async def ask(
        self, key: str = "deal_1", *, colour: str = "red", lock: str = "", flow: Workflow[Any] = sell, sha: str = ""
    ) -> Process:
        """Ask for a process, as a handler does."""
        return await enqueue(
            self.store,
            self.engine,
            flow,
            ToyOrder(key=key, colour=colour, lock=lock),
            key=key,
            payload_sha256=sha or colour,
            caller_client_id="crm",
            correlation_id="cor_1",
            legal_entity="ES01",
            owner="Delivery",
            source="crm1",
            external_id=key,
        )

    async def rest(self, process: Process) -> Process:
        """Return the process once it rests."""
        rested = await wait_until_resting(self.store, process.id, PATIENCE_S)
        assert rested.at_rest, f"{rested.state} at {rested.current_step}"
        return rested

    async def until(self, process: Process, fits: Callable[[Process], bool]) -> Process:
        """Return the process once it fits."""
        async with asyncio.timeout(PATIENCE_S):
            while not fits(seen := await get_process(self.store, INSTALLATION, process.id)):  # noqa: ASYNC110 - rows tell nobody
                await asyncio.sleep(0.05)
        return seen

    async def steps(self, process: Process) -> list[ProcessStep]:
        """Return its steps."""
        return (await list_steps(self.store, INSTALLATION, [process.id]))[process.id]

    async def shown(self, process: Process) -> list[str]:
        """Return its steps as `name state`."""
        return [f"{step.name} {step.state}" for step in await self.steps(process)]

    async def items(self, process: Process, state: work_items.ItemState | None = None) -> list[WorkItem]:
        """Return its work items; without a state, those that wait."""
        listed = await work_items.list_all(self.store, INSTALLATION, Window(), process_id=process.id, state=state)
        return listed.items

    async def told(self, process: Process) -> list[str]:
        """Return which states were told as events, in their order."""
        listed = await business_events.list_all(self.store, INSTALLATION, Window(limit=100), subject=process.id)
        events = sorted(listed.items, key=lambda event: event.sequence)
        return [event.type.split(".")[2] for event in events]
