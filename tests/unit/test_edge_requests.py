"""What the edge reads of a request before any policy: address, header fields, body, correlation, trace."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.limits import HEADER_BYTES, URI_BYTES, has_no_body
from gateway.edge.paths import normal
from gateway.edge.routes import allowed, is_governed
from gateway.errors import Refused
from gateway.trace import correlation_id_of, current_trace, trace_of
from openapi.common.types import Code
from tests.edge_world import CUSTOMERS, ONBOARDINGS, STATUS, Framework, World

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    "raw",
    [
        *(b"//x", b"/x//y", b"/x/", b"x", b"*", b"", b"/..", b"/x/../y", b"/.", b"/%2e%2e/x", b"/%2E"),
        *(b"/%2F", b"/a%2fb", b"/%5C", b"/a\\b", b"/%00", b"/%0a", b"/%7f", b"/a%20b", b"/a b", b"/%zz", b"/%", b"/%4"),
        *(b"/%c0%af", b"/%ed%a0%80", b"/%ff", b"/\xff", b"/x\n"),
    ],
)
def test_path_that_would_have_to_be_repaired_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        normal(raw)

    assert refused.value.code is Code.request_path_malformed


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"/a/%78", "/a/x"),
        (b"/a/x", "/a/x"),
        (b"/%252F", "/%2F"),
        (b"/%C3%A9", "/é"),
        (b"/a;b=c", "/a;b=c"),
        (b"/...", "/..."),
    ],
)
def test_path_has_one_form(raw: bytes, path: str) -> None:
    assert normal(raw) == path


@given(st.lists(st.text(min_size=1).filter(lambda text: not re.search(r"[\x00-\x20\x7f/\\]", text)), min_size=1))
def test_every_way_of_writing_segments_comes_to_the_same_path(segments: list[str]) -> None:
    try:
        raw = b"".join(b"/" + segment.encode() for segment in segments)
    except UnicodeEncodeError:  # A lone surrogate is no text.
        return
    escaped = b"".join(b"/" if byte == 0x2F else b"%%%02X" % byte for byte in raw)
    if any(segment in {".", ".."} for segment in segments):
        with pytest.raises(Refused):
            normal(escaped)
        return

    assert normal(escaped) == "/" + "/".join(segments)


@given(st.binary(max_size=40))
def test_path_is_refused_or_normal_for_good(raw: bytes) -> None:
    try:
        path = normal(b"/" + raw)
    except Refused:
        return
    encoded = b"".join(b"/" if char == "/" else b"".join(b"%%%02x" % byte for byte in char.encode()) for char in path)

    assert normal(encoded) == path
    assert not re.search(r"//|/\.{1,2}(/|$)|[\x00-\x20\\]", path)


async def test_long_address_is_414(world: World) -> None:
    assert (await world.send("GET", f"{STATUS}?x={'a' * URI_BYTES}")).code == "request.uri_too_long"


async def test_large_headers_are_431(world: World) -> None:
    reply = await world.send("GET", STATUS, headers=[("x-filler", "a" * HEADER_BYTES)])

    assert (reply.status, reply.code) == (431, "request.headers_too_large")


@pytest.mark.parametrize(
    "hosts", [(), ("a.example", "b.example"), ("a.example", "a.example"), ("a.example, b.example",)]
)
async def test_host_is_sent_once_in_http_1_1(world: World, hosts: tuple[str, ...]) -> None:
    fields = [("host", host) for host in hosts]

    refused = await world.send("GET", STATUS, headers=fields, http_version="1.1")

    assert (refused.status, refused.code) == (400, "request.malformed")
    assert (await world.send("GET", STATUS, headers=fields, http_version="1.0")).status == 200
    assert (await world.send("GET", STATUS, headers=[("host", "a.example:8080")], http_version="1.1")).status == 200


async def test_malformed_path_is_400_whoever_asks(world: World) -> None:
    assert (await world.send("GET", f"{STATUS}%2F..", token=None)).code == "request.path_malformed"


@pytest.mark.parametrize("announced", [True, False])
async def test_large_body_is_413_before_the_framework_sees_it(world: World, *, announced: bool) -> None:
    headers = [("content-length", "1001")] if announced else []

    reply = await world.send("POST", CUSTOMERS, headers=headers, body=b"a" * 1001, parts=3)

    assert (reply.status, reply.code) == (413, "request.too_large")
    assert world.framework.seen == []


async def test_body_of_a_stranger_is_not_read(world: World) -> None:
    reply = await world.send("POST", CUSTOMERS, token=None, headers=[("content-length", "99999999")], body=b"a" * 5000)

    assert reply.status == 401


async def test_body_in_parts_arrives_whole(world: World) -> None:
    await world.send("POST", CUSTOMERS, body=b"0123456789", parts=4)

    assert world.framework.seen[0].body == b"0123456789"


async def test_caller_who_hangs_up_within_the_body_gets_nothing(world: World) -> None:
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {world.token()}".encode())]
    scope = {"type": "http", "method": "POST", "raw_path": CUSTOMERS.encode(), "query_string": b"", "headers": headers}
    await world.edge(scope, receive, send)  # type: ignore[arg-type]

    assert sent == []
    assert world.framework.seen == []


@pytest.mark.parametrize(
    ("http_version", "fields", "expected"),
    [
        ("1.1", {}, True),
        ("1.0", {}, True),
        ("1.1", {b"content-length": b"0"}, False),
        ("1.1", {b"transfer-encoding": b"chunked"}, False),
        ("2", {}, False),
        ("", {}, False),
    ],
)
def test_fields_say_only_before_http_2_that_no_body_follows(
    http_version: str, fields: dict[bytes, bytes], *, expected: bool
) -> None:
    assert has_no_body(http_version, fields) is expected


async def test_path_that_the_framework_gets_is_the_normal_one(world: World) -> None:
    await world.send("GET", STATUS.replace("prj_1", "%70rj_1"))

    assert world.framework.seen[0].path == STATUS


async def test_literal_segment_beats_a_parameter(world: World) -> None:
    await world.send("GET", "/process/status/v1/project-statuses/newest")
    await world.send("GET", "/process/status/v1/project-statuses/oldest")

    assert list(world.kit.auditor.reads) == ["process/status/v1:get_newest", "process/status/v1:get_project_status"]


async def test_framework_is_told_who_calls_and_what_for(world: World) -> None:
    await world.send("GET", STATUS, headers=[("X-Correlation-ID", "opp-4711-7")])

    state = world.framework.seen[0].state
    assert state["tiebeam.caller"].client_id == "crm"
    assert state["tiebeam.correlation_id"] == "opp-4711-7"
    assert state["tiebeam.decision_id_of"]()


async def test_head_is_a_get_without_its_body(world: World) -> None:
    reply = await world.send("HEAD", STATUS)

    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["content-length"]) > 0
    assert world.framework.seen[0].method == "GET"


async def test_options_names_the_methods(world: World) -> None:
    reply = await world.send("OPTIONS", STATUS)

    assert (reply.status, reply.headers["allow"], reply.body) == (204, "GET, HEAD, OPTIONS", b"")
    assert world.framework.seen == []


async def test_other_method_is_405_and_names_the_right_ones(world: World) -> None:
    reply = await world.send("PUT", ONBOARDINGS)

    assert (reply.status, reply.code) == (405, "request.method_not_allowed")
    assert reply.headers["allow"] == allowed({"POST"}) == "OPTIONS, POST"


async def test_path_without_operation_is_404(world: World) -> None:
    assert (await world.send("GET", "/process/status/v1/nothing/at/all")).code == "resource.not_found"


@pytest.mark.parametrize(
    "path", [STATUS, CUSTOMERS, "/system/other/erp/v1/customers", "/platform/x", "/process", "/system"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
async def test_strangers_cannot_tell_what_exists(world: World, path: str, method: str) -> None:
    reply = await world.send(method, path, token=None)

    assert (reply.status, reply.code) == (401, "auth.token_missing")
    assert "allow" not in reply.headers


@pytest.mark.parametrize(
    "path", ["/docs", "/health/live", "/problems/internal", "/systems", "/.well-known/api-catalog"]
)
async def test_pages_are_open_to_everybody(world: World, path: str) -> None:
    reply = await world.send("GET", path, token=None)

    assert (reply.status, is_governed(path)) == (200, False)
    assert world.framework.seen[0].caller is None


async def test_public_operation_takes_no_token(world: World) -> None:
    assert (await world.send("GET", "/process/status/v1/about", token=None)).status == 200


async def test_correlation_id_comes_back_on_every_answer(world: World) -> None:
    given = [("X-Correlation-ID", "opp-4711-7")]
    answered = await world.send("GET", STATUS, headers=given)
    refused = await world.send("GET", STATUS, headers=given, token=None)

    assert answered.headers["x-correlation-id"] == refused.headers["x-correlation-id"] == "opp-4711-7"
    assert refused.json["correlation_id"] == "opp-4711-7"


@pytest.mark.parametrize("field", [None, b"short", b"a" * 129, b"a\r\nset-cookie: x", b"12345678, 12345678"])
def test_correlation_id_that_is_not_safe_to_repeat_is_replaced(field: bytes | None) -> None:
    made = correlation_id_of(field)

    assert re.fullmatch(r"cor_[0-9a-f]{32}", made)
    assert made != correlation_id_of(field)


def test_trace_goes_on_from_its_parent() -> None:
    trace = trace_of([PARENT.encode()])

    assert trace.parent == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{trace.span_id}-01"
    assert trace.span_id != "00f067aa0ba902b7"


def test_trace_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert trace_of([f"cc{PARENT[2:]}-more".encode()]).trace_id == PARENT[3:35]


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [PARENT.encode()] * 2,
        [b"ff" + PARENT[2:].encode()],
        [PARENT.upper().encode()],
        [PARENT.encode() + b"-more"],
        [PARENT.encode() + b"more"],
        [b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01"],
        [PARENT[:36].encode() + b"0" * 16 + b"-01"],
        [b"nonsense"],
    ],
)
def test_trace_parent_that_is_malformed_begins_a_new_trace(fields: list[bytes]) -> None:
    trace = trace_of(fields)

    assert trace.trace_id != PARENT[3:35]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-02", trace.parent)


async def test_trace_is_there_for_whoever_runs_below(world: World) -> None:
    found = []

    async def respond(_seen: object) -> tuple[int, dict[str, str], bytes]:
        found.append(current_trace.get())
        return 200, {}, b""

    world.framework.respond = respond
    await world.send("GET", STATUS, headers=[("traceparent", PARENT)])

    assert [trace.trace_id for trace in found if trace] == [PARENT[3:35]]


async def test_failure_that_nobody_foresaw_is_a_problem(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def respond(_seen: object) -> tuple[int, dict[str, str], bytes]:
        raise ZeroDivisionError("secret")

    world.framework.respond = respond
    reply = await world.send("GET", STATUS)

    assert (reply.status, reply.code) == (500, "internal")
    assert b"secret" not in reply.body
    assert "ZeroDivisionError" in caplog.text


async def test_what_is_no_http_goes_through(world: World) -> None:
    passed = []

    async def app(scope: dict[str, object], _receive: object, _send: object) -> None:
        passed.append(scope["type"])

    world.edge._app = app  # type: ignore[assignment]  # noqa: SLF001
    await world.edge({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    assert passed == ["lifespan"]
    assert isinstance(world.framework, Framework)
