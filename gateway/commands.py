"""What the commands of `tiebeam` do, without the typing: each takes the settings, and raises CannotStart in words."""

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import yaml
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from granian.http import HTTP1Settings
from sqlalchemy.exc import OperationalError

from gateway import connections, main
from gateway.backup.taking import database_of
from gateway.composition.parts import CannotStart, Parts
from gateway.composition.policies import policies_for
from gateway.composition.watching import watched
from gateway.draining import Draining, Server
from gateway.durable import AnotherWorker, LeaseLost
from gateway.durable import migrate as database
from gateway.edge.answers import App
from gateway.egress.limits import Part
from gateway.errors import ApiError
from gateway.policy.plan import row_shown, rows_shown
from gateway.private_files import make_file, make_folder
from gateway.settings import Settings, hand_on, load
from gateway.store.database import is_sqlite
from gateway.store.migrate import head, is_in_the_way
from gateway.supervisor import Supervisor
from gateway.telemetry.logs import start_logging

T = TypeVar("T")
YOUNG: Final = 10_000
"""Objects more than were let go of, until the collector looks at the young ones."""


def migrate(settings: Settings) -> str:
    """Return a sentence that says to which version the database was brought."""
    make_folder(settings.data)
    if is_sqlite(settings.database_url):
        with contextlib.suppress(OSError):  # Where it cannot be made, the database says so in words.
            make_file(database_of(settings.database_url))
    with _reached():
        version = database.migrate(settings.database_url)
    whose = "this release" if version == head() else "a later release; this one works on it too"
    return f"The database is at {version}, the version of {whose}."


def prepare(settings: Settings) -> None:
    """Bring the embedded database up to date; in service somebody decides when, and the start says so."""
    if is_sqlite(settings.database_url):
        migrate(settings)
        return
    with _reached():
        coming = database.pending(settings.database_url)
    if coming:
        raise CannotStart(f"The database lacks {', '.join(coming)}. Run `tiebeam migrate` first.")


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """Say in words that the database is away; the driver's text may hold a password."""
    try:
        yield
    except OperationalError as error:
        if is_in_the_way(error):
            raise CannotStart("Others are at the tables all the time. Run it again when less is going on.") from error
        raise CannotStart("The database does not answer. Look at database.url in the settings, and at it.") from error


def serve(settings: Settings, *, with_worker: bool) -> None:
    """Serve until told to stop."""
    if not with_worker:
        with_parts(settings, _composed, Part.web)  # What does not hold is said here in words, and not further on.
        server(settings, "gateway.commands:application").serve()
        return
    main.read(settings)
    prepare(settings)
    if code := Supervisor(settings.file, drain_s=settings.http.drain_s).run():
        raise CannotStart(f"The web server ended with {code}; what it said stands above.")


async def _composed(parts: Parts) -> None:
    main.web(parts)


def server(settings: Settings, application: str) -> Server:
    """Return the web server; in the process that serves it calls the function that `application` names."""
    hand_on(settings)  # The application is built from it.
    serving = Server(
        application,
        address=settings.http.host,
        port=settings.http.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        runtime_mode=RuntimeModes.st,  # One Python thread to wait for: a second one in Rust costs more than it does.
        loop=Loops.uvloop,
        factory=True,
        websockets=False,
        log_enabled=False,
        backpressure=connections.allowed(),
        http1_settings=HTTP1Settings(max_buffer_size=connections.HEAD_BYTES),
    )
    serving.drain_s = settings.http.drain_s
    return serving


def application() -> App:
    """Return the web process's application; what Granian calls in the process that serves."""
    settings = load()
    start_logging(settings.telemetry.log_level)
    draining = Draining()
    built = main.web(main.parts(main.read(settings), Part.web), draining)
    draining.listen()
    spare_the_collector()
    return built


def spare_the_collector() -> None:
    """Let the collector of cycles pass over what stays for the life of the process, and look at the rest less often.

    Some 300,000 objects of contracts and frameworks stay; to go through them took 100 ms, in the middle of a call.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)


def work(settings: Settings) -> None:
    """Carry out what was accepted, until told to stop."""
    start_logging(settings.telemetry.log_level)

    async def run(parts: Parts) -> None:
        worker = main.worker(parts)
        spare_the_collector()
        async with watched(parts, worker):
            await worker.run()

    try:
        with_parts(settings, run, Part.worker)
    except (AnotherWorker, LeaseLost) as error:
        raise CannotStart(str(error)) from error


def plans(settings: Settings, operation: str | None) -> str:
    """Return the plan of each operation whose name holds the text, as YAML."""
    parts = main.parts(main.read(settings), Part.whole)
    plans = policies_for(parts, main.apis_of(parts)).plans
    wanted = {
        place: [{"from": f"{row.file}, row {row.number}"} | row_shown(row) for row in rows_shown(plan)]
        for place, plan in plans.items()
        if operation is None or operation in place
    }
    if not wanted:
        raise CannotStart(f"No operation's name holds {operation!r}; `tiebeam plan` lists all.")
    return yaml.safe_dump(json.loads(json.dumps(wanted)), sort_keys=False).rstrip()


def with_parts(settings: Settings, act: Callable[[Parts], Coroutine[Any, Any, T]], part: Part = Part.whole) -> T:
    """Return what the act returns, given everything that it may need; what is refused is said in words."""

    async def run() -> T:
        async with _open(settings, part) as parts:
            return await act(parts)

    try:
        return asyncio.run(run())
    except ApiError as error:
        places = "".join(f"\n  {one.pointer}: {one.detail}" for one in error.violations)
        raise CannotStart(f"{error.code}: {error.detail}{places}") from error


@asynccontextmanager
async def _open(settings: Settings, part: Part) -> AsyncIterator[Parts]:
    await asyncio.to_thread(prepare, settings)
    async with contextlib.aclosing(main.parts(main.read(settings), part)) as parts:
        yield parts
