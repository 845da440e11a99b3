"""What becomes of the answers that a vendor gives, on a real socket."""

import gzip
from collections.abc import AsyncIterator

import pytest

from gateway.correlation import belonging
from gateway.egress import unanswered
from gateway.egress.limits import Part
from gateway.egress.response import Response
from gateway.egress.upstreams import Upstreams
from gateway.errors import Unavailable, Uncertain
from gateway.telemetry.metrics import RETRIES
from gateway.trace import Trace
from openapi.common.types import Code
from tests.egress_world import BOOKS, Time, terms, upstreams
from tests.scripted_server import ScriptedServer, answer, close, scripted_server


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def egress(time: Time) -> AsyncIterator[Upstreams]:
    async with upstreams(time, max_answer_bytes=1_000) as egress:
        yield egress


async def call(egress: Upstreams, server: ScriptedServer, *, write: bool = False) -> bytes:
    answered = await egress.http(BOOKS).call("POST", f"{server.url}/rpc", operation="call", write=write, content=b"{}")
    return answered.content


@pytest.mark.parametrize("status", [200, 204, 302, 401, 403, 404, 409, 422])
async def test_answer_below_500_is_the_connectors(egress: Upstreams, server: ScriptedServer, status: int) -> None:
    server.then(answer(status, b"", {"Location": "/elsewhere", "Set-Cookie": "session=1"}))

    answered = await egress.http(BOOKS).call("POST", server.url, operation="call", write=True)
    await call(egress, server)

    assert answered.status == status
    assert [request.target for request in server.received] == ["/", "/rpc"]
    assert "cookie" not in server.received[1].headers


async def test_headers_of_the_connector_go_out_with_ours(egress: Upstreams, server: ScriptedServer) -> None:
    headers = {"Authorization": "Session abc", "Content-Type": "application/json", "Accept-Encoding": "br"}

    with belonging(correlation_id="cor_12345678", trace=Trace(trace_id="a" * 32, span_id="b" * 16, flags=1)):
        await egress.http(BOOKS).call("POST", server.url, operation="call", write=False, headers=headers)

    sent = server.received[0].headers
    assert sent["authorization"] == "Session abc"
    assert sent["content-type"] == "application/json"
    assert sent["accept-encoding"] == "gzip"
    assert sent["user-agent"] == "tiebeam"
    assert sent["x-correlation-id"] == "cor_12345678"
    assert sent["traceparent"] == f"00-{'a' * 32}-{'b' * 16}-01"


def test_field_that_came_twice_is_one_list() -> None:
    answered = Response(status=200, headers=[(b"Age", b"3"), (b"Cache-Control", b"no-cache"), (b"cache-control", b"a")])

    assert [answered.header(name) for name in (b"cache-control", b"age", b"expires")] == ["no-cache, a", "3", ""]


async def test_path_that_holds_an_encoded_slash_arrives_as_it_is(egress: Upstreams, server: ScriptedServer) -> None:
    await egress.http(BOOKS).call("GET", f"{server.url}/a%2Fb?c=%2B", operation="find", write=False)

    assert server.received[0].target == "/a%2Fb?c=%2B"


@pytest.mark.parametrize("write", [True, False])
async def test_429_waits_as_long_as_the_vendor_says(
    egress: Upstreams, server: ScriptedServer, time: Time, *, write: bool
) -> None:
    server.then(answer(429, b"", {"Retry-After": "7"}))

    body = await call(egress, server, write=write)

    assert body == b"ok"
    assert time.passed == pytest.approx(7)


@pytest.mark.parametrize(("headers", "retry_after_s"), [({"Retry-After": "21"}, 21), ({}, None)])
async def test_429_that_asks_for_more_time_than_there_is_or_says_no_time_is_told(
    egress: Upstreams, server: ScriptedServer, headers: dict[str, str], retry_after_s: int | None
) -> None:
    server.then(answer(429, b"", headers))

    with pytest.raises(Unavailable) as raised:
        await call(egress, server, write=True)

    assert raised.value.code is Code.upstream_rate_limited
    assert raised.value.retry_after_s == retry_after_s
    assert len(server.received) == 1


