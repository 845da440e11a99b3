"""The composition root: everything is put together here, once for each process, and handed on as arguments.

What does not fit stops the start: settings, contracts, policies, templates, mappings and connectors are all read
before anything is served, and every mistake is named.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from msgspec import structs

import process_apis
from gateway import clocks, health, lifecycle, portal, token_minting
from gateway.contract import Api, ContractError, Mount, PerRequest, bind, build_application
from gateway.counters import Counters
from gateway.counters.local import LocalCounters
from gateway.counters.valkey import ValkeyCounters
from gateway.cursors import Cursors
from gateway.durable import Engine, Moments, Schedule, Worker, migrate, undisturbed
from gateway.edge import Edge, kit_of, operations_of
from gateway.edge.answers import App
from gateway.edge.in_force import Files, InForce
from gateway.edge.news import News
from gateway.egress.limits import Part
from gateway.egress.upstreams import Upstreams
from gateway.identity import Denials, Verifier
from gateway.installation_key import installation_key
from gateway.keys import KeyRing, KeySetError, KeyTimes, TrustedIssuer
from gateway.platform.governance import v1 as governance_v1
from gateway.platform.operations import v1 as operations_v1
from gateway.policy import document as policy_document
from gateway.policy.compiling import Compiler
from gateway.policy.document import PolicyError, Row
from gateway.policy.kinds.upstream import Upstream
from gateway.policy.plan import PolicySet, compiled, connection_policies
from gateway.settings import ConnectionSettings, Settings, SettingsError, convert
from gateway.store import audit_seals, denials
from gateway.store.database import Store, create_engine
from gateway.store.watched import WatchedStore
from gateway.telemetry.metrics import Metrics
from gateway.writes import Moments as WriteMoments
from gateway.writes import Writes
from gateway.writes import undisturbed as undisturbed_writes
from openapi.process.status.v1 import Family
from process_apis.billing_holds.sweeps import schedules as hold_schedules
from process_apis.ledger.mappings import MappingError, Mappings, load_mappings
from process_apis.project_onboarding.templates import TemplateError, Templates, load_templates
from process_apis.status import shown as status_shown
from process_apis.status.systems import Systems
from process_apis.time_transfer.schedules import schedules as transfer_schedules
from system_apis.connector import Connection
from system_apis.connectors import CONNECTORS
from system_apis.erp import v1 as erp_v1
from system_apis.landscape import Configured
from system_apis.ports import Erp, Psa
from system_apis.psa import v1 as psa_v1

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
    except (PolicyError, TemplateError, MappingError, lifecycle.LifecycleError) as error:
        raise CannotStart(str(error)) from error
    return Installation(
        settings=settings,
        policy_files=policy_files,
        rows=rows,
        upstreams=cast("Mapping[str, Upstream]", upstreams),
        templates=templates,
        mappings=mappings,
        versions=versions,
    )


def parts(
    installation: Installation,
    part: Part,
    *,
    metrics: Metrics | None = None,
    write_moments: WriteMoments = undisturbed_writes,
) -> Parts:
    """Return what a process is built from; raises CannotStart where a connection's settings do not hold."""
    settings = installation.settings
    settings.data.mkdir(parents=True, exist_ok=True)
    metrics = metrics or Metrics()
    counters = counters_of(settings, metrics)
    news = News(counters)
    changed = partial(news.tell, status_shown.API)
    store = WatchedStore(create_engine(settings.database_url), status_shown.TABLES, changed)
    terms = {name: policy.terms for name, policy in installation.upstreams.items()}
    tracing = tracing_of(settings, part)
    traced = tracing.transport if tracing else None
    upstreams = Upstreams(terms, part=part, counters=counters, metrics=metrics, traced=traced)
    erps = ports(settings, "erp", upstreams, tracing)
    psas = ports(settings, "psa", upstreams, tracing)
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


