"""OpenTelemetry: records spans and exports them. Imported only where an exporter is configured: it is large and slow.

`gateway.trace.current_trace` is the one place in a trace; a span takes its parent from there and puts itself there. So
what is stored with a process, sent to a vendor or logged is right with and without a recorder.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.telemetry.spans import Kind, Spans
from gateway.trace import Trace, current_trace

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
T = TypeVar("T")

KINDS: Final = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}
ERROR: Final = 500
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
"""What names a span; strangers write whatever they like there, and names are to be few."""

_edge_place: ContextVar[Trace | None] = ContextVar("edge_place", default=None)


class Reply(Protocol):
    """What answers a request: `gateway.contract.Reply`."""

    status: int


Request = TypeVar("Request")
Replied = TypeVar("Replied", bound=Reply)
Endpoint = Callable[[Request], Awaitable[Replied]]


class Sent(Protocol):
    """A request to a vendor: `gateway.egress.request.Request`."""

    method: str
    operation: str
    headers: dict[str, str]


class Answered(Protocol):
    """What a vendor answered: `gateway.egress.response.Response`."""

    @property
    def status(self) -> int:
        """Return the status."""


Request_contra = TypeVar("Request_contra", bound=Sent, contravariant=True)
Response_co = TypeVar("Response_co", bound=Answered, covariant=True)


class Sends(Protocol[Request_contra, Response_co]):
    """What carries bytes to a vendor."""

    async def send(self, request: Request_contra) -> Response_co:
        """Return the answer."""


class Tracing:
    """Records the spans of one process, and wraps what they are about."""

    def __init__(self, service: str, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(resource=Resource.create({"service.name": service}))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("tiebeam")

    @contextmanager
    def span(self, name: str, kind: Kind = "internal", **attributes: str | float) -> Iterator[Span]:
        """Record what runs inside, below the current place, which it is meanwhile."""
        with self._below(_context_of(current_trace.get()), name, kind, attributes) as span:
            yield span

    def edge(self, app: Asgi) -> Asgi:
        """Return the outermost application with a span for each request, below the caller's."""

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            method = scope["method"] if scope["method"] in METHODS else "HTTP"
            with self._below(_caller_of(scope), f"edge {method}", "server", {}) as span:
                place = _place_of(span)
                _edge_place.set(place)
                await app(_called_from(place, scope), receive, _noting(send, span))

        return traced

    def operation(self, name: str, endpoint: Endpoint[Request, Replied]) -> Endpoint[Request, Replied]:
        """Return what answers the operation, with a span of its name for each request."""

        async def traced(request: Request) -> Replied:
            current_trace.set(_edge_place.get())  # The edge notes a place of its own, which is no span.
            with self.span(name) as span:
                reply = await endpoint(request)
                _note(span, reply.status)
                return reply

        return traced

    def port(self, port: T) -> T:
        """Return the port with a span for each call to it."""
        return cast(T, _TracedPort(self, port))

    def transport(
        self, connection: str, transport: Sends[Request_contra, Response_co]
    ) -> Sends[Request_contra, Response_co]:
        """Return the transport with a span for each request, which the vendor is told of."""
        return _TracedTransport(self, connection, transport)

    def close(self) -> None:
        """Export what is left, and end the exporter's thread; from here on nothing is recorded."""
        self._provider.shutdown()
        if Spans.recorder is self:
            Spans.recorder = None

    @contextmanager
    def _below(self, parent: Context, name: str, kind: Kind, attributes: Mapping[str, str | float]) -> Iterator[Span]:
        span = self._tracer.start_span(name, parent, KINDS[kind], attributes)
        token = current_trace.set(_place_of(span))
        try:
            yield span
        except BaseException as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))  # Its text may hold names.
            raise
        finally:
            current_trace.reset(token)
            span.end()


def start(endpoint: str, service: str) -> Tracing:
    """Let this process record spans and send them to the endpoint, which is named as OTEL_EXPORTER_OTLP_ENDPOINT is."""
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    tracing = Tracing(service, BatchSpanProcessor(exporter))
    Spans.recorder = tracing
    return tracing


class _TracedPort:
    """A port whose coroutine methods are recorded; everything else is the port's own."""

    def __init__(self, tracing: Tracing, port: object) -> None:
        self._tracing, self._port = tracing, port

    def __getattr__(self, name: str) -> object:
        found = getattr(self._port, name)
        if not inspect.iscoroutinefunction(found):
            return found

        @wraps(found)
        async def traced(*args: object, **kwargs: object) -> object:
            with self._tracing.span(f"port {name}"):
                return await found(*args, **kwargs)

        return traced


class _TracedTransport(Generic[Request_contra, Response_co]):
    def __init__(self, tracing: Tracing, connection: str, transport: Sends[Request_contra, Response_co]) -> None:
        self._tracing, self._connection, self._transport = tracing, connection, transport

    async def send(self, request: Request_contra) -> Response_co:
        """Return the answer."""
        attributes = {"tiebeam.connection": self._connection, "http.request.method": request.method}
        with self._tracing.span(f"HTTP {request.operation}", "client", **attributes) as span:
            request.headers["traceparent"] = _place_of(span).parent
            answer = await self._transport.send(request)
            span.set_attribute("http.response.status_code", answer.status)
            return answer


def _noting(send: Send, span: Span) -> Send:
    async def noting(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            _note(span, message["status"])
        await send(message)

    return noting


def _note(span: Span, status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= ERROR:
        span.set_status(Status(StatusCode.ERROR))


def _caller_of(scope: Scope) -> Context:
    fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return TraceContextTextMapPropagator().extract(fields, context=Context())


def _called_from(place: Trace, scope: Scope) -> Scope:
    """Return the scope as if the edge's span had called: whoever reads `traceparent` below is in the same trace."""
    others = [field for field in scope["headers"] if field[0] != b"traceparent"]
    return {**scope, "headers": [*others, (b"traceparent", place.parent.encode())]}


def _context_of(place: Trace | None) -> Context:
    if place is None:
        return Context()
    flags = TraceFlags(place.flags)
    parent = SpanContext(int(place.trace_id, 16), int(place.span_id, 16), is_remote=True, trace_flags=flags)
    return otel.set_span_in_context(NonRecordingSpan(parent), Context())


def _place_of(span: Span) -> Trace:
    context = span.get_span_context()
    trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return Trace(trace_id=trace_id, span_id=span_id, flags=int(context.trace_flags))