async def test_429_of_one_call_keeps_the_others_quiet(egress: Upstreams, server: ScriptedServer, time: Time) -> None:
    server.then(answer(429, b"", {"Retry-After": "30"}))
    with pytest.raises(Unavailable):
        await call(egress, server)

    with pytest.raises(Unavailable) as raised:
        await call(egress, server)

    assert raised.value.code is Code.upstream_rate_limited
    assert len(server.received) == 1
    time.passed += 30
    assert await call(egress, server) == b"ok"


async def test_read_that_is_told_503_comes_back_when_the_vendor_says(
    egress: Upstreams, server: ScriptedServer, time: Time
) -> None:
    server.then(answer(503, b"", {"Retry-After": "Wed, 25 Nov 2026 09:00:03 GMT"}))

    assert await call(egress, server) == b"ok"
    assert time.slept == [3.0]


async def test_write_that_is_told_503_is_sent_again_only_if_the_connector_says_that_it_had_no_effect(
    egress: Upstreams, server: ScriptedServer
) -> None:
    server.then(answer(503, b"database locked"), answer(503, b"?"))

    with pytest.raises(Uncertain):
        await egress.http(BOOKS).call(
            "POST",
            server.url,
            operation="create",
            write=True,
            no_effect=lambda said: said.content == b"database locked",
        )

    assert len(server.received) == 2


async def test_gzip_is_unfolded(egress: Upstreams, server: ScriptedServer) -> None:
    two_members = gzip.compress(b"one ") + gzip.compress(b"two")
    server.then(answer(200, two_members, {"Content-Encoding": "gzip"}))

    answered = await egress.http(BOOKS).call("GET", server.url, operation="find", write=False)

    assert answered.content == b"one two"


async def test_body_that_is_only_said_to_be_gzip_is_taken_as_it_is(egress: Upstreams, server: ScriptedServer) -> None:
    server.then(answer(200, b'{"id": 1}', {"Content-Encoding": "gzip"}))

    assert await call(egress, server) == b'{"id": 1}'


UNREADABLE = {
    "too large": answer(200, b"x" * 1_001),
    "too large unfolded": answer(200, gzip.compress(b"x" * 1_000_000), {"Content-Encoding": "gzip"}),
    "too large in its second member": answer(
        200, gzip.compress(b"x" * 900) + gzip.compress(b"x" * 900), {"Content-Encoding": "gzip"}
    ),
    "broken": answer(200, b"\x1f\x8bnonsense", {"Content-Encoding": "gzip"}),
    "ends too soon": answer(200, gzip.compress(b"hello")[:-9], {"Content-Encoding": "gzip"}),
    "encoding nobody asked for": answer(200, b"\x0b\x02\x80", {"Content-Encoding": "br"}),
}


@pytest.mark.parametrize(("write", "family"), [(True, Uncertain), (False, Unavailable)])
@pytest.mark.parametrize("unreadable", UNREADABLE)
async def test_body_that_cannot_be_read_is_a_violation_and_not_asked_for_again(
    egress: Upstreams, server: ScriptedServer, unreadable: str, *, write: bool, family: type[Unavailable | Uncertain]
) -> None:
    server.then(UNREADABLE[unreadable])

    with pytest.raises(family) as raised:
        await call(egress, server, write=write)

    assert raised.value.code is Code.upstream_contract_violation
    assert len(server.received) == 1


def test_answer_that_nobody_can_decode_is_uncertain_only_after_a_write() -> None:
    assert (unanswered(write=True), unanswered(write=False)) == (Uncertain, Unavailable)


async def test_call_in_real_time_is_answered_too(server: ScriptedServer) -> None:
    server.then(close)
    egress = Upstreams({BOOKS: terms()}, part=Part.web)

    assert await call(egress, server) == b"ok"
    assert egress.metrics.total(RETRIES) == 1
    await egress.close()


async def test_body_of_exactly_the_most_bytes_is_read(egress: Upstreams, server: ScriptedServer) -> None:
    server.then(answer(200, gzip.compress(b"x" * 1_000), {"Content-Encoding": "gzip"}))

    assert len(await call(egress, server)) == 1_000
