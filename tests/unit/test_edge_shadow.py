"""A candidate beside the live set: what it would do otherwise is counted call by call, and callers notice nothing."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import select

from gateway.caller import Client
from gateway.edge import Edge
from gateway.edge.shadow import Shadow
from gateway.lifecycle import Version
from gateway.lifecycle.document import FieldRetirement
from gateway.policy.document import policies_of
from gateway.policy.operation import Operation
from gateway.policy.plan import PolicySet, compiled
from gateway.store.audit import TABLE
from gateway.store.denials import Denial, DenialKind
from gateway.telemetry.metrics import SHADOW_FAILURES
from tests.edge_behind import Behind
from tests.edge_world import (
    CUSTOMER,
    CUSTOMERS,
    EVERYBODY,
    ONBOARDINGS,
    OPERATIONS,
    POLICIES,
    STATUS,
    World,
    open_edge_store,
)
from tests.fakes.clock import Clock
from tests.unit.test_edge_concurrency import Away

Sent = tuple[str, str, list[tuple[str, str]]]
KEY = [("idempotency-key", '"8e03978e-40d5-43e8-bc93-6894a57f9324"')]
GET_STATUS, START = "process/status/v1:get_project_status", "process/project_onboarding/v1:start_onboarding"
CONCURRENT = "- {kind: concurrency, per: client, most: 1, when_unavailable: allow}\n"
CALLS: tuple[Sent, ...] = (
    ("GET", STATUS, []),
    ("HEAD", STATUS, []),
    ("GET", "/process/status/v1/project-statuses/newest", []),
    ("POST", ONBOARDINGS, KEY),
    ("POST", ONBOARDINGS, []),
    ("GET", CUSTOMER, []),
    ("POST", CUSTOMERS, []),
    ("GET", "/process/nothing/v1/here", []),
    ("POST", STATUS, []),
    ("GET", "/process//here", []),
    ("GET", "/process/status/v1/about", []),
)


class Counted:
    """What was counted: calls that were compared, and differences by client, operation and words."""

    def __init__(self) -> None:
        self.calls = Counter[tuple[str, str]]()
        self.found = Counter[tuple[str, ...]]()
        self.correlation_ids: list[str] = []

    def compared(self, client_id: str, operation: str) -> None:
        self.calls[client_id, operation] += 1

    def differs(self, client_id: str, operation: str, pair: tuple[str, str], correlation_id: str) -> None:
        self.found[client_id, operation, *pair] += 1
        self.correlation_ids.append(correlation_id)


def candidate(
    policies: str = POLICIES,
    consumers: Sequence[dict[str, Any]] = (EVERYBODY,),
    operations: Sequence[Operation] = OPERATIONS,
) -> PolicySet:
    """Return a candidate of these rows."""
    rows = policies_of("candidate.yaml", [*yaml.safe_load(policies), *consumers])
    return structs.replace(compiled(rows, operations, ["https://login.example"]), id="pcd_1")


def tried(world: World, policies: PolicySet) -> Counted:
    """Return what is counted of a candidate that is tried from now on."""
    counted = Counted()
    world.edge.try_out(Shadow(policies, world.kit, counted, world.seconds))
    return counted


def knowing(**fields: object) -> list[dict[str, Any]]:
    """Return the consumers, of which the CRM's row has these fields."""
    return [EVERYBODY, {"kind": "consumer", "client_id": "crm", "owner": "Sales", **fields}]


async def test_set_that_is_the_same_differs_in_nothing(world: World) -> None:
    counted = tried(world, candidate())

    for method, target, headers in CALLS:
        await world.send(method, target, headers=headers)

    assert counted.calls[("crm", GET_STATUS)] == 2
    assert counted.calls.total() == 9
    assert counted.found == {}


@pytest.mark.parametrize(
    ("rows", "most", "pair"),
    [
        ("limit: 2", 2, ("passes", "refused 429 rate_limit client")),
        ("limit: 2, name: reads", 2, ("passes", "refused 429 rate_limit reads")),
        ("limit: 100, costs: {read: 50}", 2, ("passes", "refused 429 rate_limit client")),
        ("limit: 200", 5, None),
    ],
)
async def test_tighter_quota_counts_each_call_that_it_would_refuse(
    world: World, rows: str, most: int, pair: tuple[str, str] | None
) -> None:
    counted = tried(world, candidate(POLICIES.replace("limit: 100", rows)))

    replies = [await world.send("GET", STATUS) for _ in range(5)]

    assert [reply.status for reply in replies] == [200] * 5
    assert counted.calls == {("crm", GET_STATUS): 5}
    assert counted.found == ({("crm", GET_STATUS, *pair): 5 - most} if pair else {})


