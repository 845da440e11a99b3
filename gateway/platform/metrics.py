"""`/metrics`: what this process has counted, in the words of OpenMetrics, for who holds a token with the scope.

It has no contract, since what it answers is no JSON. The edge governs it like any operation: the token, the consumer,
quotas, the audit. A worker shows the same on its own listener, to whoever can reach that.
"""

from typing import Any, Final

from litestar import Request, Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from gateway.listener import Answer, Page
from gateway.platform.monitors import Monitors
from gateway.policy.operation import Operation
from gateway.telemetry.exposition import CONTENT_TYPE, text_of
from gateway.telemetry.metrics import FROM_ZERO, Metrics

OPERATION: Final = Operation(
    name="platform/metrics:get_metrics", method="GET", path="/metrics", scopes=frozenset({"metrics:read"})
)


def page(metrics: Metrics, monitors: Monitors) -> Page:
    """Return what answers with everything that was counted here, and what the monitors read."""

    async def shown() -> Answer:
        read = await monitors.read()
        counted = {**dict.fromkeys(FROM_ZERO, 0), **metrics.snapshot()}  # After the reading, whose failures count.
        return Answer(200, CONTENT_TYPE, text_of({**counted, **read}).encode())

    return shown


def route(metrics: Metrics, monitors: Monitors) -> HTTPRouteHandler:
    """Return the page as the web process serves it."""
    answered = page(metrics, monitors)

    async def show(request: Request[Any, Any, Any]) -> Response[bytes]:  # noqa: ARG001 - the router's signature.
        return Response((await answered()).content, headers={"content-type": CONTENT_TYPE})

    return HTTPRouteHandler(OPERATION.path, http_method=HttpMethod.GET, name="metrics")(show)
