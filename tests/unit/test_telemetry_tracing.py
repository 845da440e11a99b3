"""Spans from the caller's to the vendor's, in one trace; and none where nobody records."""

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway.contract import Reply
from gateway.correlation import belonging
from gateway.egress.limits import Part
from gateway.egress.upstreams import Upstreams
from gateway.telemetry import tracing as recording
from gateway.telemetry.spans import Spans, span
from gateway.telemetry.tracing import Receive, Scope, Send, Tracing
from gateway.trace import Trace, current_trace, trace_of
from tests.egress_world import BOOKS, Time, terms, tools
from tests.scripted_server import ScriptedServer, scripted_server

CALLER = Trace(trace_id="a" * 32, span_id="b" * 16, flags=1)
REQUEST: Scope = {"type": "http", "method": "POST", "headers": [(b"traceparent", CALLER.parent.encode())]}


class Port:
    """A port with one call and two things that are none."""

    connection = BOOKS

    def __init__(self, egress: Upstreams, url: str) -> None:
        self._egress, self._url = egress, url

    def name(self) -> str:
        return "no call"

    async def find_customer(self, key: str) -> bytes:
        answered = await self._egress.http(BOOKS).call("GET", self._url + key, operation="find_customer", write=False)
        return answered.content


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exported: InMemorySpanExporter) -> Iterator[Tracing]:
    tracing = Tracing("tiebeam-test", SimpleSpanProcessor(exported))
    Spans.recorder = tracing
    yield tracing
    tracing.close()
    assert Spans.recorder is None


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture
async def port(tracing: Tracing, server: ScriptedServer) -> AsyncIterator[Port]:
    egress = Upstreams({BOOKS: terms()}, part=Part.whole, traced=tracing.transport, with_tools=tools(Time()))
    yield tracing.port(Port(egress, server.url))
    await egress.close()


def named(exported: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exported.get_finished_spans()}


def id_of(span: ReadableSpan) -> str:
    return f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    return f"{span.parent.span_id:016x}" if span.parent else None


async def nothing_more() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


async def forget(_message: MutableMapping[str, Any]) -> None:
    pass


async def answered(send: Send, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_spans_from_the_caller_to_the_vendor_are_one_trace(
    tracing: Tracing, exported: InMemorySpanExporter, port: Port, server: ScriptedServer
) -> None:
    async def endpoint(_request: None) -> Reply:
        with span("check_customer"):
            await port.find_customer("/c")
        return Reply(200, [], b"")

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        current_trace.set(trace_of([value for name, value in scope["headers"] if name == b"traceparent"]))
        await (await operation(None))(scope, receive, send)  # type: ignore[arg-type]  # ASGI, as the framework has it.

    operation = tracing.operation("system/erp/v1:find_customer", endpoint)
    await tracing.edge(edge)(REQUEST, nothing_more, forget)

    names = ["edge POST", "system/erp/v1:find_customer", "check_customer", "port find_customer", "HTTP find_customer"]
    chain = [named(exported)[name] for name in names]
    assert [parent_of(span) for span in chain] == [CALLER.span_id, *(id_of(span) for span in chain[:-1])]
    assert {f"{span.context.trace_id:032x}" for span in chain} == {CALLER.trace_id}
    assert server.received[0].headers["traceparent"] == f"00-{CALLER.trace_id}-{id_of(chain[-1])}-01"
    assert chain[-1].attributes == {
        "tiebeam.connection": BOOKS,
        "http.request.method": "GET",
        "http.response.status_code": 200,
    }


async def test_work_of_a_worker_goes_on_in_the_trace_that_was_stored(
    exported: InMemorySpanExporter, port: Port
) -> None:
    with belonging(trace=CALLER), span("create_customer"):
        await port.find_customer("/c")

    assert parent_of(named(exported)["create_customer"]) == CALLER.span_id
    assert port.name() == "no call"


def test_span_without_a_place_begins_a_trace(tracing: Tracing, exported: InMemorySpanExporter) -> None:
    with tracing.span("start"):
        assert current_trace.get() is not None

    assert current_trace.get() is None
    assert parent_of(named(exported)["start"]) is None


def test_span_that_fails_tells_the_class_and_not_the_text(tracing: Tracing, exported: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="Alpha"), tracing.span("step"):
        raise ValueError("Alpha GmbH")

    failed = named(exported)["step"]
    assert (failed.status.is_ok, failed.status.description, len(failed.events)) == (False, "ValueError", 0)


async def test_answer_of_500_marks_the_edges_span(tracing: Tracing, exported: InMemorySpanExporter) -> None:
    async def failing(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answered(send, 500)

    await tracing.edge(failing)(REQUEST, nothing_more, forget)

    (only,) = exported.get_finished_spans()
    assert not only.status.is_ok
    assert only.attributes == {"http.response.status_code": 500}


async def test_method_that_nobody_knows_names_no_span(tracing: Tracing, exported: InMemorySpanExporter) -> None:
    async def edge(_scope: Scope, _receive: Receive, send: Send) -> None:
        await answered(send, 405)

    for method in ("DELETE", "X" * 300, "get"):
        await tracing.edge(edge)({**REQUEST, "method": method}, nothing_more, forget)

    assert [span.name for span in exported.get_finished_spans()] == ["edge DELETE", "edge HTTP", "edge HTTP"]


async def test_answer_of_500_marks_the_operations_span(tracing: Tracing, exported: InMemorySpanExporter) -> None:
    async def failing(_request: None) -> Reply:
        return Reply(500, [], b"")

    await tracing.operation("system/erp/v1:find_customer", failing)(None)

    (only,) = exported.get_finished_spans()
    assert (only.name, only.status.is_ok) == ("system/erp/v1:find_customer", False)
    assert only.attributes == {"http.response.status_code": 500}


async def test_what_is_no_request_has_no_span(tracing: Tracing, exported: InMemorySpanExporter) -> None:
    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope["type"])

    seen: list[str] = []
    await tracing.edge(application)({"type": "lifespan"}, nothing_more, forget)

    assert (seen, exported.get_finished_spans()) == (["lifespan"], ())


def test_span_of_a_process_that_records_nothing_does_nothing() -> None:
    with span("step") as nothing:
        assert nothing is None
        assert current_trace.get() is None


async def test_started_tracing_sends_what_is_left_to_the_collector(server: ScriptedServer) -> None:
    tracing = recording.start(f"{server.url}/", "tiebeam-web")
    with tracing.span("step"):
        pass

    await asyncio.to_thread(tracing.close)  # The exporter blocks its thread; the collector runs in this one.

    assert [(request.method, request.target) for request in server.received] == [("POST", "/v1/traces")]
    assert b"tiebeam-web" in server.received[0].body or server.received[0].headers.get("content-encoding") == "gzip"
