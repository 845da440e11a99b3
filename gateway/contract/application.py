"""The ASGI application: Litestar routes, and does nothing else."""

from collections.abc import Sequence

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from gateway.contract.model import Api


def build_application(apis: Sequence[Api], pages: Sequence[HTTPRouteHandler] = ()) -> Litestar:
    """Return the application that serves the APIs and the pages beside them."""
    raise NotImplementedError