def ports(settings: Settings, family: str, upstreams: Upstreams, tracing: "Tracing | None" = None) -> dict[str, Any]:
    """Return the port of each connection of the family, by name; raises CannotStart with every mistake."""
    built, mistakes = {}, []
    for name, connection in settings.connections.items():
        if connection.family != family:
            continue
        try:
            port = _port(settings, name, connection, upstreams)
            built[name] = tracing.port(port) if tracing else port
        except (SettingsError, ValueError) as error:
            mistakes.append(str(error))
    if mistakes:
        raise CannotStart("\n".join(mistakes))
    return built


def _port(settings: Settings, name: str, connection: ConnectionSettings, upstreams: Upstreams) -> object:
    connector = CONNECTORS.get(connection.vendor)
    if connector is None:
        raise SettingsError(
            f"connections.{name}.vendor: {connection.vendor} is none; there are {', '.join(CONNECTORS)}."
        )
    builder = connector.families.get(connection.family)
    if builder is None:
        raise SettingsError(f"connections.{name}.family: {connection.vendor} cannot be a {connection.family}.")
    own = convert(connection.settings, connector.settings, f"connections.{name}.settings", base=settings.path())
    account = Connection(name=name, environment=connection.environment, legal_entities=tuple(connection.legal_entities))
    return builder(account, own, upstreams.http(name))


def landscape_of(settings: Settings, erps: Mapping[str, Erp], psas: Mapping[str, Psa]) -> Configured:
    """Return which connection serves whom."""
    return Configured(
        erps=erps,
        psas=psas,
        erp_of={code: entity.erp for code, entity in settings.entities.items()},
        psa_of={code: entity.psa for code, entity in settings.entities.items()},
    )


