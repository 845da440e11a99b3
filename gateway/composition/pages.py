"""What the web process serves beside operations: pages for developers, what programs look up, health."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from litestar.handlers import HTTPRouteHandler

from gateway import health, portal
from gateway.composition.parts import Parts
from gateway.contract import Api
from gateway.lifecycle import living


def pages_of(
    built: Parts, apis: Sequence[Api], resources: portal.Resources, checks: Mapping[str, Callable[[], Any]]
) -> list[HTTPRouteHandler]:
    """Return the routes; what they say of versions is read from the policies in force, call by call."""
    lives = portal.Lives(lambda: living(built.in_force.edge.policies.lifecycle, built.store.now()), built.store.now)
    connections = built.installation.settings.connections
    entities = {name: frozenset(one.legal_entities) for name, one in connections.items()}
    catalog = portal.Catalog(resources.public_url, apis, entities, lives)
    return [
        *portal.routes(apis, lives),
        *portal.metadata_routes(resources),
        portal.catalog_route(catalog, lambda: built.in_force.edge),
        *health.routes(checks),
    ]
