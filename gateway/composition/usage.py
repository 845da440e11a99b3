"""What clients use, written down while the web process serves; and how long what goes is still there."""

from collections.abc import Mapping

from gateway.composition.parts import Parts
from gateway.edge.flushing import Flushing
from gateway.telemetry.metrics import SUNSET, series


def usage_of(built: Parts) -> Flushing:
    """Return what writes down who uses what; with it, the metrics show how long each version lives."""
    built.upstreams.metrics.read_from(lambda: _sunsets(built))

    async def flush() -> None:
        await built.in_force.edge.kit.usage.flush()

    return Flushing(flush)


def _sunsets(built: Parts) -> Mapping[str, int]:
    now = built.store.now()
    return {
        series(SUNSET, contract=contract): int((version.sunset_at - now).total_seconds())
        for contract, version in built.in_force.edge.policies.lifecycle.items()
        if version.sunset_at is not None
    }
