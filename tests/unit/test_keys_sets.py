"""JWK sets: which keys are used, which are passed over, and what a set in a file does when it changes."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys import KeyRing, KeySetError, TrustedIssuer
from gateway.keys.jwk import SMALL_ORDER, usable_key
from gateway.keys.key_set import keys_in
from tests.tokens import (
    AUDIENCE,
    EC_KEY,
    ED_KEY,
    ISSUER,
    KEYS,
    PSS_KEY,
    RSA_KEY,
    STRANGE_KEY,
    Desk,
    jwk,
    open_desk,
    text,
    token,
)

SIZES = {bits: rsa.generate_private_key(public_exponent=65537, key_size=bits) for bits in (1024,)}
SMALL_EXPONENT = rsa.generate_private_key(public_exponent=3, key_size=2048)
WRONG_CURVE = ec.generate_private_key(ec.SECP384R1())
TRUSTED = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=Path("keys.json"))


def without(name: str) -> dict[str, Any]:
    return {known: value for known, value in jwk(RSA_KEY, "r").items() if known != name}


USELESS: dict[str, Any] = {
    "null": None,
    "a text": "r",
    "without anything": {"kty": "RSA"},
    "kid a number": jwk(RSA_KEY, "r") | {"kid": 1},
    "kid empty": jwk(RSA_KEY, ""),
    "kid long": jwk(RSA_KEY, "r" * 201),
    "kid missing": without("kid"),
    "kty missing": without("kty"),
    "kty a list": jwk(RSA_KEY, "r", kty=["RSA"]),
    "kty unknown": jwk(RSA_KEY, "r", kty="AKP"),
    "crv a list": jwk(ED_KEY, "r", crv=["Ed25519"]),
    "for encryption": jwk(RSA_KEY, "r", use="enc"),
    "for RS512": jwk(RSA_KEY, "r", alg="RS512"),
    "for HS256": jwk(RSA_KEY, "r", alg="HS256"),
    "for none": jwk(RSA_KEY, "r", alg="none"),
    "for RSA-OAEP": jwk(RSA_KEY, "r", alg="RSA-OAEP"),
    "alg a list": jwk(RSA_KEY, "r", alg=["RS256"]),
    "EC key for RS256": jwk(EC_KEY, "r", alg="RS256"),
    "operations of encryption": jwk(RSA_KEY, "r", key_ops=["encrypt"]),
    "operations a text": jwk(RSA_KEY, "r", key_ops="verify"),
    "modulus of a byte": jwk(RSA_KEY, "r", n="AQ"),
    "modulus a number": jwk(RSA_KEY, "r", n=5),
    "weak modulus": jwk(SIZES[1024], "r"),
    "huge modulus": jwk(RSA_KEY, "r", n=text((2**16_384 - 1).to_bytes(2048)).decode()),
    "exponent 3": jwk(SMALL_EXPONENT, "r"),
    "exponent 1": jwk(RSA_KEY, "r", e="AQ"),
    "another curve": jwk(WRONG_CURVE, "r"),
    "a point beside the curve": jwk(EC_KEY, "r", x="AQ", y="AQ"),
    "the point at infinity": jwk(EC_KEY, "r", x=text(bytes(32)).decode(), y=text(bytes(32)).decode()),
    "a secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "r", "alg": "HS256"},
    "a private key": jwk(ED_KEY, "r") | {"d": "c2VjcmV0"},
    "an exponent of private keys": jwk(RSA_KEY, "r") | {"dp": "c2VjcmV0"},
    "a point too short": jwk(ED_KEY, "r") | {"x": "c2hvcnQ"},
    **{
        f"small order {number}": jwk(ED_KEY, "r") | {"x": text(x).decode()}
        for number, x in enumerate(sorted(SMALL_ORDER))
    },
}


@pytest.mark.parametrize("name", USELESS)
def test_key_of_no_use_is_passed_over_and_the_others_serve(name: str) -> None:
    keys = keys_in(TRUSTED, json.dumps({"keys": [USELESS[name], jwk(ED_KEY, "d")]}).encode())

    assert set(keys) == {"d"}


@pytest.mark.parametrize("x", sorted(SMALL_ORDER))
def test_library_takes_points_of_small_order_for_keys(x: bytes) -> None:
    """Otherwise the list were superfluous."""
    assert Ed25519PublicKey.from_public_bytes(x)


@pytest.mark.parametrize(
    ("given", "algorithm"),
    [
        (jwk(RSA_KEY, "k"), "RS256"),
        (jwk(RSA_KEY, "k", alg="RS256"), "RS256"),
        (jwk(PSS_KEY, "k", alg="PS256"), "PS256"),
        (jwk(EC_KEY, "k"), "ES256"),
        (jwk(ED_KEY, "k"), "EdDSA"),
        (jwk(ED_KEY, "k", alg="Ed25519"), "Ed25519"),
        (jwk(ED_KEY, "k", key_ops=["verify"], x5t="abc", unknown=1), "EdDSA"),
    ],
)
def test_key_has_one_algorithm(given: dict[str, Any], algorithm: str) -> None:
    key = usable_key(TRUSTED, given)

    assert key is not None
    assert key.algorithm == algorithm


ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.sampled_from(["kty", "crv", "alg", "use", "key_ops", "kid", "n", "e", "x", "y"]), ODD))
def test_no_key_however_odd_breaks_the_reading(changes: dict[str, Any]) -> None:
    for good in KEYS:
        assert set(keys_in(TRUSTED, json.dumps({"keys": [good | changes, jwk(ED_KEY, "other")]}).encode())) >= {"other"}


def test_name_of_two_different_keys_is_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    listed = [jwk(ED_KEY, "d"), jwk(STRANGE_KEY, "d"), jwk(EC_KEY, "e"), jwk(EC_KEY, "e")]

    keys = keys_in(TRUSTED, json.dumps({"keys": listed}).encode())

    assert set(keys) == {"e"}
    assert "two keys are named 'd'" in caplog.text


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"keys": 1}',
    b'{"keys": {"d": 1}}',
    b'{"key": []}',
    b"\xff\xfe",
    b'{"keys": [' + b"{}," * 100 + b"{}]}",
    b'{"keys": [' + b"[" * 5000,
    b'{"keys": []}' + b" " * 262_144,
]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
async def test_keys_stay_as_they_were_while_their_file_cannot_be_used(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk = open_desk(tmp_path)
    replace(desk, content)

    assert (await desk.verifier.verify(token())).client_id == "crm"
    assert "stay as they were" in caplog.text
    assert desk.verifier.keys.states[0].fault


async def test_keys_stay_as_they_were_while_their_file_is_away(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    os.remove(desk.files[ISSUER])  # noqa: PTH107 - as an operator would.
    desk.clock.now += 2

    assert (await desk.verifier.verify(token())).client_id == "crm"


async def test_empty_set_withdraws_the_last_key(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    good = token()
    await desk.verifier.verify(good)
    desk.publish(ISSUER, [])

    assert desk.verifier.remembered(good) is None
    assert desk.verifier.keys.states[0].kids == ()


async def test_file_is_looked_at_once_a_second(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.verifier.keys.look()
    replace(desk, b'{"keys": []}', after_s=0.5)

    before = desk.verifier.keys.find(ISSUER, "d")
    desk.clock.now += 0.5

    assert before is not None
    assert desk.verifier.keys.find(ISSUER, "d") is None


async def test_flush_reads_a_file_at_once(tmp_path: Path) -> None:
    desk = open_desk(tmp_path)
    desk.verifier.keys.look()
    replace(desk, b'{"keys": []}', after_s=0)

    await desk.verifier.flush_keys()

    assert desk.verifier.keys.find(ISSUER, "d") is None


def replace(desk: Desk, content: bytes, *, after_s: float = 2) -> None:
    """Write the file as a whole, as somebody beside us would."""
    part = desk.files[ISSUER].with_suffix(".part")
    part.write_bytes(content)
    part.replace(desk.files[ISSUER])
    desk.clock.now += after_s


@pytest.mark.parametrize("content", ['{"keys": []}', json.dumps({"keys": [jwk(ED_KEY, "d"), jwk(STRANGE_KEY, "d")]})])
def test_file_without_a_key_of_use_stops_the_start(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)

    with pytest.raises(KeySetError, match=r"keys\.json: there is no key for"):
        KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=file)])


def test_missing_key_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeySetError, match="nowhere"):
        KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=tmp_path / "nowhere")])


def test_issuer_given_twice_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": KEYS}))
    issuer = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=file)

    with pytest.raises(KeySetError, match="same name"):
        KeyRing([issuer, issuer])
