"""More calls than can be worked on: who comes beyond is sent away at once, and nothing else suffers."""

import asyncio
from collections import Counter
from collections.abc import MutableMapping
from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.edge.pressure import Pressure
from gateway.errors import Unavailable
from gateway.store import idempotency_records
from tests.edge_behind import Behind
from tests.edge_world import CUSTOMERS, ONBOARDINGS, POLICIES, STATUS, Reply, World

MOST = 4
NUMBERS = count()
NEWEST = "/process/status/v1/project-statuses/newest"


@pytest.fixture
def edge(world: World) -> World:
    policies = POLICIES.replace("limit: 100", "limit: 100000")
    return World(world.folder, world.store, world.clock, policies, most_under_way=MOST)


async def saturated(edge: World, times: int = MOST) -> tuple[Behind, list[asyncio.Task[Reply]]]:
    """Return what holds all places until it is opened, and the calls in them."""
    behind = Behind()
    edge.framework.respond = behind
    token = edge.token()
    paths = [f"{NEWEST}?n={next(NUMBERS)}" for _ in range(times)]  # No two are one answer of the cache.
    tasks = [asyncio.create_task(edge.send("GET", path, token=token)) for path in paths]
    async with asyncio.timeout(60):
        while behind.under_way + sum(task.done() for task in tasks) < times:
            await asyncio.wait(tasks, timeout=0.01)
    assert behind.under_way == min(times, MOST)
    return behind, tasks


async def ended(behind: Behind, tasks: list[asyncio.Task[Reply]]) -> list[Reply]:
    """Return the answers, once everything was let go."""
    behind.open.set()
    return await asyncio.gather(*tasks)


async def test_number_under_way_is_exact_among_a_hundred(edge: World) -> None:
    behind, tasks = await saturated(edge, 100)
    assert sum(task.done() for task in tasks) == 100 - MOST

    replies = await ended(behind, tasks)

    assert Counter((reply.status, reply.code) for reply in replies) == {
        (200, None): MOST,
        (503, "gateway.overloaded"): 100 - MOST,
    }
    assert behind.most == MOST


async def test_who_comes_beyond_is_told_when_to_come_again(edge: World) -> None:
    behind, tasks = await saturated(edge)

    reply = await edge.send("GET", STATUS)

    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "gateway.overloaded", "1")
    assert (reply.json["retryable"], reply.json["outcome"]) == (True, "none")
    assert reply.headers["cache-control"] == "no-store"
    await ended(behind, tasks)


@pytest.mark.parametrize(
    ("path", "fields"), [(CUSTOMERS, []), (ONBOARDINGS, [("idempotency-key", '"0123456789abcdef"')])]
)
async def test_who_comes_beyond_is_told_before_the_body_is_read(
    edge: World, path: str, fields: list[tuple[str, str]]
) -> None:
    behind, tasks = await saturated(edge)
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("The body was asked for.")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [("authorization", f"Bearer {edge.token()}"), *fields]
    scope = {
        "type": "http",
        "method": "POST",
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    await edge.edge(scope, receive, send)

    assert Reply(sent).code == "gateway.overloaded"
    await ended(behind, tasks)


async def test_key_of_a_call_that_was_sent_away_is_free(edge: World) -> None:
    behind, tasks = await saturated(edge)
    key = [("idempotency-key", '"0123456789abcdef"')]
    refused = await edge.send("POST", ONBOARDINGS, headers=key, body=b"{}")
    async with edge.store.begin() as connection:
        records = await connection.scalar(select(func.count()).select_from(idempotency_records.TABLE))
    await ended(behind, tasks)

    again = await edge.send("POST", ONBOARDINGS, headers=key, body=b"{}")

    assert (refused.status, records) == (503, 0)
    assert again.status == 200
    assert "idempotency-replayed" not in again.headers


async def test_kept_answers_still_come(edge: World) -> None:
    kept = await edge.send("GET", STATUS)
    behind, tasks = await saturated(edge)

    hit = await edge.send("GET", STATUS)
    unchanged = await edge.send("GET", STATUS, headers=[("if-none-match", kept.headers["etag"])])

    assert (hit.status, hit.body) == (200, kept.body)
    assert unchanged.status == 304
    await ended(behind, tasks)


@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("GET", "/health/live", None, 200),
        ("GET", "/problems/gateway.overloaded", None, 200),
        ("GET", STATUS, "forged", 401),
        ("OPTIONS", STATUS, "own", 204),
        ("GET", "/process/nothing/at/all", "own", 404),
        ("GET", f"{STATUS}//", "own", 400),
    ],
)
async def test_what_needs_no_place_is_answered(
    edge: World, method: str, path: str, token: str | None, status: int
) -> None:
    behind, tasks = await saturated(edge)
    own = {"own": edge.token(), "forged": "a.b.c", None: None}
    if path.startswith(("/health", "/problems")):
        behind.open.set()  # The page comes from the framework, which has all its places taken until now.

    reply = await edge.send(method, path, token=own[token])

    assert reply.status == status
    await ended(behind, tasks)


