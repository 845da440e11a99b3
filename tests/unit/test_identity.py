"""Tokens that are accepted, and the many that are not. A new attack is a new row."""

import base64
import hmac
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.errors import Refused
from gateway.identity import Verifier
from gateway.identity.claims import MAX_LIFETIME_S
from gateway.identity.verifier import LEEWAY_S, REMEMBERED
from gateway.keys import KeyRing, KeySetError, Tools, TrustedIssuer
from gateway.token_minting import JWKS_FILE, KEY_FILE, Grant, claims_of, ensure_development_key, mint
from openapi.common.types import Code

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

NOW = 1_795_000_000.0
ISSUER, OTHER, AUDIENCE = "https://login.example", "https://partner.example", "tiebeam"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
WEAK_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - it must be refused.
EC_KEY, WRONG_CURVE = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
ED_KEY, STRANGE_KEY = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
PEM = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
GRANT = Grant(client_id="crm", scopes=("status:read", "onboardings:start"), legal_entities=("ES01",), lifetime_s=600)


def jwk(key: PrivateKey, kid: str, **fields: object) -> dict[str, Any]:
    kinds: dict[Any, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm: Any = next((found for kind, found in kinds.items() if isinstance(key, kind)), OKPAlgorithm)
    public: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {"kid": kid, "use": "sig"} | {name: value for name, value in public.items() if name != "key_ops"} | fields


KEYS = [jwk(RSA_KEY, "r", alg="RS256"), jwk(EC_KEY, "e"), jwk(ED_KEY, "d", alg="EdDSA")]


class Clock:
    """Seconds that stand still."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Desk(NamedTuple):
    """A verifier, its clock, and the files of its issuers."""

    verifier: Verifier
    clock: Clock
    files: dict[str, Path]

    def publish(self, issuer: str, keys: list[Any]) -> None:
        """Replace an issuer's keys, and let the time pass after which they are looked at."""
        part = self.files[issuer].with_suffix(".part")
        part.write_text(json.dumps({"keys": keys}))
        part.replace(self.files[issuer])
        self.clock.now += 2


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    files = {ISSUER: tmp_path / "own.json", OTHER: tmp_path / "partner.json"}
    files[ISSUER].write_text(json.dumps({"keys": KEYS}))
    files[OTHER].write_text(json.dumps({"keys": [jwk(STRANGE_KEY, "d")]}))
    issuers = [TrustedIssuer(issuer=name, audience=AUDIENCE, jwks_file=file) for name, file in files.items()]
    clock = Clock()
    return Desk(Verifier(KeyRing(issuers, Tools(clock=clock)), clock), clock, files)


def claims(**changes: object) -> dict[str, Any]:
    """Return good claims with changes; one of None is left out."""
    found = claims_of(GRANT, issuer=ISSUER, audience=AUDIENCE, now=NOW) | changes
    return {name: value for name, value in found.items() if value is not None}


def token(key: PrivateKey = ED_KEY, algorithm: str = "EdDSA", kid: str | None = "d", **parts: object) -> bytes:
    given = parts.pop("headers", {})
    assert isinstance(given, dict)
    headers = {name: value for name, value in ({"typ": "at+jwt", "kid": kid} | given).items() if value is not None}
    return jwt.encode(claims(**parts), key, algorithm, headers=headers).encode()


def text(part: object) -> bytes:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def unsigned(header: object, body: object, signature: bytes = b"") -> bytes:
    return b".".join((text(header), text(body), text(signature)))


def tampered() -> bytes:
    head, _, tail = token().split(b".")
    return b".".join((head, text(claims(client_id="cfo")), tail))


def confused() -> bytes:
    """Return a token whose HMAC secret is the public key, as CVE-2022-29217 and CVE-2026-39999 had it."""
    signed = text({"alg": "HS256", "typ": "at+jwt", "kid": "r"}) + b"." + text(claims())
    return signed + b"." + text(hmac.digest(PEM, signed, "sha256"))


BAD: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no token": lambda: b"abc",
    "two parts": lambda: b"a.b",
    "five parts": lambda: token() + b".e.f",
    "line feed": lambda: token() + b"\n",
    "not base64": lambda: b"!!!.???.###",
    "not UTF-8": lambda: b"\xff\xfe." + token(),
    "huge": lambda: token(filler="a" * 9000),
    "header no object": lambda: unsigned([1], claims()),
    "header no JSON": lambda: unsigned(b"{", claims()),
    "claims no object": lambda: unsigned({"alg": "EdDSA", "typ": "at+jwt", "kid": "d"}, [1]),
    "claims deep": lambda: unsigned({"alg": "EdDSA", "typ": "at+jwt", "kid": "d"}, b"[" * 5000),
    "none": lambda: unsigned({"alg": "none", "typ": "at+jwt", "kid": "d"}, claims()),
    "None": lambda: unsigned({"alg": "NoNe", "typ": "at+jwt", "kid": "d"}, claims()),
    "no algorithm": lambda: unsigned({"typ": "at+jwt", "kid": "d"}, claims(), b"x" * 64),
    "algorithm a number": lambda: unsigned({"alg": 1, "typ": "at+jwt", "kid": "d"}, claims(), b"x" * 64),
    "HMAC with the public key": confused,
    "tampered": tampered,
    "signature cut": lambda: token()[:-4],
    "signature empty": lambda: token().rsplit(b".", 1)[0] + b".",
    "another key": lambda: token(STRANGE_KEY),
    "another key's name": lambda: token(kid="e"),
    "unknown key": lambda: token(kid="x"),
    "key path": lambda: token(kid="../../etc/passwd"),
    "no key name": lambda: token(kid=None),
    "key name a number": lambda: unsigned({"alg": "EdDSA", "typ": "at+jwt", "kid": 1}, claims(), b"x" * 64),
    "key name a list": lambda: unsigned({"alg": "EdDSA", "typ": "at+jwt", "kid": ["d"]}, claims(), b"x" * 64),
    "RS384 with the RS256 key": lambda: token(RSA_KEY, "RS384", "r"),
    "PS256 with the RS256 key": lambda: token(RSA_KEY, "PS256", "r"),
    "crit": lambda: token(headers={"crit": ["exp"]}),
    "crit unknown": lambda: token(headers={"crit": ["x"], "x": 1}),
    "own key inside": lambda: token(STRANGE_KEY, kid="evil", headers={"jwk": jwk(STRANGE_KEY, "evil")}),
    "key address": lambda: token(STRANGE_KEY, kid="evil", headers={"jku": "https://evil.example/keys"}),
    "kind missing": lambda: token(headers={"typ": None}),
    "kind JWT": lambda: token(headers={"typ": "JWT"}),
    "kind of an ID token": lambda: token(headers={"typ": "id+jwt"}),
    "kind a list": lambda: unsigned({"alg": "EdDSA", "typ": ["at+jwt"], "kid": "d"}, claims(), b"x" * 64),
    "partner's key under our issuer": lambda: token(STRANGE_KEY, iss=ISSUER),
    "our key under the partner's name": lambda: token(iss=OTHER),
    "issuer unknown": lambda: token(iss="https://evil.example"),
    "issuer with a slash more": lambda: token(iss=ISSUER + "/"),
    "issuer a part": lambda: token(iss=ISSUER[:-1]),
    "issuer a list": lambda: unsigned({"alg": "EdDSA", "typ": "at+jwt", "kid": "d"}, claims(iss=[ISSUER]), b"x" * 64),
    "audience another": lambda: token(aud="billing"),
    "audience others": lambda: token(aud=["billing", "mail"]),
    "audience a part": lambda: token(aud="tie"),
    "audience empty": lambda: token(aud=[]),
    "audience a number": lambda: token(aud=1),
    "audience mixed": lambda: token(aud=[AUDIENCE, 1]),
    "no expiry": lambda: token(exp=None),
    "no issue": lambda: token(iat=None),
    "no issuer": lambda: token(iss=None),
    "no audience": lambda: token(aud=None),
    "no subject": lambda: token(sub=None),
    "no client": lambda: token(client_id=None),
    "no name": lambda: token(jti=None),
    "client a number": lambda: token(client_id=1),
    "client empty": lambda: token(client_id=""),
    "client with a blank": lambda: token(client_id="a b"),
    "client long": lambda: token(client_id="a" * 201),
    "subject empty": lambda: token(sub=""),
    "expired": lambda: token(iat=int(NOW) - 700, exp=int(NOW) - LEEWAY_S),
    "expiry a text": lambda: token(exp=str(NOW + 60)),
    "expiry not a number": lambda: unsigned({"alg": "EdDSA", "typ": "at+jwt", "kid": "d"}, b'{"exp": NaN}', b"x" * 64),
    "expiry beyond all": lambda: token(exp=2**60),
    "expiry negative": lambda: token(exp=-1),
    "expiry a truth": lambda: token(exp=True),
    "expiry before issue": lambda: token(iat=int(NOW) + 10, exp=int(NOW) + 5),
    "lifetime too long": lambda: token(exp=int(NOW) + MAX_LIFETIME_S + 1),
    "issued in the future": lambda: token(iat=int(NOW) + LEEWAY_S + 1),
    "not yet": lambda: token(nbf=int(NOW) + LEEWAY_S + 1),
    "scope a list": lambda: token(scope=["status:read"]),
    "entities a text": lambda: token(legal_entities="ES01"),
    "entities numbers": lambda: token(legal_entities=[1]),
    "customers a text": lambda: token(customers="17"),
    "customers an object": lambda: token(customers={"id": "17"}),
    "projects a truth": lambda: token(projects=True),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_token_is_refused(desk: Desk, name: str) -> None:
    with pytest.raises(Refused) as refused:
        await desk.verifier.verify(BAD[name]())

    assert refused.value.code is Code.auth_invalid_token
    assert name not in refused.value.detail


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "r"), (EC_KEY, "ES256", "e"), (ED_KEY, "EdDSA", "d")]
)
async def test_token_of_each_algorithm_says_who_calls(desk: Desk, key: PrivateKey, algorithm: str, kid: str) -> None:
    identity = await desk.verifier.verify(token(key, algorithm, kid))

    assert (identity.issuer, identity.caller.client_id) == (ISSUER, "crm")
    assert identity.caller.scopes == {"status:read", "onboardings:start"}
    assert identity.caller.legal_entities == frozenset({"ES01"})
    assert identity.caller.customers == identity.caller.projects == "*"


