"""How often: what is counted for whom, what the caller is told, and what happens while nobody can count."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.counters import CountersAway, Question, Told
from gateway.counters.memory import MemoryCounters
from gateway.store.audit import TABLE
from gateway.telemetry.metrics import REFUSED_AGAIN
from tests.edge_world import CUSTOMER, CUSTOMERS, STATUS, World

LIMITED = """
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: rate_limit, per: client, limit: 2, window_s: 60, when_unavailable: WHEN}
- {kind: rate_limit, match: {operations: ["system/*"]}, per: connection, limit: 3, window_s: 60, when_unavailable: WHEN}
"""


class AwayCounters(MemoryCounters):
    """Nobody counts."""

    def ask_now(self, question: Question) -> Told:
        raise CountersAway(str(question))

    async def move(self, names: Sequence[str]) -> None:
        raise CountersAway(str(names))


@pytest.fixture
def limited(world: World) -> World:
    return World(world.folder, world.store, world.clock, LIMITED.replace("WHEN", "refuse"))


async def test_quota_that_is_used_up_is_429_with_the_time_to_come_back(limited: World) -> None:
    statuses = [(await limited.send("GET", STATUS)).status for _ in range(2)]
    refused = await limited.send("GET", STATUS)

    assert statuses == [200, 200]
    assert (refused.status, refused.code) == (429, "rate.limited")
    assert refused.json["type"] == "https://iana.org/assignments/http-problem-types#quota-exceeded"
    assert refused.headers["retry-after"] == "30"
    assert refused.headers["ratelimit"] == '"client";r=0;t=30'
    assert refused.headers["ratelimit-policy"] == '"client";q=2;w=60'
    assert len(limited.framework.seen) == 2


async def test_quota_comes_back_and_a_refused_call_did_not_cost(limited: World) -> None:
    for _ in range(9):
        await limited.send("GET", STATUS)
    limited.clock.forward(30)

    assert (await limited.send("GET", STATUS)).status == 200
    assert (await limited.send("GET", STATUS)).status == 429


async def test_what_is_left_is_told_for_each_limit(limited: World) -> None:
    reply = await limited.send("GET", CUSTOMER)

    assert reply.headers["ratelimit"] == '"client";r=1;t=30, "connection";r=2;t=20'
    assert reply.headers["ratelimit-policy"] == '"client";q=2;w=60, "connection";q=3;w=60'


async def test_what_a_client_is_refused_by_its_quota_stands_in_the_audit_once_until_it_may_come_again(
    world: World,
) -> None:
    audited = World(world.folder, world.store, world.clock, "- {kind: audit}" + LIMITED.replace("WHEN", "refuse"))
    replies = [await audited.send("GET", STATUS) for _ in range(7)]
    audited.clock.forward(30)
    later = [await audited.send("GET", STATUS) for _ in range(4)]

    refused = [reply for reply in replies + later if reply.status == 429]
    async with world.store.begin() as connection:
        ids = (await connection.execute(select(TABLE.c.id).order_by(TABLE.c.sequence))).scalars().all()
    named = [reply.json["instance"].removeprefix("urn:tiebeam:decision:") for reply in refused]
    assert named == [ids[0]] * 5 + [ids[1]] * 3
    assert len(ids) == 2
    assert audited.kit.metrics.total(REFUSED_AGAIN) == 6


async def test_clients_have_a_quota_each(limited: World) -> None:
    for _ in range(3):
        await limited.send("GET", STATUS)

    assert (await limited.send("GET", STATUS, token=limited.token("portal"))).status == 200


async def test_connection_has_one_quota_for_all_clients(limited: World) -> None:
    for number in range(3):
        assert (await limited.send("GET", CUSTOMER, token=limited.token(f"c{number}"))).status == 200
    refused = await limited.send("GET", CUSTOMER, token=limited.token("c4"))
    other = await limited.send("GET", CUSTOMER.replace("books", "ledger"), token=limited.token("c4"))

    assert refused.status == 429
    assert refused.headers["ratelimit"] == '"client";r=2;t=0, "connection";r=0;t=20'
    assert refused.json["violated-policies"] == ["connection"]
    assert other.status == 200


async def test_refused_caller_is_charged_by_neither_the_framework_nor_strangers(limited: World) -> None:
    for _ in range(5):
        await limited.send("GET", STATUS, token=None)

    assert (await limited.send("GET", STATUS)).status == 200


@pytest.mark.parametrize(("when", "status"), [("allow", 200), ("refuse", 503)])
async def test_row_says_what_happens_while_nobody_can_count(world: World, when: str, status: int) -> None:
    blind = World(world.folder, world.store, world.clock, LIMITED.replace("WHEN", when), AwayCounters())

    reply = await blind.send("GET", STATUS)

    assert reply.status == status
    assert ("retry-after" in reply.headers) is (status == 503)
    assert reply.code == (None if status == 200 else "limits.unavailable")


async def test_cache_is_passed_by_while_nobody_can_tell_what_changed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    blind = World(world.folder, world.store, world.clock, counters=AwayCounters())

    replies = [await blind.send("GET", STATUS) for _ in range(2)]
    written = await blind.send("POST", CUSTOMERS)

    assert [reply.headers["cache-status"] for reply in replies] == ['"tiebeam"; fwd=bypass'] * 2
    assert written.status == 202
    assert "other processes hear later that system/erp/v1@books" in caplog.text


async def test_equal_limits_of_different_rows_are_different_quotas(world: World, tmp_path: Path) -> None:
    own = LIMITED + (
        '- {kind: rate_limit, match: {operations: ["*:get_newest"]}, per: client, limit: 2, window_s: 60, '
        "when_unavailable: refuse}"
    )
    separate = World(tmp_path, world.store, world.clock, own.replace("WHEN", "refuse"))
    for _ in range(3):
        await separate.send("GET", STATUS)

    assert (await separate.send("GET", "/process/status/v1/project-statuses/newest")).status == 200


async def test_row_that_is_changed_in_other_things_than_its_measure_gives_no_quota_anew(
    limited: World, tmp_path: Path
) -> None:
    for _ in range(2):
        await limited.send("GET", STATUS)
    costly = LIMITED.replace("limit: 2,", "limit: 2, costs: {write: 2},").replace("WHEN", "allow")
    changed = World(tmp_path, limited.store, limited.clock, costly, limited.counters)

    assert (await changed.send("GET", STATUS)).status == 429


async def test_no_more_is_left_than_the_quota_where_a_burst_is_larger_than_the_limit(world: World) -> None:
    bursting = LIMITED.replace("limit: 2,", "limit: 2, burst: 5,").replace("WHEN", "allow")
    edge = World(world.folder, world.store, world.clock, bursting)

    reply = await edge.send("GET", STATUS)

    assert reply.headers["ratelimit-policy"] == '"client";q=5;w=150'
    assert reply.headers["ratelimit"] == '"client";r=4;t=30'


COSTLY = """
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: rate_limit, per: client, limit: 100, window_s: 100, when_unavailable: allow, costs: COSTS}
"""


@pytest.mark.parametrize(
    ("costs", "method", "path", "left"),
    [
        ("{}", "GET", STATUS, 99),
        ("{read: 3}", "GET", STATUS, 97),
        ("{read: 3}", "POST", CUSTOMERS, 99),
        ("{write: 5}", "POST", CUSTOMERS, 95),
        ('{"process/*": 7}', "GET", STATUS, 93),
        ('{"process/status/v1:get_project_status": 9}', "GET", STATUS, 91),
        ('{read: 3, "process/*": 7, "process/status/v1:get_project_status": 2}', "GET", STATUS, 93),
        ("{read: 1000}", "GET", STATUS, 0),
    ],
)
async def test_call_costs_what_its_most_costly_name_says(
    world: World, costs: str, method: str, path: str, left: int
) -> None:
    edge = World(world.folder, world.store, world.clock, COSTLY.replace("COSTS", costs))

    reply = await edge.send(method, path)

    assert reply.headers["ratelimit"].startswith(f'"client";r={left};')


NAMED = """
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: rate_limit, per: client, name: minute, limit: 3, window_s: 60, when_unavailable: allow}
- {kind: rate_limit, per: client, name: day, limit: 4, window_s: 86400, when_unavailable: allow}
- {kind: rate_limit, match: {operations: ["system/*"]}, per: connection, limit: 50, window_s: 60,
   when_unavailable: allow}
