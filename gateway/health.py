"""Whether the process lives, and whether it can serve: what orchestrators ask."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from gateway.listener import Answer, Page

PATIENCE_S = 2.0
"""A check that takes longer has failed: whoever asks wants to know by then."""

Check = Callable[[], Awaitable[bool]]
"""Asks for one thing that is needed (the database, its schema, a worker); False or an exception: not ready."""

_log = logging.getLogger(__name__)


def pages(checks: Mapping[str, Check]) -> dict[str, Page]:
    """Return `/health/live`, and `/health/ready`, which makes all checks and names those that failed."""

    async def live() -> Answer:
        return _answer(200, {"status": "live"})

    async def ready() -> Answer:
        held = await asyncio.gather(*(_holds(name, check) for name, check in checks.items()))
        results = {name: "ok" if holds else "failed" for name, holds in zip(checks, held, strict=True)}
        return _answer(200 if all(held) else 503, {"status": "ready" if all(held) else "not ready", "checks": results})

    return {"/health/live": live, "/health/ready": ready}


def routes(checks: Mapping[str, Check]) -> list[HTTPRouteHandler]:
    """Return the pages as the web process serves them."""
    shown = pages(checks)

    async def live(request: Request[Any, Any, Any]) -> Response[bytes]:  # noqa: ARG001 - the router's signature.
        return _response(await shown["/health/live"]())

    async def ready(request: Request[Any, Any, Any]) -> Response[bytes]:  # noqa: ARG001 - the router's signature.
        return _response(await shown["/health/ready"]())

    return [
        HTTPRouteHandler("/health/live", http_method=HttpMethod.GET, name="live")(live),
        HTTPRouteHandler("/health/ready", http_method=HttpMethod.GET, name="ready")(ready),
    ]


async def _holds(name: str, check: Check) -> bool:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await check()
    except Exception as error:  # noqa: BLE001 - whatever keeps a check from holding, we are not ready.
        _log.warning("The check %s failed: %s", name, type(error).__name__)  # Its text may hold a URL with a password.
        return False


def _answer(status: int, content: object) -> Answer:
    return Answer(status, "application/json", msgspec.json.encode(content))


def _response(answer: Answer) -> Response[bytes]:
    headers = {"cache-control": "no-store"}
    return Response(answer.content, status_code=answer.status, headers=headers, media_type=answer.media_type)
