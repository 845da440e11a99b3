"""What answers each operation behind the edge: the functions of the contracts, and what has none."""

from collections.abc import Mapping

from gateway.composition.parts import Parts
from gateway.composition.watching import monitors_of
from gateway.contract import Api, Endpoint
from gateway.edge import places_of
from gateway.platform import metrics


def endpoints_of(built: Parts, apis: tuple[Api, ...]) -> Mapping[str, Endpoint]:
    """Return what answers, by the operation's place; each with a span of its own where spans are recorded."""
    shown = metrics.endpoint(built.upstreams.metrics, monitors_of(built))
    found = {**places_of(apis), metrics.OPERATION.place: (metrics.OPERATION.name, shown)}
    traced = built.tracing.operation if built.tracing else _untraced
    return {place: traced(name, endpoint) for place, (name, endpoint) in found.items()}


def _untraced(_name: str, endpoint: Endpoint) -> Endpoint:
    return endpoint
