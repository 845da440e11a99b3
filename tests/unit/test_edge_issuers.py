"""Two issuers that vouch for clients of one name: neither's callers meet what is kept, or known, of the other's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.keys import KeyRing, TrustedIssuer
from gateway.token_minting import Grant, ensure_development_key, mint
from tests.edge_world import AUDIENCE, CUSTOMER, ISSUER, ONBOARDINGS, SCOPES, STATUS, Seen, World

PARTNER = "https://partner.example"
KEY = ("Idempotency-Key", '"8e03978e-40d5-43e8-bc93-6894a57f9324"')


OURS: dict[str, Any] = {"kind": "consumer", "client_id": "crm", "owner": "Sales", "issuers": [ISSUER]}
COUNTED = """
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: rate_limit, per: client, limit: 1, window_s: 60, when_unavailable: allow}
- {kind: concurrency, per: client, most: 1, when_unavailable: allow}
"""


@pytest.fixture
def partners(tmp_path: Path) -> Callable[[World], str]:
    """Return what trusts the partner too, and gives its token for a client that is named as ours, with equal rights."""

    def trusting(world: World) -> str:
        own = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=ensure_development_key(world.folder))
        keys = ensure_development_key(tmp_path / "partner")
        world.verifier.keys = KeyRing([own, TrustedIssuer(issuer=PARTNER, audience=AUDIENCE, jwks_file=keys)])
        grant = Grant(client_id="crm", scopes=SCOPES, legal_entities="*")
        return mint(tmp_path / "partner", grant, issuer=PARTNER, audience=AUDIENCE, now=world.seconds())

    return trusting


@pytest.fixture
def namesake(here: World, partners: Callable[[World], str]) -> str:
    return partners(here)


@pytest.mark.parametrize("target", [STATUS, CUSTOMER])
async def test_kept_answer_is_not_the_namesakes(here: World, namesake: str, target: str) -> None:
    first, other = await here.send("GET", target), await here.send("GET", target, token=namesake)

    assert (first.json, other.json) == ({"number": 1}, {"number": 2})
    assert other.headers["cache-status"] == '"tiebeam"; fwd=uri-miss; stored'
    assert first.headers["etag"] != other.headers["etag"]


async def test_key_is_each_namesakes_own(here: World, namesake: str) -> None:
    first = await here.send("POST", ONBOARDINGS, headers=[KEY], body=b"{}")
    other = await here.send("POST", ONBOARDINGS, token=namesake, headers=[KEY], body=b"[]")
    again = await here.send("POST", ONBOARDINGS, headers=[KEY], body=b"{}")

    assert (first.json, other.json, again.json) == ({"number": 1}, {"number": 2}, {"number": 1})
    assert "idempotency-replayed" not in other.headers


async def test_row_that_names_the_issuer_does_not_know_the_namesake(
    world: World, partners: Callable[[World], str]
) -> None:
    edge = World(world.folder, world.store, world.clock, consumers=[OURS])
    namesake = partners(edge)

    assert (await edge.send("GET", STATUS)).status == 200
    assert (await edge.send("GET", STATUS, token=namesake)).code == "auth.consumer_unknown"


async def test_namesake_is_narrowed_by_the_row_that_is_for_all(world: World, partners: Callable[[World], str]) -> None:
    everybody = {"kind": "consumer", "client_id": "*", "owner": "Platform", "apis": ["system/*"]}
    edge = World(world.folder, world.store, world.clock, consumers=[OURS, everybody])
    namesake = partners(edge)

    assert (await edge.send("GET", STATUS)).status == 200
    assert (await edge.send("GET", STATUS, token=namesake)).code == "auth.api_not_allowed"


async def test_quota_of_a_client_is_not_its_namesakes(world: World, partners: Callable[[World], str]) -> None:
    edge = World(world.folder, world.store, world.clock, COUNTED)
    namesake = partners(edge)

    used = [(await edge.send("GET", STATUS)).status for _ in range(2)]
    others = [(await edge.send("GET", STATUS, token=namesake)).status for _ in range(2)]

    assert (used, others) == ([200, 429], [200, 429])


async def test_places_of_a_client_are_not_its_namesakes(world: World, partners: Callable[[World], str]) -> None:
    edge = World(world.folder, world.store, world.clock, COUNTED)
    namesake = partners(edge)
    meanwhile: list[int] = []

    async def meet(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        if not meanwhile:
            meanwhile.append(0)
            meanwhile.append((await edge.send("GET", STATUS, token=namesake)).status)
        return await edge.framework.count(seen)

    edge.framework.respond = meet

    assert (await edge.send("GET", STATUS)).status == 200
    assert meanwhile == [0, 200]


async def test_class_of_equal_views_is_one_whoever_vouches(here: World, namesake: str) -> None:
    await here.send("GET", STATUS)
    await here.send("GET", STATUS, token=namesake)
    ours, theirs = (seen.caller for seen in here.framework.seen)

    assert ours.visibility == theirs.visibility
    assert ours.partition != theirs.partition
