"""What a token says, typed, and the caller that it makes (RFC 9068 §2.2, RFC 7519 §4.1).

What absent claims mean is decided here, and closed where it can be: without `legal_entities` a token sees no entity.
Without `customers` or `projects` it is not limited to any, for only portals' tokens are; they carry them.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.caller import Caller, Claim
from gateway.identity.rules import NotTaken, Rule

MAX_LIFETIME_S: Final = 86_400
"""A token that outlives a day cannot be called back in time."""

Id = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+\Z")]
"""Visible ASCII, as RFC 6749 has it for clients: no two that look alike differ."""
Subject = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[\x20-\x7e]+\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f*]+\Z")]
"""Of something that a claim lets through. No `*` in it: only a whole claim says all."""
Names = Annotated[list[Name], Meta(max_length=1000)]
Scope = Annotated[str, Meta(pattern=r"^(?:[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*)?\Z")]
Moment = Annotated[float, Meta(ge=0, le=2**53)]


class Claims(Struct, frozen=True):
    """What is read of a token; its types are checked, for a signature vouches for the sender alone."""

    iss: str
    aud: str | list[str]
    sub: Subject
    client_id: Id
    jti: Id
    iat: Moment
    exp: Moment
    nbf: Moment = 0
    scope: Scope = ""
    legal_entities: str | Names = []
    customers: str | Names = "*"
    projects: str | Names = "*"
    cnf: Any | UnsetType = UNSET
    events: Any | UnsetType = UNSET

    @property
    def audiences(self) -> frozenset[str]:
        """Return whom the token is for."""
        return frozenset([self.aud] if isinstance(self.aud, str) else self.aud)


def claims_in(payload: bytes) -> Claims:
    """Return the claims; raises NotTaken where one is missing or of another type."""
    try:
        claims = msgspec.json.decode(payload, type=Claims)
    except (ValueError, RecursionError) as error:  # Every error of msgspec is a ValueError.
        raise NotTaken(Rule.claims, str(error)) from error
    if not claims.iat < claims.exp <= claims.iat + MAX_LIFETIME_S:
        raise NotTaken(Rule.lifetime)
    if claims.cnf is not UNSET:
        raise NotTaken(Rule.bound)
    if claims.events is not UNSET:
        raise NotTaken(Rule.event)
    return claims


def caller_of(claims: Claims) -> Caller:
    """Return who calls; raises NotTaken."""
    return Caller(
        client_id=claims.client_id,
        subject=claims.sub,
        scopes=frozenset(claims.scope.split()),
        legal_entities=_claim(claims.legal_entities),
        customers=_claim(claims.customers),
        projects=_claim(claims.projects),
        issuer=claims.iss,
    )


def _claim(value: str | list[str]) -> Claim:
    if isinstance(value, str):
        if value != "*":
            raise NotTaken(Rule.claims, 'a list or "*"')
        return "*"
    return frozenset(value)
