"""What holds whatever is sent: a path has one form everywhere, every field can be parsed, no two views are alike."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Final, cast

import http_sf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from msgspec.json import encode
from sqlalchemy import select

from gateway.caller import Caller
from gateway.counters.memory import MemoryCounters
from gateway.edge.admission import Counting
from gateway.edge.paths import normal
from gateway.errors import Refused
from gateway.policy.call import Answer
from gateway.policy.document import policies_of
from gateway.policy.kinds.counted import Counted
from gateway.policy.kinds.rate_limit import RateLimit
from gateway.policy.operation import Operation
from gateway.policy.plan import Plan
from gateway.store.audit import TABLE
from tests.edge_behind import Behind
from tests.edge_world import CUSTOMER, CUSTOMERS, EVERYBODY, ONBOARDINGS, POLICIES, STATUS, Reply, World

OPERATION = Operation(name="system/erp/v1:get_customer", method="GET", path="/system/books/x", connection="books")
CALLER = Caller(client_id="crm", subject="crm", scopes=frozenset(), legal_entities="*", customers="*", projects="*")
HARDLY_LIMITED = POLICIES.replace("limit: 100", "limit: 100000")
TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+\Z")
VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")
CHALLENGE: Final = re.compile(r'Bearer [a-z_]+="[ !#-\[\]-~]*"(?:, [a-z_]+="[ !#-\[\]-~]*")*\Z')
LISTS: Final = ("ratelimit", "ratelimit-policy", "cache-status")
"""Structured fields that the edge writes; each is a list (RFC 9651 §3.1)."""

FIXTURE = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

names = st.from_regex(r"[a-z][a-z0-9_-]{0,39}", fullmatch=True)
rate_limits = st.fixed_dictionaries(
    {
        "kind": st.just("rate_limit"),
        "per": st.sampled_from(["client", "tier", "connection"]),
        "limit": st.integers(1, 1_000_000),
        "window_s": st.integers(1, 86_400),
        "when_unavailable": st.just("allow"),
    },
    optional={
        "name": names,
        "burst": st.integers(1, 1_000_000),
        "costs": st.fixed_dictionaries({"read": st.integers(1, 1000)}),
    },
)
concurrencies = st.fixed_dictionaries(
    {
        "kind": st.just("concurrency"),
        "per": st.sampled_from(["client", "tier", "connection"]),
        "most": st.integers(1, 10_000),
        "when_unavailable": st.just("allow"),
    },
    optional={"name": names},
)
characters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\ \x7f")
segments = st.text(characters, min_size=1, max_size=12).filter(lambda text: text not in {".", ".."})


@st.composite
def spellings(draw: st.DrawFn, text: str) -> bytes:
    """Return one of the ways in which a segment may be written: each byte as it is, or escaped in either case."""
    written = b""
    for byte in text.encode():
        plain = re.match(rb"[A-Za-z0-9._~!$&'()*+,;=:@-]", bytes((byte,)))
        form = draw(st.sampled_from(["plain", "upper", "lower"] if plain else ["upper", "lower"]))
        written += {"plain": bytes((byte,)), "upper": b"%%%02X" % byte, "lower": b"%%%02x" % byte}[form]
    return written


@given(st.lists(rate_limits | concurrencies, min_size=1, max_size=4), st.integers(1, 4))
def test_fields_of_quotas_are_lists_of_one_item_for_each_limit(rows: list[dict[str, Any]], calls: int) -> None:
    counted = [row.policy for row in policies_of("x.yaml", rows) if isinstance(row.policy, Counted)]
    counting = Counting(counted, CALLER, "standard", Plan(operation=OPERATION, rows=()), ())
    counters = MemoryCounters(lambda: 1000.0)
    limits = [row for row in counted if row.kind == "rate_limit"]
    for _ in range(calls):
        answer = counting.told(Answer(200, (), b""), counters.ask_now(counting.question))

    policy = parsed(answer, "ratelimit-policy")
    left = parsed(answer, "ratelimit") if limits else []

    assert sorted(name for name, _ in policy) == sorted(row.label for row in counted)
    assert [name for name, _ in left] == [row.label for row in limits]
    for (_, parameters), row in zip(left, limits, strict=True):
        assert parameters.keys() == {"r", "t"}
        assert 0 <= parameters["r"] <= getattr(row, "most", 0)
        assert parameters["t"] >= 0
    for _, parameters in policy:
        assert parameters["q"] >= 1
        assert parameters.get("w", 1) >= 1
        assert parameters.get("qu", "concurrent-requests") == "concurrent-requests"


async def test_every_field_of_every_answer_is_well_formed(world: World) -> None:
    replies = await everything(world)

    assert {200, 202, 204, 304, 400, 401, 403, 404, 405, 413, 429, 503} <= {reply.status for reply in replies}
    for reply in replies:
        fields = [name for name, _ in reply.fields]
        assert len(fields) == len(set(fields)), f"{reply.status}: a field came twice"
        for name, value in reply.fields:
            assert TOKEN.match(name), name
            assert VALUE.match(value), f"{name}: {value!r}"
        for name in LISTS:
            if name in reply.headers:
                assert items(reply.headers[name].encode())
        if "retry-after" in reply.headers:
            assert re.fullmatch(r"[1-9]\d*", reply.headers["retry-after"])
        if "www-authenticate" in reply.headers:
            assert CHALLENGE.match(reply.headers["www-authenticate"])
        assert (reply.status in {429, 503}) <= ("retry-after" in reply.headers)
        assert (reply.status == 401) <= ("www-authenticate" in reply.headers)
        assert (reply.status == 405) <= ("allow" in reply.headers)
        assert "x-correlation-id" in reply.headers


async def test_retry_after_and_the_limit_that_refuses_name_one_moment(world: World) -> None:
    edge = World(world.folder, world.store, world.clock, POLICIES.replace("limit: 100,", "limit: 3, burst: 1,"))
    await edge.send("GET", STATUS)

    refused = await edge.send("GET", STATUS)

    [(name, parameters)] = items(refused.headers["ratelimit"].encode())
    assert (name, parameters["r"]) == ("client", 0)
    assert parameters["t"] == int(refused.headers["retry-after"])
    assert refused.json["violated-policies"] == [name]


@FIXTURE
@given(data=st.data())
async def test_spellings_of_a_path_are_one_path_to_router_policy_cache_and_log(
    world: World, data: st.DataObject
) -> None:
    edge = World(world.folder, world.store, world.clock, HARDLY_LIMITED)
    text = data.draw(segments)
    one, other = (
        f"/system/books/erp/v1/{name}/".encode() + data.draw(spellings(text))
        for name in ("customers", data.draw(st.sampled_from(["customers", "%63ustomers", "custome%72s"])))
    )

    first, again = [await sent(edge, raw) for raw in (one, other)]

    found, same = (edge.edge.governed.way_of("GET", raw) for raw in (one, other))
    assert found
    assert found == same
    assert found[1].operation.name == "system/erp/v1:get_customer"
    assert [seen.path for seen in edge.framework.seen] == [f"/system/books/erp/v1/customers/{text}"]
    assert "hit" in again.headers["cache-status"]
    assert first.body == again.body


@pytest.mark.parametrize("raw", [CUSTOMERS, "/system/books/erp/v1/%63ustomers", "/%73ystem/books/erp/v1/customer%73"])
async def test_log_has_the_one_form_of_a_path(world: World, raw: str) -> None:
    await world.send("POST", raw)
    await world.send("POST", raw, token=None)

    async with world.store.begin() as connection:
        rows = (await connection.execute(select(TABLE.c.path, TABLE.c.operation))).all()
    assert set(rows) == {(CUSTOMERS, "system/erp/v1:create_customer@books")}
    assert len(rows) == 2


@FIXTURE
@given(st.lists(segments, min_size=1, max_size=5), st.data())
def test_path_that_is_read_again_stays_what_it_is(parts: list[str], data: st.DataObject) -> None:
    raw = b"".join(b"/" + data.draw(spellings(part)) for part in parts)

    path = normal(raw)
    encoded = b"".join(b"/" + data.draw(spellings(part)) for part in path[1:].split("/"))

    assert path == "/" + "/".join(parts)
    assert normal(encoded) == path


@FIXTURE
@given(raw=st.binary(max_size=60))
async def test_path_is_refused_or_goes_one_way_for_good(world: World, raw: bytes) -> None:
    target = b"/system/books/erp/v1/customers/" + raw
    try:
        path = normal(target)
    except Refused:
        reply = await sent(world, target)
        assert (reply.status, reply.code) == (400, "request.path_malformed")
        return

    found = world.edge.governed.way_of("GET", target)

    assert found
    assert found[0] == path
    assert "//" not in path
    assert not {".", ".."} & set(path.split("/"))


claims = st.one_of(st.just("*"), st.frozensets(st.text(max_size=4), max_size=3))
views = st.fixed_dictionaries(
    {
        "scopes": st.frozensets(st.text(max_size=4), max_size=2),
        "legal_entities": claims,
        "customers": claims,
        "projects": claims,
    }
)


@given(views, views, st.text(max_size=4), st.text(max_size=4))
def test_visibility_is_equal_for_equal_views_only_whoever_calls(
    one: dict[str, Any], other: dict[str, Any], name: str, another: str
) -> None:
    first = Caller(client_id=name, subject=name, **one)
    second = Caller(client_id=another, subject=name, **other)

    assert (first.visibility == second.visibility) is (one == other)
    assert (first.partition == second.partition) is (one == other and name == another)


@given(st.lists(rate_limits | concurrencies, min_size=2, max_size=2), st.tuples(names, names))
@settings(deadline=None)
def test_buckets_of_two_rows_or_two_clients_are_never_one(rows: list[dict[str, Any]], clients: tuple[str, str]) -> None:
    first, second = (row.policy for row in policies_of("x.yaml", rows))
    assert isinstance(first, Counted)
    assert isinstance(second, Counted)

    named = {(measure_of(row), who): f"{row.bucket}:{who}" for row in (first, second) for who in clients}

    assert len(set(named.values())) == len(named)


def measure_of(row: Counted) -> bytes:
    """Return the row without what it says of other things than how many of which calls."""
    same = structs.replace(row, when_unavailable="allow")
    return encode(structs.replace(same, costs={}) if isinstance(same, RateLimit) else same)


def parsed(answer: Answer, name: str) -> Sequence[tuple[str, dict[str, Any]]]:
    """Return the items of a field, as the field's own people read it."""
    value = answer.header(name.encode())
    assert value is not None
    return items(value)


