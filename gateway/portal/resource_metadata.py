"""What a client needs to know to get a token for us (RFC 9728): one document for the whole, and one for each API."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from gateway.contract import Api

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
"""It stands between host and path of the resource that it is about (§3.1)."""

AnyRequest = Request[Any, Any, Any]


class Resources:
    """What is protected here, as callers reach it under `public_url`; `besides` are scopes that no contract names."""

    def __init__(
        self, public_url: str, issuers: Sequence[str], apis: Sequence[Api], besides: Iterable[str] = ()
    ) -> None:
        self.public_url = public_url
        self._bases = tuple(api.base for api in apis)
        scopes = sorted({*besides, *(scope for api in apis for scope in _scopes(api))})
        whole = self._document("", issuers, scopes, "Tiebeam", "/docs")
        self.documents: Mapping[str, bytes] = {WELL_KNOWN: msgspec.json.encode(whole)} | {
            WELL_KNOWN + api.base: msgspec.json.encode(
                self._document(api.base, issuers, sorted(_scopes(api)), api.title, f"/docs{api.base}")
            )
            for api in apis
        }

    def address_of(self, path: str) -> str:
        """Return where the metadata of the API lies that a path belongs to; else those of the whole."""
        base = next((base for base in self._bases if path == base or path.startswith(base + "/")), "")
        return f"{self.public_url}{WELL_KNOWN}{base}"

    def _document(
        self, base: str, issuers: Sequence[str], scopes: Sequence[str], name: str, docs: str
    ) -> dict[str, object]:
        return {
            "resource": self.public_url + base,
            "authorization_servers": list(issuers),
            "scopes_supported": list(scopes),
            "bearer_methods_supported": ["header"],
            "resource_name": name,
            "resource_documentation": self.public_url + docs,
        }


def metadata_routes(resources: Resources) -> list[HTTPRouteHandler]:
    """Return the documents' routes, open to everybody."""
    return [_route(path, document) for path, document in resources.documents.items()]


def _route(path: str, document: bytes) -> HTTPRouteHandler:
    async def show(request: AnyRequest) -> Response[bytes]:  # noqa: ARG001 - the router's signature.
        headers = {"cache-control": "public, max-age=300", "x-content-type-options": "nosniff"}
        return Response(document, headers=headers, media_type="application/json")

    return HTTPRouteHandler(path, http_method=HttpMethod.GET, name=path)(show)


def _scopes(api: Api) -> set[str]:
    return {scope for each in api.operations for scope in (*each.scopes, *each.further_scopes)}
