"""One trace from the caller's `traceparent` to the vendor's: recorded only where an exporter is configured."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.settings import Telemetry
from gateway.telemetry.spans import Spans
from tests.e2e.product import product
from tests.scripted_server import Received, ScriptedServer, scripted_server

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CUSTOMERS = "/system/books/erp/v1/customers"


@pytest.fixture
async def collector() -> AsyncIterator[ScriptedServer]:
    """What spans are sent to."""
    async with scripted_server() as server:
        yield server


def spans_in(request: Received) -> list[Span]:
    """Return the spans of an export."""
    packed = request.headers.get("content-encoding") == "gzip"
    export = ExportTraceServiceRequest.FromString(gzip.decompress(request.body) if packed else request.body)
    return [span for one in export.resource_spans for scope in one.scope_spans for span in scope.spans]


async def test_call_is_one_trace_from_the_caller_to_the_vendor(collector: ScriptedServer, tmp_path: Path) -> None:
    async with product(tmp_path, telemetry=Telemetry(otlp_endpoint=collector.url)) as gateway, gateway.client() as crm:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        await crm.get(CUSTOMERS, params={"name": "Alder"}, headers=headers)
        told = {request.headers["traceparent"][3:35] for request in gateway.upstream.received}

    spans = [span for request in collector.received for span in spans_in(request)]
    names = [span.name for span in spans]
    assert {span.trace_id.hex() for span in spans} == told == {TRACE}
    assert {"edge GET", "system/erp/v1:search_customers", "port search_customers"} <= set(names)
    assert any(name.startswith("HTTP ") for name in names)
    assert PARENT in {span.parent_span_id.hex() for span in spans}


async def test_without_an_exporter_nothing_is_recorded(collector: ScriptedServer, tmp_path: Path) -> None:
    async with product(tmp_path) as gateway, gateway.client() as crm:
        await crm.get(CUSTOMERS, params={"name": "Alder"})
        assert Spans.recorder is None

    assert collector.received == []
