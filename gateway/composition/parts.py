"""What a process is built from: what the installation wrote down, and what is open and running of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import lifecycle
from gateway.counters import Counters
from gateway.durable import Engine
from gateway.edge.in_force import InForce
from gateway.edge.news import News
from gateway.egress.upstreams import Upstreams
from gateway.ownership import Ownership
from gateway.policy.document import Row
from gateway.policy.kinds.upstream import Upstream
from gateway.settings import Settings
from gateway.store.database import Store
from gateway.writes import Writes
from process_apis.ledger.mappings import Mappings
from process_apis.project_onboarding.templates import Templates
from system_apis.landscape import Configured
from system_apis.ports import Erp, Psa

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracing


class CannotStart(Exception):
    """What keeps the product from starting, in words; every mistake that was found."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What the installation wrote down, read and checked: nothing of it is open or running."""

    settings: Settings
    policy_files: Mapping[str, str]
    """The text of each, by its name."""
    rows: list[Row]
    upstreams: Mapping[str, Upstream]
    templates: Templates
    mappings: Mappings
    versions: Mapping[str, lifecycle.Version]
    ownership: Ownership


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What both processes are built from."""

    installation: Installation
    store: Store
    engine: Engine
    counters: Counters
    upstreams: Upstreams
    landscape: Configured
    erps: Mapping[str, Erp]
    psas: Mapping[str, Psa]
    writes: Writes
    news: News
    in_force: InForce
    tracing: "Tracing | None"

    async def aclose(self) -> None:
        """Hang up, give connections back, and export what was recorded last."""
        await self.upstreams.close()
        await self.in_force.close()
        await self.news.close()
        await self.counters.close()
        self.engine.close()
        await self.store.close()
        if self.tracing:
            await asyncio.to_thread(self.tracing.close)