async def test_page_is_asked_for_while_all_places_are_taken(edge: World) -> None:
    behind, tasks = await saturated(edge)

    live = asyncio.create_task(edge.send("GET", "/health/live", token=None))
    for _ in range(5):
        await asyncio.sleep(0)

    assert behind.under_way == MOST + 1
    behind.open.set()
    assert (await live).status == 200
    await asyncio.gather(*tasks)


async def test_places_are_there_again_once_calls_have_ended(edge: World) -> None:
    for _ in range(20):
        behind, tasks = await saturated(edge, 2 * MOST)
        await ended(behind, tasks)

    assert (await edge.send("GET", NEWEST)).status == 200


async def test_place_of_a_call_that_is_cancelled_is_free(edge: World) -> None:
    _behind, tasks = await saturated(edge)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    behind, tasks = await saturated(edge)
    assert {reply.status for reply in await ended(behind, tasks)} == {200}


async def test_place_of_a_call_that_failed_is_free(edge: World) -> None:
    async def respond(_seen: object) -> tuple[int, dict[str, str], bytes]:
        raise ZeroDivisionError

    edge.framework.respond = respond
    statuses = [(await edge.send("GET", STATUS)).status for _ in range(3 * MOST)]

    assert statuses == [500] * 3 * MOST


def test_pressure_counts_what_is_under_way() -> None:
    pressure = Pressure(1)
    with pressure:
        assert pressure.under_way == 1
        with pytest.raises(Unavailable), pressure:
            pytest.fail("There was no place.")
        with pytest.raises(Unavailable):
            pressure.check()

    pressure.check()
    assert pressure.under_way == 0


def slow(edge: World, method: str, path: str) -> tuple[asyncio.Task[None], list[MutableMapping[str, Any]]]:
    """Return a call whose body does not come, and where its answer goes."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {edge.token()}".encode())]
    scope = {"type": "http", "method": method, "raw_path": path.encode(), "headers": headers}
    scope["query_string"] = f"n={next(NUMBERS)}".encode()  # No two are one answer of the cache.
    return asyncio.create_task(edge.edge(scope, receive, send)), sent


@pytest.mark.parametrize(("method", "path"), [("GET", NEWEST), ("POST", CUSTOMERS)])
async def test_bodies_that_do_not_come_take_no_places(edge: World, method: str, path: str) -> None:
    calls = [slow(edge, method, path)[0] for _ in range(2 * MOST)]
    for _ in range(10):
        await asyncio.sleep(0)

    assert (await edge.send("POST", CUSTOMERS)).status == 202

    assert not any(call.done() for call in calls)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)


async def test_body_that_does_not_come_is_408_after_a_while(edge: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.edge.limits.WITHIN_S", 0.0)
    call, sent = slow(edge, "POST", CUSTOMERS)
    await call

    assert Reply(sent).code == "request.timeout"
    assert edge.framework.seen == []
