"""An explanation says what really happens: for many callers, calls and states, both are asked and compared."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from gateway.counters import CountersAway, Question, Told
from gateway.counters.memory import MemoryCounters
from gateway.edge import Edge, kit_of
from gateway.edge.explaining import Asked, Explainer, Explanation
from gateway.identity import Denials, Verifier
from gateway.identity.rules import Rule
from gateway.policy.compiling import Compiler
from gateway.policy.explain import WORDS, Decides
from gateway.policy.kinds import KINDS
from gateway.policy.kinds.upstream import Upstream
from gateway.store.denials import Denial, DenialKind
from tests.edge_world import CUSTOMER, CUSTOMERS, ISSUER, ONBOARDINGS, OPERATIONS, STATUS, World, open_edge_store
from tests.fakes.clock import Clock
from tests.policies.test_tokens_at_the_edge import TRIMMED
from tests.policies.token_table import BAD
from tests.tokens import open_desk

ROWS: Final = """
- {kind: audit}
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authenticate, match: {operations: ["process/status/v1:get_newest"]}, audience: other, issuers: ["*"]}
- {kind: authorize}
- {kind: rate_limit, per: client, limit: 60, window_s: 60, when_unavailable: allow, costs: {write: 2}}
- {kind: rate_limit, match: {tiers: [gold]}, per: client, limit: 90, window_s: 60, when_unavailable: count_alone}
- {kind: rate_limit, match: {connections: [books]}, per: connection, limit: 9, window_s: 9, when_unavailable: refuse}
- {kind: rate_limit, per: address, limit: 1000, window_s: 1, when_unavailable: count_alone}
- {kind: concurrency, match: {classes: [write]}, per: client, most: 2, when_unavailable: allow}
- {kind: idempotency, keep_days: 7}
- {kind: cache, match: {operations: ["process/status/*"]}, fresh_s: 2, when_unavailable: bypass}
- {kind: consumer, client_id: "crm*", owner: Sales Systems}
- {kind: consumer, client_id: crm-gold, owner: Sales, tier: gold, scopes: ["status:read"], legal_entities: [ES01]}
- {kind: consumer, client_id: portal, owner: Customer Care, apis: ["process/status/*"]}
"""
CLIENTS: Final = ("crm", "crm-gold", "portal", "nobody")
LIMITS: Final[tuple[dict[str, Any], ...]] = ({}, {"customers": ("17",)}, {"scopes": ()})
CALLS: Final = (
    ("GET", STATUS),
    ("HEAD", STATUS),
    ("POST", STATUS),
    ("OPTIONS", STATUS),
    ("GET", f"{STATUS}?access_token=x"),
    ("GET", "/process/status/v1/project-statuses/newest"),
    ("GET", "/process/status/v1/about"),
    ("GET", "/process/nothing/v1/here"),
    ("GET", "/process//here"),
    ("GET", "/docs"),
    ("POST", ONBOARDINGS),
    ("GET", CUSTOMER),
    ("POST", CUSTOMERS),
    ("GET", CUSTOMER.replace("books", "ledger")),
)
KEY: Final = [("idempotency-key", '"8e03978e-40d5-43e8-bc93-6894a57f9324"')]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An edge under ROWS, on a clock that stands still."""
    clock = Clock()
    store = await open_edge_store(f"sqlite:///{tmp_path}/edge.sqlite", clock)
    opened = World(tmp_path, store, clock)
    compiler = Compiler(operations=OPERATIONS, issuers=[ISSUER], connections=[])
    policies = compiler({"rows.yaml": yaml.safe_dump({"policies": yaml.safe_load(ROWS)})}).policies
    opened.edge = Edge(opened.framework, policies, opened.kit)
    yield opened
    await store.close()


async def explained(world: World, method: str, target: str, token: str) -> Explanation:
    """Return the explanation of a call with the token."""
    return await Explainer(world.edge).explain(Asked(method=method, target=target, token=token))


def said(explanation: Explanation) -> dict[str, Decides]:
    """Return what each row decides, by its kind and number."""
    return {f"{one.kind} {one.row.number if one.row else '—'}": one.decides for one in explanation.decisions}


