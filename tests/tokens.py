"""Tokens as an issuer would sign them, and as nobody should: every part can be given as it is to stand there."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

from gateway.identity import Denials, Verifier
from gateway.keys import KeyRing, Tools, TrustedIssuer
from gateway.token_minting import Grant, claims_of

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

NOW = 1_795_000_000.0
ISSUER, OTHER, AUDIENCE = "https://login.example", "https://partner.example", "tiebeam"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PSS_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY, STRANGE_EC = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ED_KEY, STRANGE_KEY = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
NEW_KEY = ed25519.Ed25519PrivateKey.generate()
GRANT = Grant(client_id="crm", scopes=("status:read", "onboardings:start"), legal_entities=("ES01",), lifetime_s=600)
HEADER: Final = {"typ": "at+jwt", "alg": "EdDSA", "kid": "d"}


def jwk(key: PrivateKey, kid: str, **fields: object) -> dict[str, Any]:
    """Return the public half as a set lists it."""
    kinds: dict[Any, Any] = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm: Any = next((found for kind, found in kinds.items() if isinstance(key, kind)), OKPAlgorithm)
    public: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {"kid": kid, "use": "sig"} | {name: value for name, value in public.items() if name != "key_ops"} | fields


KEYS = [
    jwk(RSA_KEY, "r", alg="RS256"),
    jwk(PSS_KEY, "p", alg="PS256"),
    jwk(EC_KEY, "e"),
    jwk(ED_KEY, "d", alg="EdDSA"),
    jwk(NEW_KEY, "n", alg="Ed25519"),
]
THEIRS = [jwk(STRANGE_KEY, "d"), jwk(STRANGE_EC, "e")]
"""The partner's keys have the same names."""


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


def open_desk(
    folder: Path,
    denials: Denials | None = None,
    clock: Clock | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Desk:
    """Return a verifier for two issuers, each with a file of keys."""
    files = {ISSUER: folder / "own.json", OTHER: folder / "partner.json"}
    files[ISSUER].write_text(json.dumps({"keys": KEYS}))
    files[OTHER].write_text(json.dumps({"keys": THEIRS}))
    issuers = [TrustedIssuer(issuer=name, audience=AUDIENCE, jwks_file=file) for name, file in files.items()]
    clock = clock or Clock()
    ring = KeyRing(issuers, Tools(clock=clock))
    return Desk(Verifier(ring, clock, denials=denials, sleep=sleep), clock, files)


def claims(**changes: object) -> dict[str, Any]:
    """Return good claims with changes; one of `...` is left out."""
    found = claims_of(GRANT, issuer=ISSUER, audience=AUDIENCE, now=NOW) | changes
    return {name: value for name, value in found.items() if value is not ...}


def header(**changes: object) -> dict[str, Any]:
    """Return a good header with changes; one of `...` is left out."""
    return {name: value for name, value in (HEADER | changes).items() if value is not ...}


def text(part: object) -> bytes:
    """Return the part in base64url; bytes as they are, anything else as JSON."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def signed(head: object = None, body: object = None, key: Any = ED_KEY, algorithm: str = "EdDSA") -> bytes:  # noqa: ANN401
    """Return both parts and their signature, whatever stands in them; left out, they are good ones."""
    message = text(header() if head is None else head) + b"." + text(claims() if body is None else body)
    library = get_default_algorithms()[algorithm]
    return message + b"." + text(library.sign(message, library.prepare_key(key)))


def token(key: PrivateKey = ED_KEY, algorithm: str = "EdDSA", kid: str = "d", **changes: object) -> bytes:
    """Return a token with changed claims, signed by one of the keys."""
    return signed(header(alg=algorithm, kid=kid), claims(**changes), key, algorithm)


def headed(**changes: object) -> bytes:
    """Return a token with a changed header, whose signature is good."""
    return signed(header(**changes))


def raw_claim(name: str, json_text: str) -> bytes:
    """Return a token in which a claim stands as it is given, be it JSON or not."""
    others = json.dumps(claims(**{name: ...}))
    return signed(body=f'{others[:-1]}, "{name}": {json_text}}}'.encode())


def parts_of(given: bytes) -> list[bytes]:
    """Return the decoded parts."""
    return [base64.urlsafe_b64decode(part + b"==") for part in given.split(b".")]


def with_signature(given: bytes, signature: bytes) -> bytes:
    """Return the token with another signature."""
    return given.rsplit(b".", 1)[0] + b"." + text(signature)
