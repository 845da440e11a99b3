"""The ASGI application: Litestar routes, and does nothing else."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Litestar, Response
from litestar import Request as FrameworkRequest
from litestar.enums import HttpMethod
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from gateway import problems
from gateway.contract.model import Api, Operation
from gateway.contract.request import Request
from gateway.contract.scope import context_in
from gateway.errors import Refused
from openapi.common.types import Code

AnyRequest = FrameworkRequest[Any, Any, Any]


def build_application(
    apis: Sequence[Api] = (),
    pages: Sequence[HTTPRouteHandler] = (),
    *,
    begin: Sequence[Callable[[], Awaitable[None]]] = (),
    end: Sequence[Callable[[], Awaitable[None]]] = (),
) -> Litestar:
    """Return the application that serves the APIs, and the pages beside them.

    The edge calls operations by itself, and needs it for pages only; APIs are given by who serves them without an edge.
    `begin` is called in the process that serves, before the first request; `end` after the last one.
    """
    return Litestar(
        [*(route for api in apis for route in map(_route, api.operations)), *pages],
        exception_handlers={HTTPException: _answer_framework, Exception: _answer},
        openapi_config=None,  # Ours are written by hand and served as they are.
        logging_config=None,
        debug=False,
        on_startup=list(begin),
        on_shutdown=list(end),
    )


def _route(operation: Operation) -> HTTPRouteHandler:
    async def endpoint(request: AnyRequest) -> ASGIApp:
        return await operation.endpoint(Request(request.scope, request.receive))

    route = HTTPRouteHandler(
        operation.path.replace("}", ":str}"),
        http_method=HttpMethod(operation.method),
        name=f"{operation.method} {operation.path}",
        status_code=200,  # Each response has its own; the default for DELETE would forbid a body.
    )
    return route(endpoint)


def _answer_framework(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Answer for the router, which knows of paths and methods only; it names the methods in `Allow`."""
    match error.status_code:
        case 404:
            return _answer(request, Refused(Code.resource_not_found, "Look the path up in /docs."))
        case 405:
            response = _answer(request, Refused(Code.request_method_not_allowed, "Use a method of the `Allow` header."))
            response.headers["allow"] = _with_head((error.headers or {}).get("allow", ""))
            return response
        case _:
            return _answer(request, error)


def _with_head(methods: str) -> str:
    """Return the methods with HEAD where GET is: the edge asks for GET in its place, so that the router has none."""
    listed = {*methods.split(", ")}
    return ", ".join(sorted(listed | ({"HEAD"} if "GET" in listed else set())))


def _answer(request: AnyRequest, error: Exception) -> Response[bytes]:
    status, headers, body = problems.render(error, context_in(request.scope))
    return Response(body, status_code=status, headers=dict(headers), media_type=problems.MEDIA_TYPE)
