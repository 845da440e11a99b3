"""A real Redmine, connected as the gateway connects it: through egress and the guard of writes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.egress import Http
from gateway.egress.limits import Part
from gateway.egress.terms import Breaker, Patience, Quota, Terms
from gateway.egress.upstreams import Upstreams
from gateway.secret import Secret
from gateway.writes import BoundWrites, Writes, WriteSettings
from system_apis.conformance.target import PsaFacts, PsaTarget
from system_apis.connectors.redmine import psa
from system_apis.connectors.redmine.settings import Settings
from tests.connectors.redmine.conversation import CONNECTION
from tests.servers_redmine import RedmineBooks
from tests.stores import guard_store

TERMS = Terms(
    quota=Quota(rate=200, burst=200, concurrency=8, interactive_share=0.5, when_unavailable="count_alone"),
    patience=Patience(deadline_s=30, connect_s=2, read_retries=3),
    circuit=Breaker(failures=20, open_s=1),
)
FACTS = PsaFacts(legal_entity="ES01", person="ana.ruiz@example.com", approver=None, native_template=None)


@asynccontextmanager
async def egress() -> AsyncIterator[Http]:
    """Open the way to Redmine."""
    upstreams = Upstreams({CONNECTION.name: TERMS}, part=Part.whole)
    try:
        yield upstreams.http(CONNECTION.name)
    finally:
        await upstreams.close()


@asynccontextmanager
async def guarded(ready: dict[str, Any], http: Http, directory: Path) -> AsyncIterator[BoundWrites]:
    """Open a guard with books of its own in the directory: one of several processes, or one after a crash."""
    port = psa(CONNECTION, settings(ready), http)
    async with guard_store(f"sqlite+aiosqlite:///{directory / 'guard.db'}") as store:
        yield Writes(store, WriteSettings(lease_s=60)).bound(port)


def settings(ready: dict[str, Any]) -> Settings:
    """Return what connects to the server; it settles quickly, since nobody else waits in its queue."""
    return Settings(base_url=ready["base_url"], api_key=Secret(ready["api_key"]), settle_s=0.5)


@asynccontextmanager
async def target(ready: dict[str, Any], directory: Path) -> AsyncIterator[PsaTarget]:
    """Give the conformance suite what it asks for."""
    async with egress() as http, guarded(ready, http, directory) as writes:
        yield PsaTarget(
            port=psa(CONNECTION, settings(ready), http),
            writes=writes,
            books=RedmineBooks(ready),
            facts=FACTS,
            lose_session=no_session,
        )


async def no_session() -> None:
    """Do nothing: each call carries the key."""
