"""The installation's policies, and the edge that they hold at: those of the files, and sets loaded while it runs."""

from collections.abc import Mapping
from functools import cache

from gateway import portal
from gateway.composition.parts import CannotStart, Parts
from gateway.contract import Api, Endpoint
from gateway.contract.retirable import names_in
from gateway.edge import Edge, kit_of, operations_of
from gateway.edge.answers import App
from gateway.identity import Verifier
from gateway.lifecycle.checking import Served
from gateway.platform import metrics
from gateway.policy.compiling import Compiler, Lives
from gateway.policy.document import PolicyError
from gateway.policy.operation import Operation
from gateway.policy.plan import PolicySet


def governed(apis: tuple[Api, ...]) -> list[Operation]:
    """Return every operation that the edge governs: those of the contracts, and what has none."""
    return [*operations_of(apis), metrics.OPERATION]


def policies_for(built: Parts, apis: tuple[Api, ...]) -> PolicySet:
    """Return what the files say of operations and versions; raises CannotStart with all that does not fit."""
    installation = built.installation
    try:
        return compiler_of(built, apis).policies(installation.rows, installation.policy_files)
    except PolicyError as error:
        raise CannotStart(str(error)) from error


def compiler_of(built: Parts, apis: tuple[Api, ...]) -> Compiler:
    """Return what makes policies of files while the process runs."""
    settings = built.installation.settings
    return Compiler(
        operations=governed(apis),
        issuers=[issuer.issuer for issuer in settings.issuers],
        connections=list(settings.connections),
        lives=Lives(versions=built.installation.versions, served=_served(built, apis), now=built.store.now),
    )


def _served(built: Parts, apis: tuple[Api, ...]) -> Served:
    """Return what the lives of versions may name."""
    documents = {api.contract: api.document for api in apis}
    connections = dict[str, list[str]]()
    for name, connection in built.installation.settings.connections.items():
        connections.setdefault(connection.family, []).append(name)
    return Served(
        contracts=frozenset(documents),
        connections=connections,
        issuers=[issuer.issuer for issuer in built.installation.settings.issuers],
        names=cache(lambda contract: names_in(documents[contract])),
    )


def edge_of(
    built: Parts,
    apis: tuple[Api, ...],
    pages: App,
    verifier: Verifier,
    *,
    resources: portal.Resources | None = None,
    endpoints: Mapping[str, Endpoint] | None = None,
) -> Edge:
    """Return the edge before pages and operations, under the policies of the files until another set is in force."""
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
        pages,
        policies_for(built, apis),
        kit,
        endpoints=endpoints,
        trusted_proxies=http.trusted_proxies,
        most_under_way=http.most_under_way,
        reload=built.in_force.follow,
    )
    built.in_force.attach(compiler_of(built, apis), edge)
    return edge
