"""Whether the process lives, and whether it can serve: what orchestrators ask."""

from collections.abc import Awaitable, Callable, Mapping

from litestar.handlers import HTTPRouteHandler

Check = Callable[[], Awaitable[bool]]
"""Asks one thing that is needed (the database, its schema, a worker); False or an exception: not ready."""


def routes(checks: Mapping[str, Check]) -> list[HTTPRouteHandler]:
    """Return `/health/live` and `/health/ready`."""
    raise NotImplementedError