def items(value: bytes) -> Sequence[tuple[str, dict[str, Any]]]:
    """Return the items of a list; raises ValueError where it is none."""
    return cast("Sequence[tuple[str, dict[str, Any]]]", http_sf.parse(value, tltype="list"))


async def sent(world: World, raw: bytes) -> Reply:
    """Return the answer to a path of any bytes."""
    messages: list[Any] = []

    async def receive() -> Any:  # noqa: ANN401 - a message is anything.
        return {"type": "http.request", "body": b""} if not messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:  # noqa: ANN401
        messages.append(message)

    headers = [(b"authorization", f"Bearer {world.token()}".encode())]
    scope = {"type": "http", "method": "GET", "raw_path": raw, "query_string": b"", "headers": headers}
    await world.edge(scope, receive, send)
    return Reply(messages)


async def everything(world: World) -> list[Reply]:
    """Return an answer of every kind that the edge gives."""
    limits = "- {kind: concurrency, per: client, most: 50, when_unavailable: refuse}\n"
    limits += "- {kind: rate_limit, per: address, limit: 2, window_s: 60, when_unavailable: refuse}\n"
    known = [EVERYBODY | {"client_id": name} for name in ("crm", "shop", "narrow")]
    known[2]["apis"] = ["system/*"]
    limits += (
        "- {kind: rate_limit, per: client, limit: 5, window_s: 60, when_unavailable: allow, match: {clients: [shop]}}\n"
    )
    edge = World(world.folder, world.store, world.clock, POLICIES + limits, consumers=known, most_under_way=1)
    tag = (await edge.send("GET", STATUS)).headers["etag"]
    key = [("idempotency-key", '"0123456789abcdef"')]
    replies = [
        await edge.send("GET", STATUS),
        await edge.send("GET", STATUS, headers=[("if-none-match", tag)]),
        await edge.send("HEAD", STATUS),
        await edge.send("OPTIONS", STATUS),
        await edge.send("PUT", STATUS),
        await edge.send("POST", CUSTOMERS, body=b"{}"),
        await edge.send("POST", ONBOARDINGS, body=b"{}"),
        await edge.send("POST", ONBOARDINGS, body=b"{}", headers=key),
        await edge.send("POST", ONBOARDINGS, body=b"{}", headers=key),
        await edge.send("POST", CUSTOMERS, body=b"a" * 1001),
        await edge.send("GET", "/process/nothing/here"),
        await edge.send("GET", STATUS + "//"),
        await edge.send("GET", CUSTOMER, token=edge.token(scopes=())),
        await edge.send("GET", STATUS, token=edge.token("stranger")),
        await edge.send("GET", STATUS, token=edge.token("narrow")),
        await edge.send("GET", STATUS, headers=[("authorization", "Bearer twice")], client="192.0.2.2"),
        await edge.send("GET", f"{STATUS}?access_token=x", client="192.0.2.3"),
        await edge.send("GET", "/health/live", token=None),
    ]
    strangers = [("a.b.c", "192.0.2.1"), (None, "192.0.2.1"), ("a.b.c", "192.0.2.1")]
    replies += [await edge.send("GET", STATUS, token=token, client=client) for token, client in strangers]
    replies += await refused_for_want(edge)
    return replies


async def refused_for_want(edge: World) -> list[Reply]:
    """Return the answers while somebody holds the last place, and after the quota is used up."""
    edge.framework.respond = behind = Behind()
    holding = asyncio.create_task(edge.send("GET", CUSTOMER + "1"))
    while not behind.under_way and not holding.done():
        await asyncio.wait([holding], timeout=0.01)
    assert behind.under_way == 1
    replies = [await edge.send("GET", CUSTOMER + "2"), await edge.send("POST", CUSTOMERS)]
    behind.open.set()
    replies.append(await holding)
    shop = edge.token("shop")
    return replies + [await edge.send("GET", STATUS, token=shop) for _ in range(7)]