@pytest.mark.parametrize("kind", ["AT+JWT", "application/at+jwt", "at+jwt"])
async def test_kind_is_read_in_any_case(desk: Desk, kind: str) -> None:
    assert (await desk.verifier.verify(token(headers={"typ": kind}))).caller.client_id == "crm"


async def test_absent_entities_are_none_and_absent_customers_are_all(desk: Desk) -> None:
    caller = (await desk.verifier.verify(token(legal_entities=None))).caller

    assert caller.legal_entities == frozenset()
    assert not caller.is_limited


@pytest.mark.parametrize("limits", [{"customers": []}, {"projects": ["prj_1"]}, {"customers": ["17"], "projects": "*"}])
async def test_portal_is_limited(desk: Desk, limits: dict[str, Any]) -> None:
    assert (await desk.verifier.verify(token(**limits))).caller.is_limited


async def test_partner_is_verified_with_their_own_key_of_the_same_name(desk: Desk) -> None:
    assert (await desk.verifier.verify(token(STRANGE_KEY, iss=OTHER))).issuer == OTHER


async def test_clocks_may_differ_a_little(desk: Desk) -> None:
    await desk.verifier.verify(token(iat=int(NOW) + LEEWAY_S, nbf=int(NOW) + LEEWAY_S))
    assert await desk.verifier.verify(token(iat=int(NOW) - 100, exp=int(NOW) - LEEWAY_S + 1))


