"""The composition root: everything is put together here, once for each process, and handed on as arguments.

What does not fit stops the start: settings, contracts, policies, templates, mappings and connectors are all read
before anything is served, and every mistake is named.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import process_apis
from gateway import lifecycle, ownership
from gateway.composition import clocks
from gateway.composition.connections import landscape_of, ports_of
from gateway.composition.issuers import resources_of, verifier_of
from gateway.composition.operations import endpoints_of
from gateway.composition.ownership import owned_in
from gateway.composition.pages import pages_of
from gateway.composition.parts import CannotStart, Installation, Parts
from gateway.composition.policies import edge_of
from gateway.composition.usage import usage_of
from gateway.composition.watching import database_of, reviews_in
from gateway.contract import Api, ContractError, Mount, PerRequest, Request, bind, build_application, check_released
from gateway.contract.media_types import header_values
from gateway.counters import Counters
from gateway.counters.local import LocalCounters
from gateway.counters.valkey import ValkeyCounters
from gateway.cursors import Cursors
from gateway.draining import Draining
from gateway.durable import Engine, Moments, Schedule, Worker, undisturbed
from gateway.edge.answers import App
from gateway.edge.in_force import Files, InForce
from gateway.edge.news import News
from gateway.egress.limits import Part
from gateway.egress.upstreams import Upstreams
from gateway.installation_key import installation_key
from gateway.platform.governance import v1 as governance_v1
from gateway.platform.operations import v1 as operations_v1
from gateway.policy import document as policy_document
from gateway.policy.document import PolicyError
from gateway.policy.kinds.upstream import Upstream
from gateway.policy.plan import connection_policies
from gateway.private_files import make_folder
from gateway.settings import Settings
from gateway.store import audit_seals
from gateway.store.database import create_engine
from gateway.store.watched import WatchedStore
from gateway.telemetry.metrics import Metrics
from gateway.writes import Moments as WriteMoments
from gateway.writes import Writes
from gateway.writes import undisturbed as undisturbed_writes
from openapi.process.status.v1 import Family
from process_apis.billing_holds.sweeps import schedules as hold_schedules
from process_apis.ledger.mappings import MappingError, load_mappings
from process_apis.project_onboarding.templates import TemplateError, load_templates
from process_apis.status import shown as status_shown
from process_apis.status.systems import Systems
from process_apis.time_transfer.schedules import schedules as transfer_schedules
from system_apis.erp import v1 as erp_v1
from system_apis.psa import v1 as psa_v1

if TYPE_CHECKING:
    from gateway.telemetry.tracing import Tracing


def read(settings: Settings) -> Installation:
    """Return the installation; raises CannotStart with all mistakes in currencies, policies, templates and mappings."""
    if mistakes := clocks.unknown_currencies(settings):
        raise CannotStart("\n".join(mistakes))
    try:
        policy_files, rows = policy_document.load_with_texts(settings.path("policies"))
        upstreams = connection_policies(rows, Upstream, settings.connections)
        templates = load_templates(settings.path("templates"))
        mappings = load_mappings(settings.path("mappings"))
        versions = lifecycle.load()
        owners = ownership.load(settings)
    except (PolicyError, TemplateError, MappingError, lifecycle.LifecycleError, ownership.OwnershipError) as error:
        raise CannotStart(str(error)) from error
    return Installation(
        settings=settings,
        policy_files=policy_files,
        rows=rows,
        upstreams=cast("Mapping[str, Upstream]", upstreams),
        templates=templates,
        mappings=mappings,
        versions=versions,
        ownership=owners,
    )


def parts(installation: Installation, part: Part, *, write_moments: WriteMoments = undisturbed_writes) -> Parts:
    """Return what a process is built from; raises CannotStart where a connection's settings do not hold."""
    settings = installation.settings
    make_folder(settings.data)
    metrics = Metrics()
    counters = counters_of(settings, metrics)
    news = News(counters)
    changed = partial(news.tell, status_shown.API)
    engine = create_engine(settings.database_url)
    event_types = process_apis.EVENT_TYPES
    store = WatchedStore(engine, status_shown.TABLES, changed, event_types=event_types, metrics=metrics)
    terms = {name: policy.terms for name, policy in installation.upstreams.items()}
    tracing = tracing_of(settings, part)
    traced = tracing.transport if tracing else None
    upstreams = Upstreams(terms, part=part, counters=counters, metrics=metrics, traced=traced)
    erps = ports_of(settings, "erp", upstreams, tracing)
    psas = ports_of(settings, "psa", upstreams, tracing)
    files = Files(folder=settings.path("policies"), texts=installation.policy_files, upstreams=installation.upstreams)
    return Parts(
        installation=installation,
        store=store,
        engine=Engine(settings.database_url),
        counters=counters,
        upstreams=upstreams,
        landscape=landscape_of(settings, erps, psas),
        erps=erps,
        psas=psas,
        writes=Writes(store, clocks.write_settings(settings.processes), write_moments, _changed_at(settings, news)),
        news=news,
        in_force=InForce(files, store, news),
        tracing=tracing,
    )


