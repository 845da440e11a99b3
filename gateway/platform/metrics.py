"""`/metrics`: what this process has counted, in the words of OpenMetrics, for who holds a token with the scope.

It has no contract, since what it answers is no JSON. The edge governs it like any operation: the token, the consumer,
quotas, the audit. A worker shows the same on its own listener, to whoever can reach that.
"""

from typing import Final

from gateway.contract import Endpoint, Reply, Request
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


def endpoint(metrics: Metrics, monitors: Monitors) -> Endpoint:
    """Return the page as the web process serves it: an operation like those that have a contract."""
    answered = page(metrics, monitors)

    async def show(_request: Request) -> Reply:
        answer = await answered()
        return Reply(answer.status, [(b"content-type", answer.media_type.encode())], answer.content)

    return show
