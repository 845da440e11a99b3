"""What the portal serves, by path."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from gateway.contract import Api
from gateway.errors import Refused
from gateway.lifecycle import Version
from gateway.portal import pages, version_page
from gateway.portal.files import File, assets, contracts
from gateway.portal.shown import Contract
from gateway.problems import catalogue
from openapi.common.types import Code

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""No foreign host, no script within a page, no framing."""
HTML_HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-cache",
}

AnyRequest = Request[Any, Any, Any]
Find = Callable[[str], File]


class Lives(NamedTuple):
    """How long versions live, read anew for every page: by the policies in force, and by the clock."""

    read: Callable[[], Mapping[str, Version]]
    now: Callable[[], datetime]


def routes(apis: Sequence[Api], lives: Lives) -> list[HTTPRouteHandler]:
    """Return `/docs`, to which `/` leads, `/openapi/…` and `/problems/<code>`."""
    shown = [Contract(api) for api in apis]
    codes = {str(code): pages.problem(code, entry) for code, entry in catalogue().items()}
    return [
        _door("/", "/docs"),
        _page("/docs", lambda: pages.index(apis, lives.read(), lives.now())),
        *(_page(f"/docs{one.api.base}", partial(_version, one, lives)) for one in shown),
        *(_file(version_page.contract_path(one.api), partial(_document, one, lives)) for one in shown),
        _file("/docs/assets/{path:str}", _finder(assets())),
        _file("/openapi/{path:path}", _finder(contracts())),
        _page("/problems", lambda: pages.problems(catalogue())),
        _problem_page(codes),
    ]


def _version(contract: Contract, lives: Lives) -> str:
    return version_page.show(contract, lives.read()[contract.api.contract], lives.now())


def _document(contract: Contract, lives: Lives, _path: str) -> File:
    return contract.shown(lives.read()[contract.api.contract], lives.now()).document


def _door(path: str, to: str) -> HTTPRouteHandler:
    async def show(request: AnyRequest) -> Response[bytes]:  # noqa: ARG001 - the router's signature.
        return Response(b"", status_code=302, headers={"location": to, "cache-control": "no-cache"})

    return HTTPRouteHandler(path, http_method=HttpMethod.GET, name="door")(show)


def _page(path: str, make: Callable[[], str]) -> HTTPRouteHandler:
    async def show(request: AnyRequest) -> Response[str]:  # noqa: ARG001 - the router's signature.
        return _html(await asyncio.to_thread(make))  # Contracts are compared when their page is asked for first.

    return HTTPRouteHandler(path, http_method=HttpMethod.GET, name=path)(show)


def _problem_page(codes: Mapping[str, str]) -> HTTPRouteHandler:
    async def show(request: AnyRequest) -> Response[str]:
        return _html(_one_of(codes, request.path_params["code"]))

    return HTTPRouteHandler("/problems/{code:str}", http_method=HttpMethod.GET, name="problem")(show)


def _file(path: str, find: Find) -> HTTPRouteHandler:
    async def show(request: AnyRequest) -> Response[bytes]:
        file = await asyncio.to_thread(find, str(request.path_params.get("path", "")).lstrip("/"))
        headers = {"etag": file.etag, "cache-control": "no-cache", "x-content-type-options": "nosniff"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(b"", status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    return HTTPRouteHandler(path, http_method=HttpMethod.GET, name=path)(show)


def _finder(files: Mapping[str, File]) -> Find:
    return lambda path: _one_of(files, path)


def _one_of(known: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - what the mapping holds.
    if name not in known:
        raise Refused(Code.resource_not_found, "Look for it from /docs.")
    return known[name]


def _html(text: str) -> Response[str]:
    return Response(text, headers=HTML_HEADERS, media_type="text/html")