async def test_quota_of_the_candidate_comes_back_and_each_client_has_its_own(world: World) -> None:
    counted = tried(world, candidate(POLICIES.replace("limit: 100, window_s: 100", "limit: 1, window_s: 10")))

    for client, forward in (("crm", 0), ("portal", 0), ("crm", 4), ("crm", 6)):
        world.clock.forward(forward)
        await world.send("GET", STATUS, token=world.token(client))

    assert counted.found == {("crm", GET_STATUS, "passes", "refused 429 rate_limit client"): 1}


async def test_callers_that_are_forgotten_are_compared_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.edge.shadow.REMEMBERED", 1)
    counted = tried(world, candidate(POLICIES.replace("limit: 100, window_s: 100", "limit: 1, window_s: 10")))

    for client in ("crm", "portal", "crm", "portal"):
        await world.send("GET", STATUS, token=world.token(client))

    pair = ("passes", "refused 429 rate_limit client")
    assert counted.found == {("crm", GET_STATUS, *pair): 1, ("portal", GET_STATUS, *pair): 1}


async def test_wider_quota_counts_each_call_that_it_would_let_through(world: World) -> None:
    limited = World(world.folder, world.store, world.clock, POLICIES.replace("limit: 100", "limit: 2"))
    counted = tried(limited, candidate())

    statuses = [(await limited.send("GET", STATUS)).status for _ in range(5)]

    assert statuses == [200, 200, 429, 429, 429]
    assert counted.found == {("crm", GET_STATUS, "refused 429 rate_limit client", "passes"): 3}


async def test_correlation_id_of_a_call_leads_to_it(world: World) -> None:
    counted = tried(world, candidate(consumers=knowing(apis=["system/*"])))

    await world.send("GET", STATUS, headers=[("x-correlation-id", "example-1")])

    assert counted.correlation_ids == ["example-1"]


@pytest.mark.parametrize(
    ("set_", "words"),
    [
        (candidate(consumers=knowing(scopes=["customers:read"])), "refused 403 auth.scope_missing"),
        (candidate(consumers=knowing(apis=["system/*"])), "refused 403 auth.api_not_allowed"),
        (candidate(consumers=[EVERYBODY | {"client_id": "portal"}]), "refused 403 auth.consumer_unknown"),
        (candidate(POLICIES.replace("audience: tiebeam", "audience: other")), "refused 401 auth.invalid_token"),
    ],
    ids=["scope", "api", "consumer", "audience"],
)
async def test_right_that_is_taken_away_counts_each_call_of_the_client(
    world: World, set_: PolicySet, words: str
) -> None:
    counted = tried(world, set_)

    statuses = [(await world.send("GET", STATUS)).status for _ in range(3)]

    assert statuses == [200] * 3
    assert counted.found == {("crm", GET_STATUS, "passes", words): 3}


async def test_right_that_is_given_counts_each_call_that_is_refused_now(world: World) -> None:
    narrow = World(world.folder, world.store, world.clock, consumers=knowing(apis=["system/*"]))
    counted = tried(narrow, candidate())

    statuses = [(await narrow.send("GET", STATUS)).status for _ in range(3)]

    assert statuses == [403] * 3
    assert counted.found == {("crm", GET_STATUS, "refused 403 auth.api_not_allowed", "passes"): 3}


async def test_call_that_both_refuse_differs_where_they_say_another_reason(world: World) -> None:
    counted = tried(world, candidate(consumers=knowing(apis=["system/*"])))
    weak = world.token(scopes=["customers:read"])

    statuses = [(await world.send("GET", STATUS, token=weak)).status for _ in range(2)]
    counted_same = tried(world, candidate())
    await world.send("GET", STATUS, token=weak)

    assert statuses == [403, 403]
    reasons = ("refused 403 auth.scope_missing", "refused 403 auth.api_not_allowed")
    assert counted.found == {("crm", GET_STATUS, *reasons): 2}
    assert (counted_same.calls.total(), counted_same.found) == (1, {})


