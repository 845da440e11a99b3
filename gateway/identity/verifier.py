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
from gateway.identity.denials import Denials
from gateway.keys import Key, KeyRing
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
    issuer: str
    """The exact `iss`."""
    jti: str
    client_id: str
    not_before: float
    expires_at: float
    key: Key
    digest: bytes
    """SHA-256 of the token as it came: what it is remembered by."""


class Verifier:
    """Tokens to identities, each signature checked once while its key is trusted and nobody denies it."""

    def __init__(
        self, keys: KeyRing, clock: Callable[[], float] = time.time, *, denials: Denials | None = None
    ) -> None:
        self._keys, self._clock, self._denials = keys, clock, denials or Denials()
        self._remembered: dict[bytes, Identity] = {}

    @property
    def issuers(self) -> tuple[str, ...]:
        """Return the names of the issuers whose tokens are accepted."""
        return tuple(issuer.issuer for issuer in self._keys.issuers)

    async def start(self) -> None:
        """Begin to fetch keys before they are due; returns at once, whether an issuer answers or not."""

    async def close(self) -> None:
        """End that, and hang up."""

    def remembered(self, token: bytes) -> Identity | None:
        """Return whose token it is where that is known and still holds; None says: `verify` it."""
        identity = self._remembered.get(hashlib.sha256(token).digest())
        if identity is None or not self._keys.holds(identity.key):
            return None
        if not identity.not_before - LEEWAY_S <= self._clock() < identity.expires_at + LEEWAY_S:
            return None
        return identity

    async def verify(self, token: bytes) -> Identity:
        """Return whose token it is; raises Refused(auth_invalid_token), which tells nothing of the reason's detail."""
        if identity := self.remembered(token):
            return identity
        identity = self._verify_signature(token)
        if not identity.not_before - LEEWAY_S <= self._clock() < identity.expires_at + LEEWAY_S:
            raise _invalid()
        self._remember(identity.digest, identity)
        return identity

    def denials_moved(self, generation: int | None) -> bool:
        """Tell whether the denials in memory are of another generation of the topic `denials` than this.

        None says that nobody can tell the generation just now: then once a second.
        """
        return self._denials.moved(generation)

    async def reload_denials(self, generation: int | None) -> None:
        """Return when the denials in memory are those of the database, at least as new as the generation."""
        await self._denials.reload(generation)

    def is_denied(self, identity: Identity) -> bool:
        """Tell whether what is in memory denies a token that was accepted before."""
        return self._denials.deny(identity)

    def keys_moved(self, generation: int) -> bool:
        """Tell whether somebody flushed the keys (the topic `keys`) since this process last did."""
        return False

    async def flush_keys(self, generation: int | None = None) -> None:
        """Fetch every issuer's keys now, whatever is still fresh; what fails stays as it was, and is logged."""

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
            return _identity(msgspec.convert(raw, Claims), key, token)
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


def _identity(claims: Claims, key: Key, token: bytes) -> Identity:
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
        issuer=claims.iss,
        jti=claims.jti,
        client_id=claims.client_id,
        digest=hashlib.sha256(token).digest(),
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
