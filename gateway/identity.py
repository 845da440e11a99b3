"""From an access token (RFC 9068, checked as RFC 8725 asks) to the caller.

Everything in a token is a stranger's word until its signature is verified; afterwards it is remembered by its hash.

What absent claims mean is decided here, and closed where it can be: without `legal_entities` a token sees no entity.
Without `customers` or `projects` it is not limited to any, for only portals' tokens are; they carry them.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import jwt
import msgspec
from msgspec import Meta, Struct

from gateway.caller import Caller, Claim
from gateway.errors import Refused
from gateway.key_ring import Key, KeyRing
from openapi.common.types import Code

TYPES: Final = ("at+jwt", "application/at+jwt")
REQUIRED: Final = ("exp", "iat", "iss", "aud", "sub", "client_id", "jti")
LEEWAY_S: Final = 30
MAX_LIFETIME_S: Final = 86_400
"""A token that outlives a day cannot be called back in time."""
REMEMBERED: Final = 10_000
TOKEN_BYTES: Final = 8_192

Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x20\x7f]+\Z")]
Moment = Annotated[float, Meta(ge=0, le=2**53)]


class Claims(Struct, frozen=True):
    """What is read of a token; its types are checked, for a signature vouches for the sender alone."""

    iss: str
    aud: str | list[str]
    sub: Annotated[str, Meta(min_length=1, max_length=200)]
    client_id: Id
    jti: Id
    iat: Moment
    exp: Moment
    nbf: Moment = 0
    scope: str = ""
    legal_entities: str | list[str] = []
    customers: str | list[str] = "*"
    projects: str | list[str] = "*"


class Identity(Struct, frozen=True, kw_only=True):
    """A token that was verified: who calls, for how long, and what vouches for it."""

    caller: Caller
    audiences: frozenset[str]
    not_before: float
    expires_at: float
    key: Key

    @property
    def issuer(self) -> str:
        """Return the exact `iss`."""
        return self.key.issuer.issuer


class Verifier:
    """Tokens to identities, each signature checked once while its key is trusted."""

    def __init__(self, keys: KeyRing, clock: Callable[[], float] = time.time) -> None:
        self._keys, self._clock = keys, clock
        self._remembered: dict[bytes, Identity] = {}

    @property
    def issuers(self) -> tuple[str, ...]:
        """Return the names of the issuers whose tokens are accepted."""
        return tuple(issuer.issuer for issuer in self._keys.issuers)

    def verify(self, token: bytes) -> Identity:
        """Return whose token it is; raises Refused(auth_invalid_token), which tells nothing of the reason's detail."""
        digest = hashlib.sha256(token).digest()
        identity = self._remembered.get(digest)
        if identity is None or not self._keys.holds(identity.key):
            identity = self._verify_signature(token)
            self._remember(digest, identity)
        if not identity.not_before - LEEWAY_S <= self._clock() < identity.expires_at + LEEWAY_S:
            self._remembered.pop(digest, None)
            raise _invalid()
        return identity

    def _remember(self, digest: bytes, identity: Identity) -> None:
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]  # The oldest: it is the next to expire, mostly.
        self._remembered[digest] = identity

    def _verify_signature(self, token: bytes) -> Identity:
        try:
            key = self._key_of(token)
            # Moments are checked by the caller, on every call and by our clock.
            options: Any = {"require": REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
            raw = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                audience=key.issuer.audience,
                issuer=key.issuer.issuer,
                options=options,
            )
            return _identity(msgspec.convert(raw, Claims), key)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, RecursionError) as error:
            raise _invalid() from error

    def _key_of(self, token: bytes) -> Key:
        """Return the key that the token must be signed with; header and claims select it, and decide nothing."""
        if len(token) > TOKEN_BYTES or token.count(b".") != 2:  # noqa: PLR2004 — a signed token has three parts.
            raise ValueError("no signed token")
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
        if str(header.get("typ", "")).lower() not in TYPES:
            raise ValueError("another kind of token")
        key = self._keys.find(claims.get("iss"), header.get("kid"))
        if key is None:
            raise ValueError("no such key")
        return key


def _identity(claims: Claims, key: Key) -> Identity:
    if not claims.iat < claims.exp <= claims.iat + MAX_LIFETIME_S:
        raise ValueError("a lifetime that is not accepted")
    caller = Caller(
        client_id=claims.client_id,
        subject=claims.sub,
        scopes=frozenset(claims.scope.split()),
        legal_entities=_claim(claims.legal_entities),
        customers=_claim(claims.customers),
        projects=_claim(claims.projects),
    )
    return Identity(
        caller=caller,
        audiences=frozenset([claims.aud] if isinstance(claims.aud, str) else claims.aud),
        not_before=max(claims.nbf, claims.iat),
        expires_at=claims.exp,
        key=key,
    )


def _claim(value: str | list[str]) -> Claim:
    if isinstance(value, str) and value != "*":
        raise ValueError('a claim is a list or "*"')
    return "*" if value == "*" else frozenset(value)


def _invalid() -> Refused:
    return Refused(Code.auth_invalid_token, "Fetch a fresh token for this audience; this one is not accepted.")