@pytest.mark.parametrize(
    ("change", "pair"),
    [
        (("fresh_s: 10", "fresh_s: 5"), ("kept 10 s", "kept 5 s")),
        (
            ("fresh_s: 10", "fresh_s: 10, shared_by: visibility"),
            ("kept 10 s, shared_by none", "kept 10 s, shared_by visibility"),
        ),
        (("fresh_s: 10", "fresh_s: 9, vary: [a, b]"), ("kept 10 s, vary none", "kept 9 s, vary a b")),
        (("when_unavailable: bypass", "when_unavailable: serve_fresh"), None),
    ],
    ids=["shorter", "shared", "varied", "nothing that callers see"],
)
async def test_cache_that_keeps_otherwise_counts_each_answer(
    world: World, change: tuple[str, str], pair: tuple[str, str] | None
) -> None:
    counted = tried(world, candidate(POLICIES.replace(*change)))

    ages = [(await world.send("GET", STATUS)).headers.get("age") for _ in range(3)]

    assert ages == [None, "0", "0"]
    assert counted.found == ({("crm", GET_STATUS, *pair): 3} if pair else {})


async def test_answer_that_would_not_be_kept_or_would_be_is_counted(world: World) -> None:
    without = "\n".join(line for line in POLICIES.splitlines() if "system/" not in line)
    counted = tried(world, candidate(without))
    await world.send("GET", CUSTOMER)
    uncached = World(world.folder, world.store, world.clock, without)
    counted_new = tried(uncached, candidate())
    await uncached.send("GET", CUSTOMER)

    place = "system/erp/v1:get_customer@books"
    assert counted.found == {("crm", place, "kept 10 s", "not kept"): 1}
    assert counted_new.found == {("crm", place, "not kept", "kept 10 s"): 1}


async def test_keys_that_would_be_kept_for_longer_are_counted(world: World) -> None:
    counted = tried(world, candidate(POLICIES.replace("keep_days: 7", "keep_days: 30")))

    await world.send("POST", ONBOARDINGS, headers=KEY)
    await world.send("GET", STATUS)

    assert counted.found == {("crm", START, "Idempotency-Key for 7 days", "Idempotency-Key for 30 days"): 1}


async def test_writes_and_refusals_that_would_not_be_written_down_are_counted_and_reads_are_not(world: World) -> None:
    counted = tried(world, candidate(POLICIES.replace("- {kind: audit}\n", "")))

    await world.send("GET", STATUS)
    await world.send("POST", CUSTOMERS)
    await world.send("GET", STATUS, token=world.token(scopes=[]))

    pair = ("written down", "not written down")
    assert counted.found == {
        ("crm", "system/erp/v1:create_customer@books", *pair): 1,
        ("crm", GET_STATUS, *pair): 1,
    }


async def test_view_that_would_be_narrower_is_counted(world: World) -> None:
    shown = [structs.replace(one, further_scopes=frozenset({"customers:read"})) for one in OPERATIONS[:1]]
    edge = World(world.folder, world.store, world.clock, operations=[*shown, *OPERATIONS[1:]])
    fields = {"scopes": ["status:read"], "legal_entities": ["ES01"]}
    counted = tried(edge, candidate(consumers=knowing(**fields), operations=[*shown, *OPERATIONS[1:]]))

    await edge.send("GET", STATUS)
    await edge.send("GET", STATUS, token=edge.token(scopes=["status:read"], legal_entities=("ES01", "DE01")))

    assert counted.found == {
        ("crm", GET_STATUS, "scopes customers:read; legal entities *", "scopes none; legal entities ES01"): 1,
        ("crm", GET_STATUS, "legal entities DE01 ES01", "legal entities ES01"): 1,
    }