async def check(world: World, method: str, target: str, token: str) -> Explanation:
    """Return the explanation after the same call was made: it must have said how that one ended."""
    before = len(world.framework.seen)
    told = await explained(world, method, target, token)
    assert len(world.framework.seen) == before, "Nothing is called for an explanation."

    reply = await world.send(method, target, token=token, headers=KEY if target == ONBOARDINGS else ())

    if told.outcome.status is None:
        assert reply.status < 400, (told, reply.status, reply.body)
        return told
    assert reply.status == told.outcome.status, told
    if method != "HEAD":
        assert reply.code == told.outcome.code, told
        assert reply.code is None or reply.json["detail"] == told.outcome.detail or reply.status == 405
    return told


@pytest.mark.parametrize("limits", LIMITS, ids=str)
@pytest.mark.parametrize("client", CLIENTS)
async def test_every_call_ends_as_it_was_explained(world: World, client: str, limits: dict[str, Any]) -> None:
    token = world.token(client, **limits)

    for _ in range(2):  # The second time everything is remembered, and what may be kept is.
        for method, target in CALLS:
            await check(world, method, target, token)


@pytest.mark.parametrize(("method", "target"), [("GET", CUSTOMER), ("POST", CUSTOMERS), ("GET", STATUS)])
async def test_limit_is_explained_until_it_is_used_up_and_when_it_is_there_again(
    world: World, method: str, target: str
) -> None:
    token = world.token("crm")

    statuses = []
    for _ in range(100):
        statuses.append((await check(world, method, target, token)).outcome.status)
        if statuses[-1]:
            break
    world.clock.forward(2)
    again = await check(world, method, target, token)

    assert statuses[-1] == 429
    assert again.outcome.status is None


async def test_explaining_a_thousand_times_takes_nothing(world: World) -> None:
    token = world.token("crm")
    first = await explained(world, "POST", CUSTOMERS, token)

    for _ in range(1_000):
        again = await explained(world, "POST", CUSTOMERS, token)

    left = [decision.left for decision in again.decisions if decision.left is not None]
    assert sorted(left) == [9, 60]
    assert again == first


async def test_place_is_explained_while_all_are_taken(world: World) -> None:
    token, told = world.token("crm"), list[Explanation]()
    respond = world.framework.respond

    async def nested(seen: Any) -> Any:  # noqa: ANN401 — an answer of the framework
        told.append(await explained(world, "POST", CUSTOMERS, token))
        if len(told) == 1:
            await world.send("POST", CUSTOMERS, token=token)
        return await respond(seen)

    world.framework.respond = nested
    await world.send("POST", CUSTOMERS, token=token)

    assert [one.outcome.status for one in told] == [None, 429]
    assert said(told[1])["concurrency 9"] is Decides.refuses
    assert (await check(world, "POST", CUSTOMERS, token)).outcome.status is None


async def test_rows_are_told_in_order_with_what_they_override(world: World) -> None:
    told = await explained(world, "GET", STATUS, world.token("crm-gold", legal_entities=("ES01", "DE01")))

    assert said(told) == {
        "audit 1": Decides.passes,
        "authenticate 2": Decides.admits,
        "rate_limit 8": Decides.passes,
        "consumer 13": Decides.admits,
        "consumer 12": Decides.overridden,
        "authorize 4": Decides.admits,
        "rate_limit 6": Decides.counts,
        "rate_limit 5": Decides.overridden,
        "cache 11": Decides.keeps,
    }
    assert told.caller
    assert told.caller.scopes == {"status:read"}
    why = {f"{one.kind} {one.row.number}": one.why for one in told.decisions if one.row}
    assert "limited to the legal entities ES01" in why["consumer 13"]
    assert "without the scopes customers:create" in why["consumer 13"]
    assert why["rate_limit 5"].startswith("rows.yaml, row 6 (rate_limit)")


