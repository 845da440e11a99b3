"""What is repeated after its time: while a newer answer is fetched, or because none can be had; and how it says so."""

import asyncio
import logging

import pytest

from gateway.edge import Edge
from gateway.policy.caching import flights
from tests.edge_world import CUSTOMER, CUSTOMERS, POLICIES, STATUS, Seen, World

WINDOWS = "stale_while_revalidate_s: 10, stale_if_error_s: 60"
Answered = tuple[int, dict[str, str], bytes]


@pytest.fixture
def patient(world: World) -> World:
    """Return an edge whose rows let older answers stand in."""
    policies = POLICIES.replace("fresh_s: 10", f"fresh_s: 10, {WINDOWS}")
    return World(world.folder, world.store, world.clock, policies)


async def unavailable(_seen: Seen) -> Answered:
    return 503, {"content-type": "application/problem+json"}, b'{"status": 503, "code": "upstream.unavailable"}'


def status_of(project: str) -> bytes:
    return b'{"id":"%s","stale":false,"systems":[{"stale":false}]}' % project.encode()


async def statuses(seen: Seen) -> Answered:
    return 200, {"content-type": "application/json"}, status_of(seen.path.rpartition("/")[2])


async def test_older_answer_is_given_at_once_and_a_newer_one_is_fetched_once(patient: World) -> None:
    await patient.send("GET", CUSTOMER)
    patient.clock.forward(12)
    replies = [await patient.send("GET", CUSTOMER) for _ in range(3)]
    await patient.kit.responses.flights.settled()
    after = await patient.send("GET", CUSTOMER)

    assert {reply.headers["cache-status"] for reply in replies} == {'"tiebeam"; hit; ttl=-2'}
    assert len(patient.framework.seen) == 2
    assert (after.json, after.headers["cache-status"]) == ({"number": 2}, '"tiebeam"; hit; ttl=10')


async def test_what_is_fetched_for_later_says_nothing_of_its_callers_own_copy(patient: World) -> None:
    first = await patient.send("GET", CUSTOMER)
    patient.clock.forward(12)
    asked = [("If-None-Match", first.headers["etag"]), ("Cache-Control", "max-stale=1"), ("X-A", "1")]
    reply = await patient.send("HEAD", CUSTOMER, headers=asked[::2])
    await patient.kit.responses.flights.settled()

    assert reply.status == 304
    assert patient.framework.seen[1].method == "GET"
    assert (await patient.send("GET", CUSTOMER)).json == {"number": 2}


async def test_fetching_for_later_fails_alone_and_is_written_down(
    patient: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def raising(_seen: Seen) -> Answered:
        raise ConnectionResetError

    await patient.send("GET", CUSTOMER)
    patient.clock.forward(12)
    for respond in (unavailable, raising):
        patient.framework.respond = respond
        reply = await patient.send("GET", CUSTOMER)
        await patient.kit.responses.flights.settled()
        assert (reply.status, reply.json) == (200, {"number": 1})

    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]
    assert "could not be renewed" in caplog.text


async def test_too_many_are_not_fetched_for_later_at_once(patient: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "MOST_REFRESHED", 1)
    await patient.send("GET", CUSTOMER)
    await patient.send("GET", CUSTOMER + "8")
    patient.clock.forward(12)
    goes_on = asyncio.Event()

    async def slow(seen: Seen) -> Answered:
        await goes_on.wait()
        return await patient.framework.count(seen)

    patient.framework.respond = slow
    replies = [await patient.send("GET", target) for target in (CUSTOMER, CUSTOMER + "8")]
    await asyncio.sleep(0)
    goes_on.set()
    await patient.kit.responses.flights.settled()

    assert [reply.headers["age"] for reply in replies] == ["12", "12"]
    assert len(patient.framework.seen) == 3


async def test_full_house_gives_the_older_answer(patient: World) -> None:
    await patient.send("GET", CUSTOMER)
    patient.clock.forward(30)
    patient.edge = Edge(patient.framework, patient.policies, patient.kit, most_under_way=0)
    reply = await patient.send("GET", CUSTOMER)

    assert (reply.status, reply.json) == (200, {"number": 1})
    assert reply.headers["cache-status"] == '"tiebeam"; fwd=stale; fwd-status=503; ttl=-20; detail=stale-if-error'
    assert (await patient.send("GET", CUSTOMER + "8")).code == "gateway.overloaded"


