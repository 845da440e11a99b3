"""What is remembered of a token that was verified, and what ends it. Which tokens pass at all: `tests/policies`."""

import logging
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Refused
from gateway.identity import Verifier
from gateway.identity.rules import rule_of
from gateway.identity.verifier import LEEWAY_S
from gateway.keys import KeyRing, TrustedIssuer
from gateway.token_minting import JWKS_FILE, KEY_FILE, ensure_development_key, mint
from tests.tokens import AUDIENCE, GRANT, ISSUER, KEYS, STRANGE_KEY, Desk, header, jwk, open_desk, signed, token


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return open_desk(tmp_path)


async def test_token_says_who_calls(desk: Desk) -> None:
    identity = await desk.verifier.verify(token(jti="t1", aud=[AUDIENCE, "billing"]))

    assert (identity.issuer, identity.jti, identity.client_id) == (ISSUER, "t1", "crm")
    assert identity.audiences == {AUDIENCE, "billing"}
    assert (identity.caller.client_id, identity.caller.subject) == ("crm", "crm")
    assert identity.caller.scopes == {"status:read", "onboardings:start"}
    assert identity.caller.legal_entities == frozenset({"ES01"})
    assert identity.caller.customers == identity.caller.projects == "*"


async def test_absent_entities_are_none_and_absent_customers_are_all(desk: Desk) -> None:
    caller = (await desk.verifier.verify(token(legal_entities=...))).caller

    assert caller.legal_entities == frozenset()
    assert not caller.is_limited


@pytest.mark.parametrize("limits", [{"customers": []}, {"projects": ["prj_1"]}, {"customers": ["17"], "projects": "*"}])
async def test_portal_is_limited(desk: Desk, limits: dict[str, Any]) -> None:
    assert (await desk.verifier.verify(token(**limits))).caller.is_limited


def test_unknown_token_is_not_remembered(desk: Desk) -> None:
    assert desk.verifier.remembered(token()) is None


async def test_verified_token_is_remembered_as_the_same_identity(desk: Desk) -> None:
    good = token()

    identity = await desk.verifier.verify(good)

    assert desk.verifier.remembered(good) is identity


async def test_token_that_differs_in_its_last_letter_is_not_remembered(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)

    assert desk.verifier.remembered(good[:-1]) is None
    assert desk.verifier.remembered(good + b"A") is None


async def test_remembered_token_expires(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)
    desk.clock.now += 600 + LEEWAY_S

    assert desk.verifier.remembered(good) is None
    with pytest.raises(Refused):
        await desk.verifier.verify(good)


async def test_remembered_token_lives_until_its_last_second(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)
    desk.clock.now += 600 + LEEWAY_S - 1

    assert desk.verifier.remembered(good) is not None


async def test_remembered_token_dies_with_its_key(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)
    desk.publish(ISSUER, [key for key in KEYS if key["kid"] != "d"])

    assert desk.verifier.remembered(good) is None
    with pytest.raises(Refused):
        await desk.verifier.verify(good)


async def test_remembered_token_dies_when_its_key_is_replaced_under_the_same_name(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)
    desk.publish(ISSUER, [jwk(STRANGE_KEY, "d")])

    assert desk.verifier.remembered(good) is None
    with pytest.raises(Refused):
        await desk.verifier.verify(good)


async def test_remembered_token_dies_when_its_key_is_for_another_algorithm_now(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)
    desk.publish(ISSUER, [key | ({"alg": "Ed25519"} if key["kid"] == "d" else {}) for key in KEYS])

    assert desk.verifier.remembered(good) is None


async def test_new_key_is_used_and_what_is_remembered_goes_on(desk: Desk) -> None:
    good, new = token(), signed(header(kid="new"), None, STRANGE_KEY)
    identity = await desk.verifier.verify(good)
    desk.publish(ISSUER, [*KEYS, jwk(STRANGE_KEY, "new")])

    assert desk.verifier.remembered(good) is identity
    assert (await desk.verifier.verify(new)).caller == identity.caller


async def test_memory_is_bounded_and_forgets_the_oldest(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.identity.verifier.REMEMBERED", 2)
    tokens = [token(), token(), token()]

    for good in tokens:
        await desk.verifier.verify(good)

    assert [desk.verifier.remembered(good) is not None for good in tokens] == [False, True, True]


async def test_token_verified_again_takes_one_place(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.identity.verifier.REMEMBERED", 2)
    first, second = token(), token()

    for good in (first, second, second, second):
        await desk.verifier.verify(good)

    assert desk.verifier.remembered(first) is not None


async def test_reason_is_for_the_log_alone_and_holds_nothing_of_the_token(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gateway.identity")

    with pytest.raises(Refused) as refused:
        await desk.verifier.verify(token(client_id="secret client", aud="secret audience"))

    assert "client_id" in caplog.text
    assert "client_id" not in refused.value.detail
    assert "secret" not in caplog.text + refused.value.detail


async def test_minted_token_is_accepted(tmp_path: Path) -> None:
    minted = mint(tmp_path, GRANT, issuer=ISSUER, audience=AUDIENCE)
    ring = KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=tmp_path / JWKS_FILE)])

    assert (await Verifier(ring).verify(minted.encode())).caller.client_id == "crm"


def test_minting_makes_its_key_once_and_keeps_the_private_half_for_itself(tmp_path: Path) -> None:
    mint(tmp_path, GRANT, issuer=ISSUER, audience=AUDIENCE)
    before = (tmp_path / KEY_FILE).read_text()

    again = ensure_development_key(tmp_path)

    assert again == tmp_path / JWKS_FILE
    assert (tmp_path / KEY_FILE).read_text() == before
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
    assert '"d"' not in again.read_text()
    assert len(list(tmp_path.iterdir())) == 2


async def test_minting_beside_another_process_uses_the_key_that_was_there_first(tmp_path: Path) -> None:
    ensure_development_key(tmp_path)
    (tmp_path / JWKS_FILE).unlink()

    ring = KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=ensure_development_key(tmp_path))])

    assert await Verifier(ring).verify(mint(tmp_path, GRANT, issuer=ISSUER, audience=AUDIENCE).encode())


async def test_operators_are_told_the_rule_in_words(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        await desk.verifier.verify(token(aud="billing"))

    assert rule_of(refused.value.__cause__) == "Its `aud` does not name this API (RFC 8725 §3.9, RFC 9068 §4)."
    assert rule_of(None) == "It is not a token that is accepted here."
