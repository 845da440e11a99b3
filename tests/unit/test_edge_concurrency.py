"""How many calls at once: places are held while a call is under way, and given back on every way out."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from gateway.counters import CountersAway, Question, Told
from gateway.counters.memory import MemoryCounters
from gateway.errors import Unavailable
from gateway.store.denials import Denial, DenialKind
from openapi.common.types import Code
from tests.edge_behind import Behind
from tests.edge_world import CUSTOMER, CUSTOMERS, ONBOARDINGS, POLICIES, STATUS, Reply, Seen, World

PLACES = """
- {kind: concurrency, per: client, most: 3, when_unavailable: WHEN}
- {kind: concurrency, match: {operations: ["system/*"]}, per: connection, most: 5, when_unavailable: WHEN}
"""
NEWEST = "/process/status/v1/project-statuses/newest"
OTHER = "/process/status/v1/project-statuses/other"
Respond = Callable[[Seen], Awaitable[tuple[int, dict[str, str], bytes]]]


class Away(MemoryCounters):
    """Nobody counts."""

    def ask_now(self, question: Question) -> Told:
        raise CountersAway(str(question))


class Later(MemoryCounters):
    """Answers after a turn of the loop, as a place does that has to be asked."""

    def ask_now(self, _question: Question) -> Told | None:  # type: ignore[override]
        return None

    async def ask(self, question: Question) -> Told:
        await asyncio.sleep(0)
        return super().ask_now(question)


def placed(world: World, counters: MemoryCounters | None = None, when: str = "refuse") -> World:
    """Return an edge with places."""
    policies = POLICIES.replace("limit: 100", "limit: 100000") + PLACES.replace("WHEN", when)
    return World(world.folder, world.store, world.clock, policies, counters)


@pytest.fixture
def edge(world: World) -> World:
    return placed(world)


def held(world: World) -> int:
    """Return how many places are held."""
    counters = world.counters
    assert isinstance(counters, MemoryCounters)
    return sum(map(len, counters._held.values()))  # noqa: SLF001


async def begun(world: World, times: int, path: str = NEWEST) -> tuple[Behind, list[asyncio.Task[Reply]]]:
    """Return so many calls that have all come as far as they come."""
    behind = Behind()
    world.framework.respond = behind
    token = world.token()
    tasks = [asyncio.create_task(world.send("GET", f"{path}?n={number}", token=token)) for number in range(times)]
    for _ in range(20):
        await asyncio.sleep(0)
    return behind, tasks


@pytest.mark.parametrize("counters", [MemoryCounters, Later])
async def test_under_a_hundred_parallel_calls_the_number_is_exact(world: World, counters: type[MemoryCounters]) -> None:
    edge = placed(world, counters(world.seconds))
    behind, tasks = await begun(edge, 100)
    behind.open.set()
    replies = await asyncio.gather(*tasks)

    assert Counter(reply.status for reply in replies) == {200: 3, 429: 97}
    assert behind.most == 3
    assert held(edge) == 0


async def test_who_finds_no_place_is_told_at_once_and_when_to_come_back(edge: World) -> None:
    behind, tasks = await begun(edge, 4)

    refused = await tasks[3]

    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "rate.limited", "1")
    assert refused.json["violated-policies"] == ["client"]
    assert '"client";q=3;qu="concurrent-requests"' in refused.headers["ratelimit-policy"]
    assert not any(task.done() for task in tasks[:3])
    behind.open.set()
    await asyncio.gather(*tasks)


async def test_place_is_somebody_elses_once_a_call_has_ended(edge: World) -> None:
    for _ in range(20):
        behind, tasks = await begun(edge, 3)
        behind.open.set()
        assert {reply.status for reply in await asyncio.gather(*tasks)} == {200}


async def test_refusal_for_want_of_a_place_takes_nothing_of_any_limit(edge: World) -> None:
    behind, tasks = await begun(edge, 20)
    behind.open.set()
    await asyncio.gather(*tasks)

    reply = await edge.send("GET", STATUS)

    assert reply.headers["ratelimit"].startswith('"client";r=99996;')


async def test_refusal_by_a_limit_holds_no_place(world: World) -> None:
    policies = POLICIES.replace("limit: 100,", "limit: 1,") + PLACES.replace("WHEN", "refuse")
    edge = World(world.folder, world.store, world.clock, policies)

    statuses = [(await edge.send("GET", NEWEST)).status for _ in range(5)]

    assert statuses == [200, 429, 429, 429, 429]
    assert held(edge) == 0


async def test_clients_have_their_own_places_and_share_the_connections(edge: World) -> None:
    behind = Behind()
    edge.framework.respond = behind
    tokens = [edge.token(f"c{number % 3}") for number in range(9)]
    tasks = [
        asyncio.create_task(edge.send("GET", CUSTOMER + str(number), token=token))
        for number, token in enumerate(tokens)
    ]
    for _ in range(20):
        await asyncio.sleep(0)

    assert behind.under_way == 5
    behind.open.set()
    replies = await asyncio.gather(*tasks)
    assert Counter(reply.status for reply in replies) == {200: 5, 429: 4}
    assert {tuple(reply.json["violated-policies"]) for reply in replies if reply.status == 429} == {("connection",)}
    assert held(edge) == 0


async def answered(seen: Seen) -> tuple[int, dict[str, str], bytes]:
    return 200, {"content-type": "application/json"}, str(seen.path).encode()


async def failed(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
    return 502, {}, b"Bad Gateway"


async def raised(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
    raise ZeroDivisionError


async def away(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
    raise Unavailable(Code.upstream_unavailable, "away")


@pytest.mark.parametrize("respond", [answered, failed, raised, away])
@pytest.mark.parametrize(("method", "path"), [("GET", STATUS), ("POST", CUSTOMERS), ("GET", CUSTOMER)])
async def test_place_is_given_back_whatever_comes_of_the_call(
    edge: World, respond: Respond, method: str, path: str
) -> None:
    edge.framework.respond = respond

    await edge.send(method, path)

    assert len(edge.framework.seen) == 1
    assert held(edge) == 0


@pytest.mark.parametrize(
    ("method", "path", "fields", "body"),
    [
        ("GET", "/process/nothing/at/all", [], b""),
        ("PUT", STATUS, [], b""),
        ("OPTIONS", STATUS, [], b""),
        ("POST", CUSTOMERS, [], b"a" * 1001),
        ("POST", CUSTOMERS, [("content-length", "1001")], b""),
        ("POST", ONBOARDINGS, [], b"{}"),
        ("POST", ONBOARDINGS, [("idempotency-key", '"'), ("idempotency-key", '"')], b"{}"),
    ],
)
async def test_place_is_given_back_by_a_call_that_goes_nowhere(
    edge: World, method: str, path: str, fields: list[tuple[str, str]], body: bytes
) -> None:
    await edge.send(method, path, headers=fields, body=body)

    assert edge.framework.seen == []
    assert held(edge) == 0


async def test_place_is_given_back_after_a_cache_hit_and_a_304(edge: World) -> None:
    first = await edge.send("GET", STATUS)
    hits = [await edge.send("GET", STATUS) for _ in range(9)]
    unchanged = [await edge.send("GET", STATUS, headers=[("if-none-match", first.headers["etag"])]) for _ in range(9)]

    assert len(edge.framework.seen) == 1
    assert {reply.status for reply in hits} == {200}
    assert {reply.status for reply in unchanged} == {304}
    assert held(edge) == 0


async def test_place_is_given_back_by_a_caller_without_rights(edge: World) -> None:
    statuses = {(await edge.send("GET", STATUS, token=edge.token(scopes=()))).status for _ in range(9)}

    assert statuses == {403}
    assert held(edge) == 0


async def test_place_is_given_back_by_a_caller_who_hangs_up_within_the_body(edge: World) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        raise AssertionError

    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": CUSTOMERS.encode(),
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {edge.token()}".encode())],
    }
    await edge.edge(scope, receive, send)

    assert held(edge) == 0


async def test_place_is_given_back_by_a_call_that_is_cancelled(edge: World) -> None:
    _behind, tasks = await begun(edge, 3, CUSTOMER)
    assert held(edge) == 6
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert held(edge) == 0


async def test_place_is_given_back_by_a_token_that_was_just_denied(edge: World) -> None:
    token = edge.token()
    await edge.send("GET", STATUS, token=token)
    edge.denied.append(denial_of("crm", edge))
    await edge.counters.move(["denials"])

    reply = await edge.send("GET", STATUS, token=token)

    assert reply.status == 401
    assert held(edge) == 0


async def test_place_is_given_back_where_denials_cannot_be_read(edge: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreadable(_generation: int) -> None:
        raise Unavailable(Code.auth_unavailable, "away")

    monkeypatch.setattr(edge.verifier, "reload_denials", unreadable)
    await edge.counters.move(["denials"])

    replies = [await edge.send("GET", STATUS) for _ in range(5)]

    assert {reply.status for reply in replies} == {503}
    assert held(edge) == 0


async def test_place_of_a_process_that_died_is_free_after_its_lease(edge: World) -> None:
    behind, tasks = await begun(edge, 3)  # They never give back within this test.
    edge.clock.forward(60)

    late, more = await begun(edge, 3, OTHER)  # The same reads would wait for those that are under way.
    late.open.set()
    assert {reply.status for reply in await asyncio.gather(*more)} == {200}
    behind.open.set()
    await asyncio.gather(*tasks)
    assert held(edge) == 0


@pytest.mark.parametrize(
    ("when", "statuses"), [("allow", {200: 9}), ("refuse", {503: 9}), ("count_alone", {200: 3, 429: 6})]
)
async def test_row_says_what_happens_while_nobody_counts(world: World, when: str, statuses: dict[int, int]) -> None:
    edge = placed(world, Away(world.seconds), when)
    behind, tasks = await begun(edge, 9)
    behind.open.set()

    replies = await asyncio.gather(*tasks)

    assert Counter(reply.status for reply in replies) == statuses
    assert sum(map(len, edge.kit.alone._held.values())) == 0  # noqa: SLF001


def denial_of(client: str, world: World) -> Denial:
    """Return the denial of a client."""
    return Denial(
        id="dny_1", kind=DenialKind.client, name=client, reason="stolen", denied_by="ops", denied_at=world.clock()
    )