async def test_places_of_the_candidate_are_held_while_calls_are_under_way_and_given_back(world: World) -> None:
    counted = tried(world, candidate(POLICIES + CONCURRENT))
    behind = Behind()
    world.framework.respond = behind

    calls = [asyncio.create_task(world.send("POST", CUSTOMERS)) for _ in range(3)]
    while behind.under_way < 3 and not any(call.done() for call in calls):
        await asyncio.wait(calls, timeout=0.01)
    behind.open.set()
    await asyncio.gather(*calls)
    await world.send("POST", CUSTOMERS)

    place = "system/erp/v1:create_customer@books"
    assert counted.found == {("crm", place, "passes", "refused 429 concurrency client"): 2}
    assert world.edge.shadow is not None
    assert world.edge.shadow.counters._held == {}  # noqa: SLF001


async def test_place_of_the_candidate_is_given_back_where_the_operation_fails(world: World) -> None:
    counted = tried(world, candidate(POLICIES + CONCURRENT))

    async def fail(_seen: object) -> tuple[int, dict[str, str], bytes]:
        raise RuntimeError

    world.framework.respond = fail
    statuses = [(await world.send("POST", CUSTOMERS)).status for _ in range(2)]

    assert statuses == [500, 500]
    assert counted.found == {}


async def test_strangers_are_not_compared(world: World) -> None:
    counted = tried(world, candidate(consumers=[EVERYBODY | {"client_id": "nobody"}]))

    await world.send("GET", STATUS, token=None)
    await world.send("GET", STATUS, token="nonsense")

    assert counted.calls == {}


async def test_token_that_is_denied_is_not_compared(world: World) -> None:
    counted = tried(world, candidate(POLICIES.replace("limit: 100", "limit: 1")))
    world.denied = [
        Denial(id="den_1", kind=DenialKind.client, name="crm", reason="Seen.", denied_by="ops", denied_at=world.clock())
    ]

    replies = [await world.send("GET", STATUS) for _ in range(3)]

    assert [reply.status for reply in replies] == [401] * 3
    assert (counted.calls, counted.found) == ({}, {})


async def test_nothing_is_compared_while_nobody_can_count(world: World) -> None:
    away = World(world.folder, world.store, world.clock, counters=Away())
    counted = tried(away, candidate(consumers=[EVERYBODY | {"client_id": "nobody"}]))

    assert (await away.send("GET", STATUS)).status == 200
    assert counted.calls == {}


