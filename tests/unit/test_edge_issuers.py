"""Two issuers that vouch for clients of one name: neither's callers meet what was kept for the other's."""

from pathlib import Path

import pytest

from gateway.keys import KeyRing, TrustedIssuer
from gateway.token_minting import Grant, ensure_development_key, mint
from tests.edge_world import AUDIENCE, CUSTOMER, ISSUER, ONBOARDINGS, SCOPES, STATUS, World

PARTNER = "https://partner.example"
KEY = ("Idempotency-Key", '"8e03978e-40d5-43e8-bc93-6894a57f9324"')


@pytest.fixture
def namesake(here: World, tmp_path: Path) -> str:
    """Return the partner's token for a client that is named as ours is, with the same rights."""
    own = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=ensure_development_key(here.folder))
    keys = ensure_development_key(tmp_path / "partner")
    here.verifier.keys = KeyRing([own, TrustedIssuer(issuer=PARTNER, audience=AUDIENCE, jwks_file=keys)])
    grant = Grant(client_id="crm", scopes=SCOPES, legal_entities="*")
    return mint(tmp_path / "partner", grant, issuer=PARTNER, audience=AUDIENCE, now=here.seconds())


@pytest.mark.parametrize("target", [STATUS, CUSTOMER])
async def test_kept_answer_is_not_the_namesakes(here: World, namesake: str, target: str) -> None:
    first, other = await here.send("GET", target), await here.send("GET", target, token=namesake)

    assert (first.json, other.json) == ({"number": 1}, {"number": 2})
    assert other.headers["cache-status"] == '"tiebeam"; fwd=uri-miss; stored'
    assert first.headers["etag"] != other.headers["etag"]


async def test_answer_under_a_key_is_not_replayed_for_the_namesake(here: World, namesake: str) -> None:
    await here.send("POST", ONBOARDINGS, headers=[KEY], body=b"{}")
    other = await here.send("POST", ONBOARDINGS, token=namesake, headers=[KEY], body=b"{}")

    assert other.code == "idempotency.key_reuse_mismatch"


async def test_class_of_equal_views_is_one_whoever_vouches(here: World, namesake: str) -> None:
    await here.send("GET", STATUS)
    await here.send("GET", STATUS, token=namesake)
    ours, theirs = (seen.caller for seen in here.framework.seen)

    assert ours.visibility == theirs.visibility
    assert ours.partition != theirs.partition
