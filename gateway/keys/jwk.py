"""From one JWK to a key that is bound to its issuer and to one algorithm, whatever a token says of either."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import get_default_algorithms
from msgspec import Struct, field, json

from gateway.keys.issuer import TrustedIssuer

ALGORITHMS: Final[Mapping[tuple[str, str | None], tuple[str, ...]]] = {
    ("RSA", None): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),  # One algorithm by its old and its new name (RFC 9864).
}
"""By key type and curve; the first where the key names none. A key made for another algorithm is not used."""
PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
RSA_BITS: Final = range(2048, 8193)
"""Fewer are weak; more cost a stranger's token milliseconds of ours."""
RSA_EXPONENT: Final = 65_537
KID_LENGTH: Final = 200
SMALL_ORDER: Final = frozenset(
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    )
)
"""Points of Ed25519 under which anybody can sign; the library takes them as keys."""

Verify = Callable[[bytes, Any, bytes], bool]


class Key(Struct, kw_only=True, eq=False):
    """One public key. `held` ends when its issuer withdraws it: whoever remembers what it vouched for asks that."""

    issuer: TrustedIssuer
    kid: str
    algorithm: str
    public: Any
    content: bytes
    """What tells it from another one of its name."""
    held: bool = True
    check: Verify = field(default=lambda *_: False)

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Tell whether this key signed it."""
        return self.check(signed, self.public, signature)


def usable_key(issuer: TrustedIssuer, jwk: object) -> Key | None:
    """Return the key, or None where it is of no use: RFC 7517 §5 wants such ones passed over."""
    if not isinstance(jwk, dict) or not _is_name(jwk.get("kid")) or any(name in jwk for name in PRIVATE):
        return None
    algorithm = _algorithm_of(jwk)
    if algorithm is None or not _is_for_signatures(jwk):
        return None
    library = "EdDSA" if algorithm == "Ed25519" else algorithm
    try:
        public = jwt.PyJWK({name: value for name, value in jwk.items() if name != "alg"}, library).key
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError):
        return None
    if _is_weak(public):
        return None
    content = hashlib.sha256(json.encode(jwk, order="sorted")).digest()
    check = _LIBRARY[library].verify
    return Key(issuer=issuer, kid=jwk["kid"], algorithm=algorithm, public=public, content=content, check=check)


def _is_name(kid: object) -> bool:
    return isinstance(kid, str) and 0 < len(kid) <= KID_LENGTH


def _algorithm_of(jwk: Mapping[str, Any]) -> str | None:
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if not isinstance(kind, str) or not isinstance(curve, str | None):
        return None
    known = ALGORITHMS.get((kind, curve), ())
    named = jwk.get("alg", known[0] if known else None)
    return named if isinstance(named, str) and named in known else None


def _is_for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations


def _is_weak(public: Any) -> bool:  # noqa: ANN401 — the three kinds have no type in common.
    if isinstance(public, RSAPublicKey):
        return public.key_size not in RSA_BITS or public.public_numbers().e < RSA_EXPONENT
    return hasattr(public, "public_bytes_raw") and public.public_bytes_raw() in SMALL_ORDER


_LIBRARY: Final = get_default_algorithms()
