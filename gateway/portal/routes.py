"""What the portal serves, by path."""

from collections.abc import Mapping, Sequence

from litestar.handlers import HTTPRouteHandler

from gateway.contract import Api
from gateway.lifecycle import Version


def routes(apis: Sequence[Api], versions: Mapping[str, Version]) -> list[HTTPRouteHandler]:
    """Return `/docs`, `/openapi/…` and `/problems/<code>`."""
    raise NotImplementedError