"""


async def test_two_limits_of_one_client_hold_side_by_side_under_their_names(world: World) -> None:
    edge = World(world.folder, world.store, world.clock, NAMED)

    replies = [await edge.send("GET", STATUS) for _ in range(4)]
    edge.clock.forward(60)
    later = [await edge.send("GET", STATUS) for _ in range(2)]

    assert replies[0].headers["ratelimit-policy"] == '"day";q=4;w=86400, "minute";q=3;w=60'
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert replies[3].json["violated-policies"] == ["minute"]
    assert [reply.status for reply in later] == [200, 429]
    assert later[1].json["violated-policies"] == ["day"]


async def test_refusal_by_one_limit_takes_nothing_of_the_others(world: World) -> None:
    edge = World(world.folder, world.store, world.clock, NAMED)
    token = edge.token()
    for _ in range(20):
        last = await edge.send("GET", CUSTOMER, token=token)

    other = await edge.send("GET", CUSTOMER, token=edge.token("shop"))

    assert last.headers["ratelimit"].startswith('"day";r=1;')
    assert '"connection";r=46;' in other.headers["ratelimit"]


async def test_caller_without_rights_draws_on_its_own_quota_and_not_on_the_connections(world: World) -> None:
    edge = World(world.folder, world.store, world.clock, NAMED)
    token = edge.token(scopes=())

    statuses = [(await edge.send("GET", CUSTOMER, token=token)).status for _ in range(4)]
    other = await edge.send("GET", CUSTOMER, token=edge.token("shop"))

    assert statuses == [403, 403, 403, 429]
    assert '"connection";r=49;' in other.headers["ratelimit"]