async def test_who_waited_for_one_that_failed_gets_the_older_answer_too(patient: World) -> None:
    await patient.send("GET", CUSTOMER)
    patient.clock.forward(30)
    goes_on = asyncio.Event()

    async def respond(seen: Seen) -> Answered:
        await goes_on.wait()
        return await unavailable(seen)

    patient.framework.respond = respond
    reads = [asyncio.create_task(patient.send("GET", CUSTOMER)) for _ in range(3)]
    for _ in range(100):
        await asyncio.sleep(0)
    goes_on.set()
    replies = await asyncio.gather(*reads)

    assert [reply.status for reply in replies] == [200, 200, 200]
    assert len(patient.framework.seen) == 2


async def test_older_answer_that_a_write_made_useless_is_given_to_nobody(patient: World) -> None:
    await patient.send("GET", CUSTOMER)
    await patient.send("POST", CUSTOMERS)
    patient.framework.respond = unavailable

    assert (await patient.send("GET", CUSTOMER)).status == 503


async def test_write_of_which_nothing_came_ends_nothing(patient: World) -> None:
    await patient.send("GET", CUSTOMER)
    patient.framework.respond = unavailable
    await patient.send("POST", CUSTOMERS)
    patient.clock.forward(30)

    assert (await patient.send("GET", CUSTOMER)).json == {"number": 1}


async def test_what_is_gone_is_not_repeated(patient: World) -> None:
    async def gone(_seen: Seen) -> Answered:
        return 404, {"content-type": "application/problem+json"}, b'{"status": 404, "code": "resource.not_found"}'

    await patient.send("GET", CUSTOMER)
    patient.clock.forward(30)
    patient.framework.respond = gone
    await patient.send("GET", CUSTOMER)
    patient.framework.respond = unavailable

    assert (await patient.send("GET", CUSTOMER)).status == 503


async def test_body_says_itself_that_it_is_stale(patient: World) -> None:
    patient.framework.respond = statuses
    first = await patient.send("GET", STATUS)
    patient.clock.forward(30)
    patient.framework.respond = unavailable
    stale = await patient.send("GET", STATUS)
    same = await patient.send("GET", STATUS, headers=[("If-None-Match", stale.headers["etag"])])
    other = await patient.send("GET", STATUS, headers=[("If-None-Match", first.headers["etag"])])

    assert (first.json["stale"], stale.json["stale"], stale.json["systems"]) == (False, True, [{"stale": False}])
    assert list(stale.json) == list(first.json)
    assert stale.headers["content-length"] == str(len(stale.body))
    assert stale.headers["etag"] != first.headers["etag"]
    assert (same.status, other.status) == (304, 200)
    assert same.headers["etag"] == stale.headers["etag"]


async def test_body_without_a_field_for_it_stays_as_it_is(patient: World) -> None:
    patient.framework.respond = statuses
    first = await patient.send("GET", CUSTOMER)
    patient.clock.forward(30)
    patient.framework.respond = unavailable
    stale = await patient.send("GET", CUSTOMER)

    assert (stale.body, stale.headers["etag"]) == (first.body, first.headers["etag"])
    assert stale.headers["age"] == "30"


async def test_full_house_renews_nothing_and_the_older_answer_is_given(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    policies = POLICIES.replace("fresh_s: 10", "fresh_s: 10, stale_while_revalidate_s: 10")
    here = World(world.folder, world.store, world.clock, policies)
    await here.send("GET", CUSTOMER)
    here.clock.forward(12)
    here.edge = Edge(here.framework, here.policies, here.kit, most_under_way=0)
    reply = await here.send("GET", CUSTOMER)
    await here.kit.responses.flights.settled()

    assert (reply.status, len(here.framework.seen)) == (200, 1)
    assert "could not be renewed: gateway.overloaded" in caplog.text
