"""`/metrics`: what this process has counted, in the words of OpenMetrics, for who holds a token with the scope.

It has no contract, since what it answers is no JSON. The edge governs it like any operation: the token, the consumer,
quotas, the audit.
"""

from typing import Any, Final

from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from gateway.policy.operation import Operation
from gateway.telemetry.exposition import CONTENT_TYPE, text_of
from gateway.telemetry.metrics import FROM_ZERO, Metrics

OPERATION: Final = Operation(
    name="platform/metrics:get_metrics", method="GET", path="/metrics", scopes=frozenset({"metrics:read"})
)


def route(metrics: Metrics) -> HTTPRouteHandler:
    """Return the route."""

    async def show(request: Request[Any, Any, Any]) -> Response[bytes]:  # noqa: ARG001 - the router's signature.
        shown = {**dict.fromkeys(FROM_ZERO, 0), **metrics.snapshot()}
        return Response(text_of(shown).encode(), headers={"content-type": CONTENT_TYPE})

    return HTTPRouteHandler(OPERATION.path, http_method=HttpMethod.GET, name="metrics")(show)