def apis_of(built: Parts) -> tuple[Api, ...]:
    """Return every API, its contract joined with its module; raises CannotStart with every mismatch."""
    settings = built.installation.settings
    cursors = Cursors(installation_key(settings.data))
    families = {name: Family(connection.family) for name, connection in settings.connections.items()}
    max_age_s = {name: policy.cache_s for name, policy in built.installation.upstreams.items()}
    provided: dict[str, object] = {
        "store": built.store,
        "engine": built.engine,
        "cursors": cursors,
        "landscape": built.landscape,
        "entities": clocks.entities_of(settings),
        "templates": built.installation.templates,
        "mappings": built.installation.mappings,
        "transfer_settings": clocks.transfer_settings(settings),
        "systems": Systems(built.store, built.landscape, families, max_age_s),
        "workflows": process_apis.WORKFLOWS,
        "policies": built.in_force,
        "news": built.news,
        "bearer": PerRequest(lambda request: request.headers["authorization"][len("Bearer ") :].strip(" ")),
    }
    mounts = [
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
    try:
        apis = bind(mounts)
        lifecycle.check(built.installation.versions, {api.contract: api.document.digest for api in apis})
    except (ContractError, lifecycle.LifecycleError) as error:
        raise CannotStart(str(error)) from error
    return apis


def policies_for(built: Parts, apis: tuple[Api, ...], rows: Sequence[Row] | None = None) -> PolicySet:
    """Return what the rows say of each operation; raises CannotStart with every row that does not fit."""
    issuers = [issuer.issuer for issuer in built.installation.settings.issuers]
    try:
        return compiled(built.installation.rows if rows is None else rows, operations_of(apis), issuers)
    except PolicyError as error:
        raise CannotStart(str(error)) from error


def keys_of(settings: Settings) -> KeyRing:
    """Return the issuers' keys; raises CannotStart where a file with keys cannot be used."""
    for issuer in settings.issuers:
        if issuer.development:
            token_minting.ensure_development_key(settings.data)
    trusted = [
        TrustedIssuer(
            issuer=one.issuer,
            audience=one.audience,
            jwks_file=settings.path(one.jwks_file) if one.jwks_file else None,
            jwks_url=one.jwks_url,
            times=KeyTimes(**structs.asdict(one.keys)),
        )
        for one in settings.issuers
    ]
    try:
        return KeyRing(trusted)
    except KeySetError as error:
        raise CannotStart(str(error)) from error


def verifier_of(settings: Settings, store: Store) -> Verifier:
    """Return what verifies tokens; raises CannotStart where a file with keys cannot be used."""
    return Verifier(keys_of(settings), denials=denials_of(store))


def denials_of(store: Store) -> Denials:
    """Return who is denied, read from the database when it moved."""
    return Denials(partial(denials.list_standing, store))


def resources_of(settings: Settings, apis: Sequence[Api]) -> portal.Resources:
    """Return what clients are told of getting tokens; addresses begin as callers reach us."""
    http = settings.http
    host = f"[{http.host}]" if ":" in http.host else http.host
    public_url = http.public_url or f"http://{host}:{http.port}"
    return portal.Resources(public_url, [issuer.issuer for issuer in settings.issuers], apis)


def web(built: Parts) -> App:
    """Return the web process's application: the edge, and behind it the framework that only routes."""
    apis, settings = apis_of(built), built.installation.settings
    resources = resources_of(settings, apis)
    checks: dict[str, Callable[[], Any]] = {"database": lambda: _migrated(built)}
    pages = [*portal.routes(apis, built.installation.versions), *health.routes(checks)]
    pages += portal.metadata_routes(resources)
    verifier = verifier_of(settings, built.store)
    begin = [verifier.start, built.in_force.start]
    application = cast("App", build_application(apis, pages, begin=begin, end=[verifier.close]))
    served = built.tracing.operation(application) if built.tracing else application
    edge = edge_of(built, apis, served, verifier, resources)
    return built.tracing.edge(edge) if built.tracing else edge


def edge_of(
    built: Parts, apis: tuple[Api, ...], served: App, verifier: Verifier, resources: portal.Resources | None = None
) -> Edge:
    """Return the edge before what is served, under the policies of the files until another set is in force."""
    kit = kit_of(
        verifier=verifier,
        counters=built.counters,
        store=built.store,
        metrics=built.upstreams.metrics,
        news=built.news,
        resource_metadata=resources.address_of if resources else None,
    )
    http = built.installation.settings.http
    edge = Edge(
        served,
        policies_for(built, apis),
        kit,
        trusted_proxies=http.trusted_proxies,
        most_under_way=http.most_under_way,
        reload=built.in_force.follow,
    )
    built.in_force.attach(compiler_of(built, apis), edge)
    return edge


def compiler_of(built: Parts, apis: tuple[Api, ...]) -> Compiler:
    """Return what makes policies of files while the process runs."""
    settings = built.installation.settings
    return Compiler(
        operations=operations_of(apis),
        issuers=[issuer.issuer for issuer in settings.issuers],
        connections=list(settings.connections),
    )


async def _migrated(built: Parts) -> bool:
    return not await asyncio.to_thread(migrate.pending, built.installation.settings.database_url)


def worker(built: Parts, moments: Moments = undisturbed) -> Worker:
    """Return the worker process; its ports are bare: a workflow always asks the system itself."""
    settings = built.installation.settings
    return Worker(
        url=settings.database_url,
        store=built.store,
        writes=built.writes,
        workflows=list(process_apis.WORKFLOWS.values()),
        resources={
            "landscape": built.landscape,
            "entities": clocks.entities_of(settings),
            "mappings": built.installation.mappings,
        },
        settings=clocks.durable_settings(settings.processes),
        schedules=schedules_of(built),
        moments=moments,
    )


def schedules_of(built: Parts) -> list[Schedule]:
    """Return what workers do again and again: of all processes, and for the audit."""
    settings, systems = built.installation.settings, (built.store, built.engine, built.landscape)
    sealing = partial(audit_seals.seal, built.store, settings.data)
    return [
        Schedule(name="audit_seal", every_s=audit_seals.EVERY_S, run=sealing),
        *transfer_schedules(*systems, clocks.transfer_settings(settings), list(built.psas)),
        *hold_schedules(*systems, clocks.hold_settings(settings)),
    ]
