"""What the stages of all processes have: the real engine, guard and database, between a fake ERP and a fake PSA."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from gateway.caller import INSTALLATION, Caller
from gateway.cursors import Cursors
from gateway.durable import DurableSettings, Engine, Moments, Worker, Workflow, undisturbed
from gateway.secret import Secret
from gateway.store import work_items
from gateway.store.database import Store, create_engine, utc_now
from gateway.store.pages import Window
from gateway.store.work_items import WorkItem
from gateway.writes import Writes, WriteSettings
from process_apis import EVENT_TYPES
from process_apis.ledger.entities import LegalEntity
from system_apis.landscape import Configured
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.fakes.statement_of_work import DE01, ES01

T = TypeVar("T")
PATIENT_S = 120
LOOK_EVERY_S = 0.02
QUICK = DurableSettings(
    retry_attempts=2,
    retry_interval_s=0.02,
    probes_s=(0.02, 0.05),
    write_deadline_s=120.0,
    poll_interval_s=0.02,
    sweep_interval_s=0.05,
    unavailable_resume_s=0.2,
    drain_s=5,
)


class ProductStage:
    """One installation that serves two legal entities. A process's own stage says what its callers ask for."""

    workflows: ClassVar[Sequence[Workflow[Any]]]
    """What a worker carries out here."""

    def __init__(self, url: str, clock: Callable[[], datetime] = utc_now, psa: FakePsa | None = None) -> None:
        self.url = url
        self.erp, self.psa = FakeErp(clock=clock), psa or FakePsa(clock=clock)
        self.store, self.engine = Store(create_engine(url), clock, EVENT_TYPES), Engine(url)
        self.entities: dict[str, LegalEntity] = {entity.code: entity for entity in (ES01, DE01)}
        self.landscape = Configured(
            erps={"books": self.erp},
            psas={"delivery": self.psa},
            erp_of=dict.fromkeys(self.entities, "books"),
            psa_of=dict.fromkeys(self.entities, "delivery"),
        )
        self.cursors = Cursors(Secret("a key of the tests"))
        self.caller: Caller = INSTALLATION

    def resources(self) -> dict[str, object]:
        """Return what the workflows may name."""
        return {"landscape": self.landscape, "entities": self.entities}

    @asynccontextmanager
    async def working(self, moments: Moments = undisturbed) -> AsyncIterator[None]:
        """Have a worker while the block runs."""
        worker = Worker(
            url=self.url,
            store=self.store,
            writes=Writes(self.store, WriteSettings(lease_s=20.0, deadline_s=120.0)),
            workflows=self.workflows,
            resources=self.resources(),
            settings=QUICK,
            moments=moments,
        )
        async with worker.started():
            yield

    async def open_items(self) -> list[WorkItem]:
        """Return the work items that wait."""
        return (await work_items.list_all(self.store, INSTALLATION, Window(limit=100))).items

    async def close(self) -> None:
        """Give the connections back."""
        self.engine.close()
        await self.store.close()


async def until(look: Callable[[], Awaitable[T]], fits: Callable[[T], bool]) -> T:
    """Return what is seen, once it fits."""
    async with asyncio.timeout(PATIENT_S):
        while not fits(seen := await look()):  # noqa: ASYNC110 - rows tell nobody
            await asyncio.sleep(LOOK_EVERY_S)
    return seen
