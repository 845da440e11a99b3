"""The workflow engine, contained: what this product uses of DBOS, and nothing else of it.

`Engine` is for everybody: it enqueues, within our transaction, and rewinds. `Runtime` carries out; a worker has one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, cast

import sqlalchemy
from dbos import DBOS, DBOSClient
from dbos import error as dbos_error
from msgspec import Struct
from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

from gateway.durable.outcomes import Parked
from gateway.durable.serializer import Json
from gateway.durable.settings import APPLICATION_VERSION, DurableSettings
from gateway.store.database import CONNECTS, SET_UPS

APPLICATION: Final = "tiebeam"
QUEUE: Final = "processes"
_PAGE: Final = 500


class Status(StrEnum):
    """What the engine says of a workflow."""

    moving = "moving"
    ended = "ended"
    failed = "failed"
    unknown = "unknown"


STATUSES: Final[Mapping[str, Status]] = {
    "DELAYED": Status.moving,
    "ENQUEUED": Status.moving,
    "PENDING": Status.moving,
    "SUCCESS": Status.ended,
    "CANCELLED": Status.ended,
    "ERROR": Status.failed,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": Status.failed,
}


class Start(Struct, frozen=True, kw_only=True):
    """What a workflow is started with; the engine keeps it."""

    process_id: str
    attempt: int
    order: str
    correlation_id: str
    traceparent: str | None


Body = Callable[[str, Start], Awaitable[None]]
"""Carries one workflow out: its name, and what it was started with."""


def sync_engine(url: str, pool_size: int = 4) -> sqlalchemy.Engine:
    """Return an engine for threads, set up like the asynchronous one."""
    backend = make_url(url).get_backend_name()
    driver = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}[backend]
    engine = sqlalchemy.create_engine(
        make_url(url).set(drivername=driver),
        connect_args=CONNECTS[backend],
        pool_size=pool_size,
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine, "connect", SET_UPS[backend])
    return engine


def retire(engine: sqlalchemy.Engine) -> None:
    """Close its connections; one that a thread of the engine's still has is closed once it comes back."""
    event.listen(engine.pool, "checkin", _close)
    engine.dispose()


def _close(connection: DBAPIConnection | None, _: object) -> None:
    if connection is not None:  # It may have broken meanwhile.
        connection.close()


class Engine:
    """The engine from outside. It fails rather than wait where the database is away."""

    def __init__(self, url: str) -> None:
        self._database = sync_engine(url)
        self._client = DBOSClient(
            system_database_engine=self._database,
            serializer=Json(),
            application_name=APPLICATION,
            retry_connection_errors=False,
            lazy=True,
        )

    def enqueue(self, connection: Connection, workflow_name: str, workflow_id: str, start: Start) -> None:
        """Enqueue a workflow in the caller's transaction: it is there if and only if what else it wrote is."""
        self._client.enqueue_in_transaction(
            connection,
            {
                "queue_name": QUEUE,
                "workflow_name": workflow_name,
                "workflow_id": workflow_id,
                "app_version": APPLICATION_VERSION,
            },
            start.process_id,
            start.attempt,
            start.order,
            start.correlation_id,
            start.traceparent,
        )

    async def rewind(self, workflow_id: str, step: int) -> bool:
        """Tell whether the workflow goes on at the step; what was recorded from there on is forgotten.

        One that has not come to its end yet is left alone.
        """
        with suppress(dbos_error.DBOSException):
            await self._client.rewind_workflow_async(
                workflow_id, start_step=step, queue_name=QUEUE, application_version=APPLICATION_VERSION
            )
            return True
        return False

    async def status_of(self, workflow_id: str) -> Status:
        """Return what the engine says of the workflow."""
        found = await self._client.list_workflows_async(
            workflow_ids=[workflow_id], load_input=False, load_output=False, limit=1
        )
        return STATUSES[found[0].status] if found else Status.unknown

    async def steps_of(self, workflow_id: str) -> list[str]:
        """Return the names of the steps that were recorded, in their order."""
        steps = await self._client.list_workflow_steps_async(workflow_id)
        return [step["function_name"] for step in steps]

    async def next_step_of(self, workflow_id: str) -> int:
        """Return the number of the step that would come after all that were recorded."""
        steps = await self._client.list_workflow_steps_async(workflow_id)
        return max((step["function_id"] for step in steps), default=0) + 1

    async def executors(self) -> frozenset[str]:
        """Return the names of the workers that have runs of this version under way, or had when they died."""
        pending = await self._client.list_workflows_async(
            status="PENDING", app_version=APPLICATION_VERSION, load_input=False, load_output=False
        )
        return frozenset(workflow.executor_id for workflow in pending if workflow.executor_id)

    async def prune(self, keep_s: float) -> int:
        """Return how many ended workflows were forgotten. What waits for somebody is kept."""
        before, forgotten = datetime.now(UTC) - timedelta(seconds=keep_s), 0
        while True:
            ended = await self._client.list_workflows_async(
                status=["SUCCESS", "CANCELLED"],
                completed_before=before.isoformat(),
                load_input=False,
                load_output=False,
                limit=_PAGE,
            )
            if not ended:
                return forgotten
            await self._client.delete_workflows_async([workflow.workflow_id for workflow in ended])
            forgotten += len(ended)

    async def register_queue(self, settings: DurableSettings) -> None:
        """Say how many are carried out at once; before a worker starts, so that it finds the queue at once."""
        await self._client.register_queue_async(
            QUEUE, worker_concurrency=settings.at_once, polling_interval_sec=settings.poll_interval_s
        )

    def close(self) -> None:
        """Give the connections back."""
        self._client.destroy()
        retire(self._database)


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether the engine's record is worth a line: that a process is parked stands in its work item."""
    return record.exc_info is None or not isinstance(record.exc_info[1], Parked)