async def test_signature_is_checked_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    good = token()
    first = await desk.verifier.verify(good)
    monkeypatch.setattr(jwt, "decode", None)

    assert await desk.verifier.verify(good) is first


async def test_remembered_token_expires(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)
    desk.clock.now += 600 + LEEWAY_S

    with pytest.raises(Refused):
        await desk.verifier.verify(good)


async def test_remembered_token_dies_with_its_key(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)
    desk.publish(ISSUER, KEYS[:2])

    with pytest.raises(Refused):
        await desk.verifier.verify(good)


async def test_remembered_token_dies_when_its_key_is_replaced_under_the_same_name(desk: Desk) -> None:
    good = token()
    await desk.verifier.verify(good)
    desk.publish(ISSUER, [jwk(STRANGE_KEY, "d")])

    with pytest.raises(Refused):
        await desk.verifier.verify(good)


async def test_new_key_is_used_and_the_others_go_on(desk: Desk) -> None:
    good, new = token(), token(STRANGE_KEY, kid="new")
    await desk.verifier.verify(good)
    desk.publish(ISSUER, [*KEYS, jwk(STRANGE_KEY, "new")])

    assert (await desk.verifier.verify(good).caller == (await desk.verifier.verify(new))).caller


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": 1}', '{"keys": []}', '{"keys": [' + "{}," * 100 + "{}]}"])
async def test_keys_stay_as_they_were_while_their_file_cannot_be_used(
    desk: Desk, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    desk.files[ISSUER].write_text(content)
    desk.clock.now += 2

    assert (await desk.verifier.verify(token())).caller.client_id == "crm"
    assert "stay as they were" in caplog.text


async def test_keys_stay_as_they_were_while_their_file_is_away(desk: Desk) -> None:
    os.remove(desk.files[ISSUER])  # noqa: PTH107 - as an operator would.
    desk.clock.now += 2

    assert (await desk.verifier.verify(token())).caller.client_id == "crm"


@pytest.mark.parametrize(
    "useless",
    [
        None,
        {"kty": "RSA"},
        jwk(RSA_KEY, "r") | {"kid": 1},
        {name: value for name, value in jwk(RSA_KEY, "r").items() if name != "kid"},
        jwk(RSA_KEY, "r", use="enc"),
        jwk(RSA_KEY, "r", alg="RS512"),
        jwk(RSA_KEY, "r", alg="HS256"),
        jwk(RSA_KEY, "r", key_ops=["encrypt"]),
        jwk(RSA_KEY, "r", n="AQ"),
        jwk(WEAK_KEY, "r"),
        jwk(WRONG_CURVE, "r"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "r"},
        jwk(ED_KEY, "r") | {"d": "c2VjcmV0"},
        jwk(ED_KEY, "r") | {"x": "c2hvcnQ"},
    ],
)
def test_key_of_no_use_is_passed_over(tmp_path: Path, useless: object) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [useless, jwk(ED_KEY, "d")]}))
    ring = KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=file)])

    assert ring.find(ISSUER, "r") is None
    assert ring.find(ISSUER, "d") is not None


