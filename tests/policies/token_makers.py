"""Makers of forged and odd tokens: what an attacker does, one function each."""

import hmac
import json
import zlib
from collections.abc import Callable
from typing import Any, Final

from cryptography.hazmat.primitives import serialization

from gateway.identity.compact import TOKEN_BYTES
from tests.tokens import (
    EC_KEY,
    ED_KEY,
    HEADER,
    NOW,
    RSA_KEY,
    STRANGE_KEY,
    claims,
    header,
    jwk,
    parts_of,
    signed,
    text,
    token,
    with_signature,
)

SECOND: Final = int(NOW)
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
PUBLIC: Final = RSA_KEY.public_key()
SPKI: Final = serialization.PublicFormat.SubjectPublicKeyInfo
PEM: Final = PUBLIC.public_bytes(serialization.Encoding.PEM, SPKI)
DER: Final = PUBLIC.public_bytes(serialization.Encoding.DER, SPKI)
ED_RAW: Final = ED_KEY.public_key().public_bytes_raw()


def hmac_token(secret: bytes, algorithm: str = "HS256", kid: str = "r") -> bytes:
    """Return a token whose secret is something that everybody knows."""
    message = text(header(alg=algorithm, kid=kid)) + b"." + text(claims())
    return message + b"." + text(hmac.digest(secret, message, f"sha{algorithm[2:]}"))


def ecdsa(change: Callable[[int, int], bytes]) -> bytes:
    """Return a token of the ES256 key whose signature was written anew from its two numbers."""
    good = token(EC_KEY, "ES256", "e")
    signature = parts_of(good)[2]
    return with_signature(good, change(int.from_bytes(signature[:32]), int.from_bytes(signature[32:])))


def two(r: int, s: int) -> bytes:
    return r.to_bytes(32) + s.to_bytes(32)


def malleable() -> bytes:
    """Return a token whose Ed25519 signature has the group's order added: the same equation holds."""
    good = token()
    signature = parts_of(good)[2]
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    return with_signature(good, signature[:32] + s.to_bytes(32, "little"))


def tampered(**changes: object) -> bytes:
    head, _, tail = token().split(b".")
    return b".".join((head, text(claims(**changes)), tail))


def loose_end(part: int) -> bytes:
    """Return a token in which the bits that base64url leaves over in one part are not zero (RFC 4648 §3.5)."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for filler in range(3):
        good = signed(header(x="a" * filler), claims(x="a" * filler))
        parts = good.split(b".")
        if len(parts[part]) % 4:
            last = alphabet.index(parts[part][-1:])
            parts[part] = parts[part][:-1] + alphabet[last + 1 : last + 2]
            return b".".join(parts)
    raise AssertionError("One of three lengths leaves bits over.")


def padded(part: int) -> bytes:
    for filler in range(3):
        parts = signed(header(x="a" * filler), claims(x="a" * filler)).split(b".")
        if len(parts[part]) % 4:
            parts[part] += b"=" * (-len(parts[part]) % 4)
            return b".".join(parts)
    raise AssertionError("One of three lengths is padded.")


def resigned(message: bytes) -> bytes:
    """Return the two parts as they are, with a good signature over just them."""
    return message + b"." + text(ED_KEY.sign(message))


def twice(part: str, name: str, first: str, second: str) -> bytes:
    """Return a token in which a name stands twice, once as it has to be."""
    good: dict[str, Any] = HEADER if part == "header" else claims()
    rest = {known: value for known, value in good.items() if known != json.loads(f'"{name}"')}
    raw = f'{{"{json.loads(chr(34) + name + chr(34))}": {first}, "{name}": {second}, {json.dumps(rest)[1:]}'.encode()
    return signed(raw, None) if part == "header" else signed(None, raw)


def deep(levels: int) -> bytes:
    return b'{"x": ' + b"[" * levels + b"]" * levels + b"}"


def evil_key() -> dict[str, Any]:
    return jwk(STRANGE_KEY, "evil")


def general_json() -> bytes:
    """Return the same token in the JSON serialisation of RFC 7515 §7.2.1."""
    protected, payload, signature = token().decode().split(".")
    return json.dumps({"payload": payload, "signatures": [{"protected": protected, "signature": signature}]}).encode()


def compressed() -> bytes:
    """Return a token with its claims deflated, as JWE would have them."""
    return signed(header(zip="DEF"), zlib.compress(json.dumps(claims()).encode()))


def id_token(**changes: object) -> dict[str, Any]:
    """Return the claims of OpenID Connect Core §2: no client_id, no jti."""
    return claims(client_id=..., jti=..., scope=..., nonce="n-0S6", at_hash="MTIzNDU2", **changes)


LOGOUT: Final = {"http://schemas.openid.net/event/backchannel-logout": {}}


def put(end: bytes, where: str) -> bytes:
    good = token()
    return {"before": end + good, "behind": good + end, "within": good.replace(b".", end + b".", 1)}[where]


def forged(more: dict[str, object]) -> bytes:
    """Return a token of the sender's own key, which its header offers."""
    return signed(header(kid="evil", **more), None, STRANGE_KEY)


def longest() -> bytes:
    filler = TOKEN_BYTES * 3 // 4 - len(token()) * 3 // 4
    return next(made for size in range(filler, 0, -1) if len(made := token(filler="a" * size)) <= TOKEN_BYTES)


LOGOUT: Final = {"http://schemas.openid.net/event/backchannel-logout": {}}
