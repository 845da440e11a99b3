"""`/.well-known/api-catalog` (RFC 9727): which APIs are here, for programs, as a set of links (RFC 9264).

Strangers are told what `/docs` shows to everybody; a caller with a token, only what is open to them.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from gateway.caller import Client
from gateway.contract import Api
from gateway.counters import CountersAway, Question
from gateway.edge import Edge, operations_of
from gateway.edge.admission import refusal_of
from gateway.edge.governed import PAGE
from gateway.edge.standing import DENIALS
from gateway.identity import Identity
from gateway.identity.denials import UNKNOWN
from gateway.identity.verifier import not_accepted
from gateway.lifecycle import Version
from gateway.lifecycle.addresses import base_of, page_of
from gateway.lifecycle.succession import ends_for
from gateway.policy.call import Call
from gateway.policy.kinds.authenticate import ACCESS_TOKEN
from gateway.policy.kinds.base import Kit
from gateway.portal.routes import Lives

PATH: Final = "/.well-known/api-catalog"
MEDIA_TYPE: Final = 'application/linkset+json; profile="https://www.rfc-editor.org/info/rfc9727"'

Links = dict[str, Any]


class Catalog:
    """The links of every API; `entities` are the legal entities that each connection serves."""

    def __init__(
        self, public_url: str, apis: Sequence[Api], entities: Mapping[str, frozenset[str]], lives: Lives
    ) -> None:
        self.address = public_url + PATH
        self._public_url, self._apis, self._entities, self._lives = public_url, apis, entities, lives

    def document(self, edge: Edge, identity: Identity | None) -> bytes:
        """Return the set of links that the caller sees; without one, what everybody does."""
        now, versions = self._lives.now(), self._lives.read()
        client = identity.caller.client if identity else None
        shown = {
            api.base: api
            for api in self._apis
            if _lasts(versions[api.contract], client, now) and (not identity or self._is_open(api, edge, identity))
        }
        members = {"anchor": self.address, "item": [self._link(base) for base in shown]}
        links = [self._links(api, versions, shown) for api in shown.values()]
        return msgspec.json.encode({"linkset": [members, *links] if links else []})

    def _is_open(self, api: Api, edge: Edge, identity: Identity) -> bool:
        """Tell whether the caller may use an operation, and sees a legal entity that the connection serves."""
        policies = edge.policies
        consumer = policies.consumers.find(identity.caller.client_id, identity.issuer)
        if consumer is None:
            return False
        caller, tier = consumer.policy.narrowed(identity.caller), consumer.policy.tier
        own = caller.legal_entities
        if api.connection and own != "*" and not own & self._entities[api.connection]:
            return False
        for plan in (policies.plans[each.place] for each in operations_of([api])):
            if refusal_of(identity, caller, consumer, plan.chosen(caller.client_id, tier), plan) is None:
                return True
        return False

    def _links(self, api: Api, versions: Mapping[str, Version], shown: Mapping[str, Api]) -> Links:
        version = versions[api.contract]
        successor = base_of(version.successor, api.connection) if version.successor else None
        before = [
            one.base
            for one in shown.values()
            if one.connection == api.connection and versions[one.contract].successor == api.contract
        ]
        lifecycle = [self._link(page_of(api.base), "text/html")]
        found: Links = {
            "service-desc": [
                self._link(f"/docs{api.base}/openapi.json", "application/json"),
                self._link(f"/openapi/{api.document.file}", "application/yaml"),
            ],
            "service-doc": [self._link(f"/docs{api.base}", "text/html")],
            "service-meta": lifecycle,
            "status": [self._link("/health/ready", "application/json")],
            "predecessor-version": [self._link(base) for base in before],
            "successor-version": [self._link(successor)] if successor in shown else [],
            "deprecation": lifecycle if version.deprecated_at else [],
            "sunset": lifecycle if version.sunset_at else [],
        }
        return {"anchor": self._public_url + api.base} | {name: links for name, links in found.items() if links}

    def _link(self, path: str | None, media_type: str | None = None) -> Links:
        return {"href": f"{self._public_url}{path}"} | ({"type": media_type} if media_type else {})


def catalog_route(catalog: Catalog, edge_of: Callable[[], Edge]) -> HTTPRouteHandler:
    """Return the catalog's route; the edge answers HEAD by it too."""

    async def show(request: Request[Any, Any, Any]) -> Response[bytes]:
        edge = edge_of()
        identity = await _identity(Call(PAGE, request.scope, _no_body), edge)  # type: ignore[arg-type]  # ASGI.
        content = catalog.document(edge, identity)
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {
            "etag": etag,
            "link": f'<{catalog.address}>; rel="api-catalog"',
            "vary": "Authorization",
            "cache-control": "private, no-cache" if identity else "public, max-age=60",
            "x-content-type-options": "nosniff",
        }
        if request.headers.get("if-none-match") == etag:
            return Response(b"", status_code=304, headers=headers)
        return Response(content, headers=headers | {"content-type": MEDIA_TYPE})

    return HTTPRouteHandler(PATH, http_method=HttpMethod.GET, name="api-catalog")(show)


async def _identity(call: Call, edge: Edge) -> Identity | None:
    """Return who asks, None where no token came; raises Refused for one that is not accepted, and Unavailable."""
    if not call.all(b"authorization") and not ACCESS_TOKEN(call.query):
        return None
    identity = await edge.identity(call)
    await _follow_denials(edge.kit)
    if edge.kit.verifier.is_denied(identity):
        raise not_accepted()
    return identity


async def _follow_denials(kit: Kit) -> None:
    """Return when the denials are as fresh as for any call; raises Unavailable where they cannot be read."""
    try:
        generation = (await kit.counters.ask(Question(topics=(DENIALS,)))).generations[0]
    except CountersAway:
        generation = UNKNOWN
    if kit.verifier.denials_moved(generation):
        await kit.verifier.reload_denials(generation)


async def _no_body(_call: Call) -> bytes:
    return b""


def _lasts(version: Version, client: Client | None, now: datetime) -> bool:
    """Tell whether the version still answers: to everybody, or to a client that was given longer."""
    ends_at = ends_for(version, client)
    return ends_at is None or now < ends_at
