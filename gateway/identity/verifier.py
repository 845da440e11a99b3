"""Tokens to identities: each signature is checked once, and remembered while its key is held and nobody denies it.

Everything in a token is a stranger's word until its signature is verified; afterwards it is remembered by its hash.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from gateway.caller import Caller
from gateway.errors import ApiError, Refused
from gateway.identity.claims import Claims, caller_of, claims_in
from gateway.identity.compact import Compact, taken_apart
from gateway.identity.denials import Denials, none_denied
from gateway.identity.rules import NotTaken, Rule
from gateway.keys import Key, KeyRing, TrustedIssuer
from openapi.common.types import Code

log = logging.getLogger(__name__)

LEEWAY_S: Final = 30
REMEMBERED: Final = 10_000
READ_AGAIN_S: Final = 30.0
"""So often the denials are read although nothing moved: whoever moved them may have failed to say so."""


class Identity(Struct, frozen=True, kw_only=True):
    """A token that was verified: who calls, for how long, and what vouches for it."""

    caller: Caller
    audiences: frozenset[str]
    issuer: str
    """The exact `iss`."""
    jti: str
    client_id: str
    expires_at: float
    until: float
    """When it is no longer taken: its end, and the leeway."""
    key: Key
    digest: bytes
    """SHA-256 of the token as it came: what it is remembered by."""


class Verifier:
    """What the edge asks of each token: first `remembered`, which does not wait, then `verify`, which may."""

    def __init__(
        self,
        keys: KeyRing,
        clock: Callable[[], float] = time.time,
        *,
        denials: Denials | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.keys = keys
        self._clock, self._sleep = clock, sleep
        self._denials = denials or Denials(none_denied, wall=clock)
        self._keys_generation: int | None = None
        self._remembered: dict[bytes, Identity] = {}
        self._reading: asyncio.Task[None] | None = None

    @property
    def issuers(self) -> tuple[str, ...]:
        """Return the names of the issuers whose tokens are accepted."""
        return tuple(issuer.issuer for issuer in self.keys.issuers)

    async def start(self) -> None:
        """Begin to fetch keys before they are due, and to read denials; returns at once, whoever answers or not."""
        await self.keys.start()
        self._reading = asyncio.create_task(self._keep_reading())

    async def close(self) -> None:
        """End that, and hang up."""
        if self._reading:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self.keys.close()

    def remembered(self, token: bytes) -> Identity | None:
        """Return whose token it is where that is known and still holds; None says: `verify` it."""
        identity = self._remembered.get(hashlib.sha256(token).digest())
        if identity is None:
            return None
        self.keys.look()  # Ends `held` where it has to; those who are denied are forgotten when denials are read.
        return identity if identity.key.held and self._clock() < identity.until else None

    async def verify(self, token: bytes, look: Callable[[], Awaitable[None]] | None = None) -> Identity:
        """Return whose token it is; raises Refused(auth_invalid_token), which tells nothing of the reason.

        Waits where its key is not known, and its issuer may be asked for it; and where it is denied for all that this
        process knows, for a `look` at the denials: they may have been lifted.
        """
        digest = hashlib.sha256(token).digest()
        self._remembered.pop(digest, None)
        try:
            compact = taken_apart(token)
            identity = self._verified(compact, self._held(compact) or await self._sought(compact), digest)
            await self._check_denials(identity, look)
        except NotTaken as reason:
            raise _refused(reason) from reason
        self._remember(identity)
        return identity

    def verify_now(self, token: bytes) -> Identity:
        """Return whose token it is as far as shows at once, by a key that is held; raises Refused for any other.

        No issuer is asked for a key, and nobody for denials: it costs one signature, whatever the token says.
        """
        try:
            compact = taken_apart(token)
            identity = self._verified(compact, self._held(compact), hashlib.sha256(token).digest())
            self._check_denied(identity)
        except NotTaken as reason:
            raise _refused(reason) from reason
        self._remember(identity)
        return identity

    def is_denied(self, identity: Identity) -> bool:
        """Tell whether what is in memory denies a token that was accepted before."""
        return self._denials.deny(identity.issuer, identity.jti, identity.client_id)

    def denials_moved(self, generation: int) -> bool:
        """Tell whether the denials in memory are of another generation of the topic `denials` than this.

        While nobody can tell the generation, ask with `denials.UNKNOWN`: then they have moved once a second.
        """
        return self._denials.moved(generation)

    async def reload_denials(self, generation: int) -> None:
        """Return when the denials in memory are at least as new as the generation; raises Unavailable."""
        await self._denials.reload(generation)
        self._forget_denied()

    def keys_moved(self, generation: int) -> bool:
        """Tell whether somebody flushed the keys (the topic `keys`) since this process last did."""
        return generation != self._keys_generation

    def flush_keys(self, generation: int | None = None) -> Awaitable[None]:
        """Return what ends when every issuer's keys were read again, however fresh; what failed stays, and is logged.

        The generation is noted now and not when that begins, so that one call flushes for all.
        """
        if generation is not None:
            self._keys_generation = generation
        return self.keys.refresh()

    def _verified(self, compact: Compact, key: Key | None, digest: bytes) -> Identity:
        if key is None:
            raise NotTaken(Rule.key)
        if compact.header.alg != key.algorithm:
            raise NotTaken(Rule.algorithm)
        if not key.verifies(compact.signed, compact.signature):
            raise NotTaken(Rule.signature)
        claims = claims_in(compact.payload)
        self._check(claims, key.issuer)
        return Identity(
            caller=caller_of(claims),
            audiences=claims.audiences,
            issuer=key.issuer.issuer,  # What chose the key, rather than what is read once more.
            jti=claims.jti,
            client_id=claims.client_id,
            expires_at=claims.exp,
            until=claims.exp + LEEWAY_S,
            key=key,
            digest=digest,
        )

    def _held(self, compact: Compact) -> Key | None:
        """Return the key of that name in the set of the issuer that the token names; no other set is looked at."""
        return self.keys.find(compact.claimed.get("iss"), compact.header.kid)

    async def _sought(self, compact: Compact) -> Key | None:
        """Return it once its issuer was asked, where it may be."""
        issuer = compact.claimed.get("iss")
        return await self.keys.seek(issuer, compact.header.kid) if isinstance(issuer, str) else None

    def _check(self, claims: Claims, issuer: TrustedIssuer) -> None:
        """Return where the claims are for us and for now; raises NotTaken."""
        now = self._clock()
        if issuer.audience not in claims.audiences:
            raise NotTaken(Rule.audience)
        if not max(claims.nbf, claims.iat) - LEEWAY_S <= now < claims.exp + LEEWAY_S:
            raise NotTaken(Rule.time)

    async def _check_denials(self, identity: Identity, look: Callable[[], Awaitable[None]] | None) -> None:
        """Return where nothing denies the token, after one more look where something seems to; raises NotTaken."""
        if look and self.is_denied(identity):
            await look()
        self._check_denied(identity)

    def _check_denied(self, identity: Identity) -> None:
        if self.is_denied(identity):
            raise NotTaken(Rule.denied)

    def _remember(self, identity: Identity) -> None:
        if len(self._remembered) >= REMEMBERED:
            del self._remembered[next(iter(self._remembered))]  # The oldest: it is the next to expire, mostly.
        self._remembered[identity.digest] = identity

    def _forget_denied(self) -> None:
        for identity in [one for one in self._remembered.values() if self.is_denied(one)]:
            self._remembered.pop(identity.digest, None)

    async def _keep_reading(self) -> None:
        while True:
            try:
                await self._denials.reload_anyway()
                self._forget_denied()
            except ApiError as error:
                log.warning("The denials stay as they were. %s", error.detail)
            await self._sleep(READ_AGAIN_S)


def _refused(reason: NotTaken) -> Refused:
    log.debug("A token was refused: %s.", reason)
    return not_accepted()


def not_accepted() -> Refused:
    """Return the refusal of a token, the same whatever is wrong with it: nobody learns from it how to forge one."""
    return Refused(Code.auth_invalid_token, "Fetch a fresh token for this audience; this one is not accepted.")