def web(built: Parts, draining: Draining | None = None) -> App:
    """Return the web process's application: the edge, and behind it operations, and pages that the framework routes."""
    draining = draining or Draining()
    apis, settings = apis_of(built), built.installation.settings
    resources = resources_of(settings, apis)
    checks: dict[str, Callable[[], Any]] = {"database": database_of(built).holds, "accepting": draining.accepts}
    pages = pages_of(built, apis, resources, checks)
    reviews_in(built, owned_in(built, schedules_of(built)))
    verifier = verifier_of(settings, built.store)
    usage = usage_of(built)
    begin = [verifier.start, built.in_force.start, usage.start]
    served = cast("App", build_application(pages=pages, begin=begin, end=[usage.close, verifier.close]))
    edge = edge_of(built, apis, served, verifier, resources=resources, endpoints=endpoints_of(built, apis))
    return draining.before(built.tracing.edge(edge) if built.tracing else edge)


def worker(built: Parts, moments: Moments = undisturbed) -> Worker:
    """Return the worker process; its ports are bare: a workflow always asks the system itself."""
    settings, schedules = built.installation.settings, schedules_of(built)
    owned_in(built, schedules)
    return Worker(
        url=settings.database_url,
        store=built.store,
        writes=built.writes,
        workflows=list(process_apis.WORKFLOWS.values()),
        resources={
            "landscape": built.landscape,
            "entities": clocks.entities_of(settings),
            "mappings": built.installation.mappings,
            "release_settings": clocks.release_settings(settings),
        },
        settings=clocks.durable_settings(settings),
        schedules=schedules,
        moments=moments,
    )


def apis_of(built: Parts) -> tuple[Api, ...]:
    """Return every API, its contract joined with its module; raises CannotStart with every mismatch."""
    try:
        apis = bind(_mounts(built))
        check_released(built.installation.versions, apis)
    except (ContractError, lifecycle.LifecycleError) as error:
        raise CannotStart(str(error)) from error
    return apis


def _mounts(built: Parts) -> list[Mount]:
    """Return each contract with the module that serves it and what its handlers may name: the system APIs first."""
    cursors = Cursors(installation_key(built.installation.settings.data))
    provided = _provided(built, cursors)
    return [
        *(
            Mount(
                contract=f"system/{family}/v1",
                module=module,
                connection=name,
                provided={family: port, "writes": built.writes.bound(port), "cursors": cursors},
            )
            for family, module, served in (("erp", erp_v1, built.erps), ("psa", psa_v1, built.psas))
            for name, port in served.items()
        ),
        *(Mount(contract=name, module=module, provided=provided) for name, module in process_apis.APIS.items()),
        Mount(contract="platform/operations/v1", module=operations_v1, provided=provided),
        Mount(contract="platform/governance/v1", module=governance_v1, provided=provided),
    ]


def _provided(built: Parts, cursors: Cursors) -> dict[str, object]:
    """Return what handlers of processes and of the platform may name, and get."""
    settings = built.installation.settings
    families = {name: Family(connection.family) for name, connection in settings.connections.items()}
    max_age_s = {name: policy.cache_s for name, policy in built.installation.upstreams.items()}
    return {
        "store": built.store,
        "engine": built.engine,
        "cursors": cursors,
        "landscape": built.landscape,
        "entities": clocks.entities_of(settings),
        "templates": built.installation.templates,
        "mappings": built.installation.mappings,
        "transfer_settings": clocks.transfer_settings(settings),
        "release_settings": clocks.release_settings(settings),
        "systems": Systems(built.store, built.landscape, families, max_age_s),
        "workflows": process_apis.WORKFLOWS,
        "policies": built.in_force,
        "news": built.news,
        "owned": owned_in(built, schedules_of(built)),
        "bearer": PerRequest(_bearer_of),
    }


def _bearer_of(request: Request) -> str:
    """Return the token that the edge has accepted."""
    return header_values(request.scope, b"authorization")[0][len("Bearer ") :].strip(" ")


def schedules_of(built: Parts) -> list[Schedule]:
    """Return what workers do again and again: of all processes, and for the audit."""
    settings, systems = built.installation.settings, (built.store, built.engine, built.landscape)
    sealing = partial(audit_seals.seal, built.store, settings.data)
    return [
        Schedule(name="audit_seal", every_s=audit_seals.EVERY_S, run=sealing),
        *transfer_schedules(*systems, clocks.transfer_settings(settings), list(built.psas)),
        *hold_schedules(*systems, clocks.hold_settings(settings)),
    ]


def _changed_at(settings: Settings, news: News) -> Callable[[str], Awaitable[None]]:
    """Return what tells that documents of a connection changed, to all who keep what its system API answered."""

    async def changed(connection: str) -> None:
        await news.tell(f"system/{settings.connections[connection].family}/v1@{connection}")

    return changed


def tracing_of(settings: Settings, part: Part) -> "Tracing | None":
    """Return what records spans, where an exporter is configured: without one nothing of it is even imported."""
    if settings.telemetry.otlp_endpoint is None or part is Part.whole:  # A command is over before anybody looks.
        return None
    from gateway.telemetry import tracing  # noqa: PLC0415 - as the docstring says

    return tracing.start(settings.telemetry.otlp_endpoint, f"tiebeam-{part}")


def counters_of(settings: Settings, metrics: Metrics | None = None) -> Counters:
    """Return where quotas are counted: Redis where there is one, a file that web and worker share otherwise."""
    if settings.redis:
        return ValkeyCounters(settings.redis.url, metrics)
    return LocalCounters(settings.data / "counters.sqlite")