class Runtime:
    """The engine from inside: carries workflows out in the present event loop."""

    def __init__(self, url: str, names: Sequence[str], body: Body, executor: str, max_recoveries: int) -> None:
        self._database = sync_engine(url, pool_size=8)
        self._body, self._under_way = body, 0
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_engine": self._database,
                "serializer": Json(),
                "application_version": APPLICATION_VERSION,
                "executor_id": executor,
                "run_migrations": False,
                "log_level": "WARNING",
            }
        )
        logging.getLogger("dbos").addFilter(_is_news)
        for name in names:
            DBOS.workflow(name=name, max_recovery_attempts=max_recoveries)(self._workflow(name))

    def _workflow(self, name: str) -> Callable[..., Awaitable[None]]:
        async def carried_out(
            process_id: str, attempt: int, order: str, correlation_id: str, traceparent: str | None
        ) -> None:
            start = Start(
                process_id=process_id,
                attempt=attempt,
                order=order,
                correlation_id=correlation_id,
                traceparent=traceparent,
            )
            self._under_way += 1
            try:
                await self._body(name, start)
            finally:
                self._under_way -= 1

        carried_out.__qualname__ = name
        return carried_out

    def launch(self) -> None:
        """Start carrying out, in the present event loop; what the last one of its name left is taken up again."""
        DBOS.launch()

    async def recover(self, executor: str) -> None:
        """Put back into their queue what a dead worker had under way; each such run keeps the count of its deaths.

        The one private call, since the public one sets the count to nothing: a run that takes its worker down with it
        would go on doing so for ever. Repeating it changes nothing, and what lives already elsewhere is left alone.
        """
        await asyncio.to_thread(DBOS._recover_pending_workflows, [executor])  # noqa: SLF001 - as the docstring says

    async def destroy(self, drain_s: int) -> None:
        """Take no more, wait for what is under way, and stop. What is not done by then is taken up by the next one."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:  # Not the loop's own: that one is the engine's, and ends with it.
            # The engine looks each second whether all is done; where nothing is under way there is no need to ask it.
            await loop.run_in_executor(thread, partial(self._destroy, drain_s if self._under_way else 0))
        logging.getLogger("dbos").removeFilter(_is_news)
        loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="worker"))
        retire(self._database)

    @staticmethod
    def _destroy(drain_s: int) -> None:
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=drain_s)

    async def step(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - plain data
        """Return what the call returned, now or in an earlier run."""
        return await DBOS.run_step_async({"name": name}, cast("Callable[[], Any]", call))

    async def sleep(self, seconds: float) -> None:
        """Sleep until then, however often the worker dies meanwhile."""
        await DBOS.sleep_async(seconds)

    def step_id(self) -> int:
        """Return the engine's number of the step that is being carried out."""
        return cast("int", DBOS.step_id)

    def is_own(self, error: Exception) -> bool:
        """Tell whether the engine raised it for itself."""
        return isinstance(error, dbos_error.DBOSException)


def migrate_engine(url: str) -> None:
    """Bring the engine's own tables to the version that it wants."""
    DBOS.migrate(url)


def engine_pending(url: str) -> bool:
    """Tell whether the engine's own tables are behind."""
    database = sync_engine(url, pool_size=1)
    try:
        client = DBOSClient(system_database_engine=database, serializer=Json(), lazy=True)
        try:
            client._sys_db.verify_migrations()  # noqa: SLF001 - the public way is to launch a worker
        except dbos_error.DBOSException:
            return True
        finally:
            client.destroy()
    finally:
        database.dispose()
    return False
