"""How operators see a process: whether it is ready, and its metrics, with what is read from the database for them."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import process_apis
from gateway import health
from gateway.composition.parts import CannotStart, Parts
from gateway.durable import Readiness, Worker
from gateway.listener import listening
from gateway.ownership import APIS, KINDS, OwnedThing
from gateway.platform import metrics as metrics_page
from gateway.platform import queues
from gateway.platform.monitors import Monitors, Reader
from gateway.telemetry.metrics import REVIEWS_OVERDUE, Figures, series


def database_of(built: Parts) -> Readiness:
    """Return what tells whether the database is there, and has what this release needs."""
    return Readiness(built.installation.settings.database_url)


def monitors_of(built: Parts) -> Monitors:
    """Return what is read from the database whenever somebody asks for metrics."""
    readers: dict[str, Reader] = {"queues": queues.ages, **process_apis.MONITORS}
    return Monitors(built.store, readers, built.upstreams.metrics)


def reviews_in(built: Parts, owned: Sequence[OwnedThing]) -> None:
    """Let the metrics show how many reviews are overdue, those of API versions too."""

    def overdue() -> Figures:
        today = built.store.now().date()
        due = Counter(thing.kind for thing in owned if thing.overdue(today))
        late = [version for version in built.in_force.edge.policies.lifecycle.values() if version.review_on < today]
        return {series(REVIEWS_OVERDUE, kind=kind): due[kind] for kind in KINDS} | {
            series(REVIEWS_OVERDUE, kind=APIS): len(late)
        }

    built.upstreams.metrics.read_from(overdue)


@asynccontextmanager
async def watched(built: Parts, worker: Worker) -> AsyncIterator[None]:
    """Let the worker be watched while the block runs, where the settings say at which address."""
    place = built.installation.settings.worker
    if place.port is None:
        yield
        return
    pages = health.pages({"database": database_of(built).holds, "worker": worker.works})
    pages["/metrics"] = metrics_page.page(built.upstreams.metrics, monitors_of(built))
    try:
        async with listening(place.host, place.port, pages):
            yield
    except OSError as error:
        raise CannotStart(f"The worker cannot listen on {place.host}:{place.port}: {error.strerror}.") from error
