"""What the edge's policies work with, put together; and how a refusal becomes an answer."""

from collections.abc import Callable
from functools import partial

from gateway.counters import Counters
from gateway.counters.memory import MemoryCounters
from gateway.edge.news import News
from gateway.identity import Verifier
from gateway.policy.call import Answer, Call
from gateway.policy.kinds.base import Kit
from gateway.policy.responses import Responses
from gateway.problems import Context, render
from gateway.store.audit import Auditor
from gateway.store.database import Store
from gateway.store.idempotency_records import IdempotencyRecords
from gateway.telemetry.metrics import Metrics
from gateway.usage import Usage


def kit_of(
    *,
    verifier: Verifier,
    counters: Counters,
    store: Store,
    responses: Responses | None = None,
    metrics: Metrics | None = None,
    news: News | None = None,
    resource_metadata: Callable[[str], str] | None = None,
) -> Kit:
    """Return the kit of one process, on the store's clock.

    `resource_metadata` says where the metadata of RFC 9728 lie for a path.
    """
    kept, figures = responses or Responses(), metrics or Metrics()
    told, auditor, usage = news or News(counters), Auditor(store), Usage(store)
    for source in (kept, told, auditor, usage, verifier.keys):
        figures.read_from(source.figures)
    return Kit(
        verifier=verifier,
        counters=counters,
        alone=MemoryCounters(),
        records=IdempotencyRecords(store),
        auditor=auditor,
        responses=kept,
        usage=usage,
        metrics=figures,
        tell=told.tell,
        now=store.now,
        known=usage,
        problem=partial(_problem, resource_metadata),
        resource_metadata=resource_metadata,
    )


def _problem(resource_metadata: Callable[[str], str] | None, call: Call, error: Exception) -> Answer:
    """Return the refusal or failure as its answer, which carries the call's decision id."""
    context = Context(
        correlation_id=call.correlation_id,
        decision_id=call.decision_id,
        scopes=tuple(sorted(call.operation.scopes)),
        resource_metadata=resource_metadata(call.path) if resource_metadata else None,
    )
    status, headers, body = render(error, context)
    return Answer(status, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers], body)
