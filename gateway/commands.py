"""What the commands of `tiebeam` do, without the typing: each takes the settings, and raises CannotStart in words."""

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import msgspec
import yaml
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes
from msgspec import Struct, structs
from sqlalchemy.exc import OperationalError

from gateway import main, token_minting
from gateway.caller import INSTALLATION
from gateway.composition.parts import CannotStart, Parts
from gateway.composition.policies import policies_for
from gateway.composition.watching import watched
from gateway.draining import Draining, Server
from gateway.durable import AnotherWorker, LeaseLost, resume
from gateway.durable import migrate as database
from gateway.edge.answers import App
from gateway.egress.limits import Part
from gateway.errors import ApiError
from gateway.platform import metrics
from gateway.policy.plan import row_shown, rows_shown
from gateway.settings import Settings, hand_on, load
from gateway.store import work_items
from gateway.store.database import is_sqlite
from gateway.store.migrate import head
from gateway.store.pages import Window
from gateway.store.work_items import ItemState, WorkItem
from gateway.supervisor import Supervisor
from gateway.telemetry.logs import start_logging
from openapi.common.types import OwnerQueue
from process_apis import WORKFLOWS

T = TypeVar("T")
YOUNG: Final = 10_000
"""Objects more than were let go of, until the collector looks at the young ones."""
SHOWN: Final = 100
"""Work items in one listing."""


class Claims(Struct, frozen=True, kw_only=True):
    """What a development token is to say; an empty tuple limits nothing."""

    client: str
    scopes: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()


def migrate(settings: Settings) -> str:
    """Return a sentence that says to which version the database was brought."""
    settings.data.mkdir(parents=True, exist_ok=True)
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


def development_token(settings: Settings, claims: Claims, seconds: int) -> str:
    """Return a signed token of the development issuer; raises CannotStart where there is none."""
    issuer = next((one for one in settings.issuers if one.development), None)
    if issuer is None:
        raise CannotStart("No issuer in the settings is for development; tokens come from your identity provider.")
    grant = structs.replace(grant_of(settings, claims), lifetime_s=seconds)
    return token_minting.mint(settings.data, grant, issuer=issuer.issuer, audience=issuer.audience)


def grant_of(settings: Settings, claims: Claims) -> token_minting.Grant:
    """Return what a token of the claims grants: every scope and legal entity where they name none."""
    return token_minting.Grant(
        client_id=claims.client,
        scopes=claims.scopes or all_scopes(settings),
        legal_entities=claims.entities or "*",
        customers=claims.customers or None,
        projects=claims.projects or None,
    )


def all_scopes(settings: Settings) -> tuple[str, ...]:
    """Return every scope that an operation asks for, and those with which one shows or allows more."""
    parts = main.parts(main.read(settings), Part.whole)
    operations = [operation for api in main.apis_of(parts) for operation in api.operations]
    named = {scope for each in operations for scope in (*each.scopes, *each.further_scopes)}
    return tuple(sorted(named | metrics.OPERATION.scopes))


def work_item_list(settings: Settings, *, owner: str | None, everything: bool) -> str:
    """Return a line for each work item, the newest first."""
    queue = _queue(owner)

    async def listed(parts: Parts) -> list[WorkItem]:
        states: list[ItemState | None] = list(ItemState) if everything else [None]
        found = [
            await work_items.list_all(parts.store, INSTALLATION, Window(limit=SHOWN), state=state, owner_queue=queue)
            for state in states
        ]
        return sorted((item for page in found for item in page.items), key=lambda item: item.id, reverse=True)

    items = with_parts(settings, listed)
    return "\n".join(map(_line, items)) if items else "Nothing waits for anybody."


def _queue(owner: str | None) -> OwnerQueue | None:
    try:
        return OwnerQueue(owner) if owner else None
    except ValueError as error:
        raise CannotStart(f"There is no queue {owner!r}; there are {', '.join(OwnerQueue)}.") from error


def _line(item: WorkItem) -> str:
    money = f"{item.amount_at_risk.amount} {item.amount_at_risk.currency}" if item.amount_at_risk else "-"
    until = f"{item.deadline:%Y-%m-%d %H:%M}" if item.deadline else "-"
    who = item.assignee or item.owner_queue
    return f"{item.id}  {item.state:<13} {until:<16}  {money:>16}  {who:<20}  {item.code}  {item.step}: {item.detail}"


def assign_work_item(settings: Settings, work_item_id: str, assignee: str) -> str:
    """Return the item's line, now the assignee's."""

    async def assigned(parts: Parts) -> WorkItem:
        return await work_items.assign(parts.store, INSTALLATION, work_item_id, assignee)

    return _line(with_parts(settings, assigned))


def resume_work_item(settings: Settings, work_item_id: str, decision: str) -> str:
    """Return a sentence that says where the process goes on."""
    try:
        corrections = msgspec.json.decode(decision, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise CannotStart(f'The decision is no JSON object, such as {{"note": "Opened."}}: {error}') from error

    async def resumed(parts: Parts) -> str:
        item = await work_items.get(parts.store, INSTALLATION, work_item_id)
        workflow = WORKFLOWS[item.process_kind]
        process = await resume(parts.store, parts.engine, workflow, INSTALLATION, item.process_id, corrections)
        return f"{process.id} goes on at {item.step}."

    return with_parts(settings, resumed)


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
