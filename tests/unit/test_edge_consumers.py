"""Clients that are known, and what their rows do to a call: rights, limits, and what nobody learns."""

from typing import Any

import pytest

from tests.edge_world import CUSTOMER, EVERYBODY, ONBOARDINGS, POLICIES, STATUS, World

CRM = {"kind": "consumer", "client_id": "crm", "owner": "Sales Systems"}
TIERS = """
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: rate_limit, per: client, limit: 1, window_s: 60, when_unavailable: allow}
- {kind: rate_limit, per: client, limit: 2, window_s: 60, when_unavailable: allow, match: {tiers: [gold]}}
- {kind: rate_limit, per: client, limit: 3, window_s: 60, when_unavailable: allow, match: {clients: [crm]}}
"""
SHARED = """
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: rate_limit, per: tier, limit: 3, window_s: 60, when_unavailable: allow}
"""


def knowing(world: World, *consumers: dict[str, Any], policies: str = POLICIES) -> World:
    """Return an edge that knows these consumers only."""
    return World(world.folder, world.store, world.clock, policies, consumers=consumers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", STATUS),
        ("GET", CUSTOMER),
        ("POST", ONBOARDINGS),
        ("PUT", STATUS),
        ("OPTIONS", STATUS),
        ("GET", "/process/nothing/at/all"),
        ("GET", "/system"),
    ],
)
async def test_client_that_no_row_knows_is_refused_everywhere_alike(world: World, method: str, path: str) -> None:
    edge = knowing(world, CRM)

    reply = await edge.send(method, path, token=edge.token("shop"))

    assert (reply.status, reply.code) == (403, "auth.consumer_unknown")
    assert "allow" not in reply.headers
    assert edge.framework.seen == []


async def test_client_that_no_row_knows_draws_on_its_own_quota_only(world: World) -> None:
    edge = knowing(world, CRM | {"tier": "gold"}, policies=TIERS)
    reply = await edge.send("GET", STATUS, token=edge.token("crm2"))
    again = await edge.send("GET", STATUS, token=edge.token("crm2"))

    assert (reply.status, reply.headers["ratelimit"]) == (403, '"client";r=0;t=60')
    assert again.status == 429


async def test_public_operation_is_open_whoever_is_known(world: World) -> None:
    edge = knowing(world, CRM)

    assert (await edge.send("GET", "/process/status/v1/about", token=None)).status == 200


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"scopes": ["onboardings:start"]}, "auth.scope_missing"),
        ({"scopes": ["status:read"]}, None),
        ({"apis": ["system/*"]}, "auth.api_not_allowed"),
        ({"apis": ["system/*", "process/status/*"]}, None),
        ({"apis": ["system/*"], "scopes": []}, "auth.api_not_allowed"),
    ],
)
async def test_row_narrows_what_the_token_says(world: World, row: dict[str, Any], code: str | None) -> None:
    edge = knowing(world, CRM | row, EVERYBODY)

    reply = await edge.send("GET", STATUS)

    assert (reply.status, reply.code) == ((403, code) if code else (200, None))
    assert (await edge.send("GET", STATUS, token=edge.token("shop"))).status == 200


async def test_row_gives_a_token_nothing(world: World) -> None:
    edge = knowing(world, CRM | {"scopes": ["status:read", "customers:read"], "legal_entities": ["ES01", "DE01"]})
    token = edge.token(scopes=("status:read",), legal_entities=("ES01",))

    await edge.send("GET", STATUS, token=token)
    refused = await edge.send("GET", CUSTOMER, token=token)

    caller = edge.framework.seen[0].caller
    assert (caller.scopes, caller.legal_entities) == ({"status:read"}, {"ES01"})
    assert refused.code == "auth.scope_missing"


async def test_framework_and_caches_get_the_narrowed_caller(world: World) -> None:
    edge = knowing(world, CRM | {"legal_entities": ["ES01"]}, EVERYBODY)

    for client in ("crm", "shop"):
        await edge.send("GET", STATUS, token=edge.token(client, legal_entities="*"))

    assert [seen.caller.legal_entities for seen in edge.framework.seen] == [{"ES01"}, "*"]


async def test_known_client_is_told_what_is_not_there_whatever_its_apis(world: World) -> None:
    edge = knowing(world, CRM | {"apis": ["system/*"]})

    assert (await edge.send("GET", "/process/nothing/at/all")).code == "resource.not_found"
    assert (await edge.send("PUT", STATUS)).code == "request.method_not_allowed"


@pytest.mark.parametrize(
    ("client", "served"), [("crm", 3), ("bank", 2), ("shop", 1)], ids=["its own row", "its tier's", "everybody's"]
)
async def test_most_specific_row_holds(world: World, client: str, served: int) -> None:
    known = [CRM | {"tier": "gold"}, CRM | {"client_id": "bank", "tier": "gold"}, EVERYBODY]
    edge = knowing(world, *known, policies=TIERS)

    statuses = [(await edge.send("GET", STATUS, token=edge.token(client))).status for _ in range(5)]

    assert statuses == [200] * served + [429] * (5 - served)


async def test_clients_of_a_tier_share_its_quota_and_no_other(world: World) -> None:
    known = [CRM | {"client_id": f"gold-{number}", "tier": "gold"} for number in range(3)]
    edge = knowing(world, *known, EVERYBODY, policies=SHARED)

    gold = [(await edge.send("GET", STATUS, token=edge.token(f"gold-{number % 3}"))) for number in range(4)]
    other = await edge.send("GET", STATUS, token=edge.token("shop"))

    assert [reply.status for reply in gold] == [200, 200, 200, 429]
    assert gold[3].json["violated-policies"] == ["tier"]
    assert (other.status, other.headers["ratelimit"]) == (200, '"tier";r=2;t=20')


async def test_renewed_token_with_other_rights_is_judged_anew(world: World) -> None:
    edge = knowing(world, EVERYBODY)

    assert (await edge.send("GET", STATUS, token=edge.token(scopes=()))).status == 403
    assert (await edge.send("GET", STATUS, token=edge.token())).status == 200
    assert (await edge.send("GET", STATUS, token=edge.token(scopes=()))).status == 403


async def test_many_tokens_of_one_client_are_decided_for_once(world: World) -> None:
    edge = knowing(world, EVERYBODY)
    for _ in range(20):
        await edge.send("GET", STATUS)

    way = edge.edge.governed.way_of("GET", STATUS.encode())
    assert way
    assert len({id(admission) for admission in way[1]._admissions.values()}) == 1  # noqa: SLF001
    assert len(way[1]._admissions) == 20  # noqa: SLF001


async def test_what_is_decided_is_forgotten_before_it_fills_the_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.edge.way.REMEMBERED", 5)
    edge = knowing(world, EVERYBODY)

    statuses = {(await edge.send("GET", STATUS, token=edge.token(f"c{number}"))).status for number in range(12)}

    way = edge.edge.governed.way_of("GET", STATUS.encode())
    assert statuses == {200}
    assert way
    assert len(way[1]._admissions) <= 5  # noqa: SLF001
    assert len(way[1]._decided) <= 5  # noqa: SLF001