async def test_refusal_ends_what_comes_behind_it_but_not_the_clients_quota(world: World) -> None:
    told = await explained(world, "GET", CUSTOMER, world.token("crm", scopes=()))

    assert said(told)["authorize 4"] is Decides.refuses
    assert said(told)["rate_limit 5"] is Decides.counts
    assert said(told)["rate_limit 7"] is Decides.not_reached
    assert (told.outcome.status, told.outcome.code) == (403, "auth.scope_missing")


async def test_client_that_nobody_knows_is_told_by_no_row(world: World) -> None:
    told = await explained(world, "GET", STATUS, world.token("nobody"))

    assert said(told)["consumer —"] is Decides.refuses
    assert said(told)["authorize 4"] is Decides.not_reached


async def test_bad_token_is_explained_by_the_rule_that_it_breaks(world: World, tmp_path: Path) -> None:
    kit = kit_of(verifier=open_desk(tmp_path).verifier, counters=world.counters, store=world.store)
    world.edge = Edge(world.framework, world.edge.policies, kit)
    unexplained = {}

    for name, row in BAD.items():
        token = row.make().decode("latin-1")
        told = await explained(world, "GET", STATUS, token)
        (why,) = [one.why for one in told.decisions if one.kind == "authenticate"]
        if told.outcome.status != 401 or why not in set(Rule) - {Rule.unknown} or (token and token in repr(told)):
            unexplained[name] = (told.outcome, why)

    assert {name: found for name, found in unexplained.items() if name not in TRIMMED} == {}


async def test_withdrawn_client_is_explained_as_withdrawn(tmp_path: Path) -> None:
    denied = Denial(
        id="den_1",
        kind=DenialKind.client,
        name="crm",
        reason="Seen in a log.",
        denied_by="ops",
        denied_at=Clock().now,
    )
    clock = Clock()
    store = await open_edge_store(f"sqlite:///{tmp_path}/edge.sqlite", clock)
    world = World(tmp_path, store, clock)

    async def read() -> list[Denial]:
        return [denied]

    denials = Denials(read, wall=world.seconds)
    verifier = Verifier(world.verifier.keys, clock=world.seconds, denials=denials)
    world.edge = Edge(world.framework, world.policies, kit_of(verifier=verifier, counters=world.counters, store=store))
    await verifier.reload_denials(0)

    told = await check(world, "GET", STATUS, world.token("crm"))

    assert Rule.denied in [decision.why for decision in told.decisions]
    await store.close()


class Away(MemoryCounters):
    """Counters that nobody can ask."""

    def ask_now(self, question: Question) -> Told:  # noqa: ARG002 - the protocol's
        """Tell that nobody can."""
        raise CountersAway

    async def ask(self, question: Question) -> Told:  # noqa: ARG002 - the protocol's
        """Tell that nobody can."""
        raise CountersAway


@pytest.mark.parametrize(("target", "status"), [(CUSTOMER, 503), (STATUS, None)])
async def test_counters_away_are_explained_as_the_row_wants_it(world: World, target: str, status: int | None) -> None:
    kit = kit_of(verifier=world.verifier, counters=Away(), store=world.store)
    world.edge = Edge(world.framework, world.edge.policies, kit)

    told = await check(world, "GET", target, world.token("crm"))
    gold = await check(world, "GET", target, world.token("crm-gold", scopes=("status:read", "customers:read")))

    assert told.outcome.status == status
    assert gold.outcome.status == (403 if target == CUSTOMER else None)
    if target == STATUS:
        assert "lets calls go on" in next(one.why for one in told.decisions if one.decides is Decides.counts)
        assert next(one for one in gold.decisions if one.decides is Decides.counts).left == 90


async def test_limits_are_told_without_numbers_where_nobody_is_asked(world: World) -> None:
    told = await Explainer(world.edge, counted=False).explain(
        Asked(method="GET", target=CUSTOMER, token=world.token("crm"))
    )

    assert [one.left for one in told.decisions if one.decides is Decides.counts] == [None, None]


def test_every_kind_that_meets_calls_has_words() -> None:
    assert set(KINDS) - set(WORDS) == {Upstream}