async def test_comparison_that_fails_touches_no_answer_and_is_told_once(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried(world, candidate())
    assert world.edge.shadow

    def fail(*_: object) -> None:
        raise RuntimeError("the candidate's counters")

    monkeypatch.setattr(world.edge.shadow, "counters", type("Broken", (), {"ask_now": fail})())
    statuses = [(await world.send("GET", STATUS)).status for _ in range(3)]

    assert statuses == [200] * 3
    assert world.kit.metrics.total(SHADOW_FAILURES) == 3
    assert [record.getMessage() for record in caplog.records if "compared" in record.getMessage()] == [
        "A call could not be compared with pcd_1; more are only counted."
    ]


async def test_count_that_fails_touches_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = tried(world, candidate())

    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(counted, "compared", fail)

    assert (await world.send("GET", STATUS)).status == 200
    assert world.kit.metrics.total(SHADOW_FAILURES) == 1


async def test_trial_ends_when_another_set_is_put_to_work(world: World) -> None:
    counted = tried(world, candidate())

    world.edge.use(structs.replace(world.edge.policies))
    await world.send("GET", STATUS)
    world.edge.use(structs.replace(world.edge.policies, id="pst_2"))
    await world.send("GET", STATUS)

    assert counted.calls.total() == 1
    assert world.edge.shadow is None


STATUS_V1, ONBOARDING_V1 = "process/status/v1", "process/project_onboarding/v1"
NOW = Clock()()
LIVE = Version(
    owner="Care",
    contact="care@example.com",
    service_level="none",
    data_class="internal",
    review_on=date(2027, 1, 1),
)


def living(policies: PolicySet, contract: str = STATUS_V1, **life: Any) -> PolicySet:  # noqa: ANN401 - fields of a version.
    """Return the set in which a version has these dates."""
    return structs.replace(policies, lifecycle={contract: structs.replace(LIVE, **life)})


def ending(in_s: float) -> dict[str, Any]:
    """Return the dates of a version that ends so many seconds from now."""
    return {"deprecated_at": NOW + timedelta(seconds=1), "sunset_at": NOW + timedelta(seconds=in_s)}


class People:
    """Who called a version before; of whom nobody has looked up yet, it is told with a look."""

    def __init__(self, **known: bool) -> None:
        self._known, self._looked = known, set[str]()

    def known(self, client: Client, _contract: str, _before: datetime) -> bool | None:
        return self._known[client.client_id] if client.client_id in self._looked else None

    async def look(self, client: Client, _contract: str, _before: datetime) -> bool:
        await asyncio.sleep(0)
        self._looked.add(client.client_id)
        return self._known[client.client_id]


def aging(world: World, people: People | None = None, **life: Any) -> World:  # noqa: ANN401 - fields of a version.
    """Return the edge over a version with these dates."""
    world.kit = structs.replace(world.kit, known=people or People(crm=True))
    world.edge = Edge(world.framework, living(world.policies, **life), world.kit, clock=world.seconds)
    return world


async def test_sunset_that_is_moved_is_counted_by_what_is_told_and_then_to_the_second_by_who_is_refused(
    world: World,
) -> None:
    edge = aging(world, **ending(60))
    counted = tried(edge, living(candidate(), **ending(30)))

    statuses = []
    for forward in (29, 1, 29, 1):
        edge.clock.forward(forward)
        statuses.append((await edge.send("GET", STATUS)).status)
    await asyncio.sleep(0)

    assert statuses == [200, 200, 200, 410]
    assert counted.calls.total() == 4
    assert counted.found == {
        ("crm", GET_STATUS, "sunset 2026-11-24T09:01:00Z", "sunset 2026-11-24T09:00:30Z"): 1,
        ("crm", GET_STATUS, "passes", "refused 410 version.sunset"): 2,
    }


async def test_end_that_is_put_off_counts_each_call_that_would_go_on(world: World) -> None:
    edge = aging(world, **ending(10))
    counted = tried(edge, living(candidate()))
    edge.clock.forward(10)

    statuses = [(await edge.send("GET", STATUS)).status for _ in range(2)]

    assert statuses == [410, 410]
    assert counted.found == {("crm", GET_STATUS, "refused 410 version.sunset", "passes"): 2}


async def test_newcomer_whom_the_candidate_would_not_let_in_is_counted_from_the_first_call_on(world: World) -> None:
    edge = aging(world, People(crm=True, portal=False, zoo=True))
    counted = tried(edge, living(candidate(), deprecated_at=NOW))

    for client in ("crm", "portal", "portal", "crm"):
        assert (await edge.send("GET", STATUS, token=edge.token(client))).status == 200
        for _ in range(3):
            await asyncio.sleep(0)

    assert counted.calls == {("crm", GET_STATUS): 2, ("portal", GET_STATUS): 2}
    assert counted.found == {
        ("crm", GET_STATUS, "not deprecated", "deprecated 2026-11-24T09:00:00Z"): 2,
        ("portal", GET_STATUS, "passes", "refused 403 version.closed_to_new"): 2,
    }


async def test_comparisons_that_wait_for_a_database_are_bound(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.edge.shadow.MOST_ASKING", 1)
    answers = asyncio.Event()

    class Slow(People):
        async def look(self, client: Client, _contract: str, _before: datetime) -> bool:
            await answers.wait()
            return await super().look(client, _contract, _before)

    edge = aging(world, Slow(crm=True))
    counted = tried(edge, living(candidate(), deprecated_at=NOW))
    replies = [await edge.send("GET", STATUS) for _ in range(3)]
    answers.set()
    for _ in range(5):
        await asyncio.sleep(0)

    assert [reply.status for reply in replies] == [200] * 3
    assert counted.calls == {("crm", GET_STATUS): 1}
    assert edge.kit.metrics.total(SHADOW_FAILURES) == 2
    assert len(caplog.records) == 1


async def test_comparison_that_has_to_ask_in_vain_touches_no_answer(world: World) -> None:
    edge = aging(world, People())
    counted = tried(edge, living(candidate(), deprecated_at=NOW))

    assert (await edge.send("GET", STATUS)).status == 200
    for _ in range(3):
        await asyncio.sleep(0)

    assert counted.calls == {}
    assert edge.kit.metrics.total(SHADOW_FAILURES) == 1


@pytest.mark.parametrize(
    ("contract", "gone", "calls"),
    [
        (STATUS_V1, ("get_project_status", "query", "old"), [("GET", f"{STATUS}?old=1", b""), ("GET", STATUS, b"")]),
        (
            ONBOARDING_V1,
            ("start_onboarding", "request", "/old"),
            [("POST", ONBOARDINGS, b'{"old": 1}'), ("POST", ONBOARDINGS, b'{"new": 1}')],
        ),
    ],
    ids=["parameter", "field"],
)
async def test_field_that_would_be_gone_is_counted_where_it_is_sent(
    world: World, contract: str, gone: tuple[str, Any, str], calls: list[tuple[str, str, bytes]]
) -> None:
    operation, place, pointer = gone
    dates = {"deprecated_at": NOW, "sunset_at": NOW}
    field = FieldRetirement(operation=operation, place=place, pointer=pointer, instead="Leave it out.", **dates)
    edge = aging(world)
    counted = tried(edge, living(candidate(), contract, fields=(field,)))

    for number, (method, target, body) in enumerate(calls):
        headers = [("idempotency-key", f'"{number}-e40d-43e8-bc93"')] if method == "POST" else []
        assert (await edge.send(method, target, headers=headers, body=body)).status < 300

    assert counted.calls.total() == 2
    assert counted.found == {("crm", f"{contract}:{operation}", "passes", "refused 410 version.sunset"): 1}


class Numbered:
    """Ids one after the other, so that two runs of the same calls can be compared byte by byte."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self) -> UUID:
        self._number += 1
        return UUID(int=self._number)


TIGHT = POLICIES.replace("limit: 100", "limit: 1").replace("fresh_s: 10", "fresh_s: 1").replace("- {kind: audit}\n", "")
CANDIDATES = {
    "same": candidate(),
    "tight": candidate(TIGHT + CONCURRENT),
    "closed": candidate(consumers=[EVERYBODY | {"client_id": "nobody"}]),
}


async def answers(folder: Path, database: str, policies: PolicySet | None) -> list[tuple[object, ...]]:
    """Return all that callers get of an edge of its own, beside a candidate where there is one."""
    clock = Clock()
    store = await open_edge_store(f"sqlite:///{folder}/{database}.sqlite", clock)
    edge = World(folder, store, clock, POLICIES.replace("limit: 100", "limit: 15"))
    if policies:
        tried(edge, policies)
    tokens = [edge.token(), edge.token("portal", customers=("17",)), edge.token("weak", scopes=[]), "nonsense"]
    replies = []
    for _, token, (method, target, headers) in product(range(2), tokens, CALLS):
        fields = [*headers, ("x-correlation-id", "the-same-one")]
        replies.append(await edge.send(method, target, token=token, headers=fields))
    await store.close()
    return [(reply.status, reply.fields, reply.body) for reply in replies]


@pytest.mark.parametrize("policies", CANDIDATES.values(), ids=CANDIDATES)
async def test_every_answer_is_the_same_to_the_byte_with_a_candidate_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policies: PolicySet
) -> None:
    monkeypatch.setattr("gateway.policy.call.uuid4", Numbered())
    without = await answers(tmp_path, "without", None)
    monkeypatch.setattr("gateway.policy.call.uuid4", Numbered())
    beside = await answers(tmp_path, "beside", policies)

    assert beside == without
    assert {status for status, *_ in without} == {200, 202, 400, 401, 403, 404, 405, 429}


async def test_nothing_of_a_candidate_is_written_down(world: World) -> None:
    tried(world, candidate(TIGHT))

    for _ in range(3):
        await world.send("GET", STATUS)

    async with world.store.begin() as connection:
        assert (await connection.execute(select(TABLE))).all() == []


@given(calls=st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from(["crm", "portal"]), st.integers(0, 3))))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
async def test_candidate_like_the_live_set_never_differs(world: World, calls: list[tuple[Sent, str, int]]) -> None:
    limited = POLICIES.replace("limit: 100, window_s: 100", "limit: 2, window_s: 4")
    edge = World(world.folder, world.store, world.clock, limited)
    counted = tried(edge, candidate(limited))

    for (method, target, headers), client, forward in calls:
        edge.clock.forward(forward)
        await edge.send(method, target, token=edge.token(client), headers=headers)

    assert counted.found == {}