def test_two_keys_of_one_name_stop_the_start(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk(ED_KEY, "d"), jwk(STRANGE_KEY, "d")]}))

    with pytest.raises(KeySetError, match=r"keys\.json: two keys are named 'd'"):
        KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=file)])


def test_missing_key_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeySetError, match="nowhere"):
        KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=tmp_path / "nowhere")])


def test_issuer_given_twice_stops_the_start(tmp_path: Path) -> None:
    issuer = TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=ensure_development_key(tmp_path))

    with pytest.raises(KeySetError, match="same name"):
        KeyRing([issuer, issuer])


async def test_memory_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.identity.verifier.REMEMBERED", 2)
    first = token()
    for good in (first, token(), token()):
        await desk.verifier.verify(good)

    assert len(desk.verifier._remembered) == 2 < REMEMBERED  # noqa: SLF001
    assert (await desk.verifier.verify(first)).caller.client_id == "crm"


async def test_minted_token_is_accepted_and_its_key_made_once(tmp_path: Path) -> None:
    minted = mint(tmp_path, GRANT, issuer=ISSUER, audience=AUDIENCE)
    again = ensure_development_key(tmp_path)
    ring = KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=tmp_path / JWKS_FILE)])

    assert again == tmp_path / JWKS_FILE
    assert (await Verifier(ring).verify(minted.encode())).caller.client_id == "crm"
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o077 == 0
    assert '"d"' not in again.read_text()
    assert len(list(tmp_path.iterdir())) == 2


async def test_minting_beside_another_process_uses_the_key_that_was_there_first(tmp_path: Path) -> None:
    ensure_development_key(tmp_path)
    (tmp_path / JWKS_FILE).unlink()

    ring = KeyRing([TrustedIssuer(issuer=ISSUER, audience=AUDIENCE, jwks_file=ensure_development_key(tmp_path))])

    assert await Verifier(ring).verify(mint(tmp_path, GRANT, issuer=ISSUER, audience=AUDIENCE).encode())
