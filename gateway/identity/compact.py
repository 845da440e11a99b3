"""One signed token in three parts (RFC 7515 §7.1), taken apart; what is not written the one right way is refused.

Nothing here is believed yet: header and issuer select a key, and decide nothing.
"""

import base64
import json
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

TOKEN_BYTES: Final = 8_192
PARTS: Final = 3
TYPES: Final = ("at+jwt", "application/at+jwt")
UNTAKEN: Final = frozenset({"crit", "b64", "zip", "enc", "cty"})
"""Header members that change what the rest means: extensions (we know none), other payloads, tokens in tokens.

`jku`, `x5u`, `jwk` and `x5c` are passed over like every unknown name: nothing is fetched, no key is taken from there.
"""


class NotTaken(Exception):
    """The token is refused; the text says why, for our log alone."""


class Header(Struct, frozen=True):
    """What is read of the header."""

    typ: str
    alg: str
    kid: Annotated[str, Meta(min_length=1, max_length=200)]


class Compact(Struct, frozen=True, kw_only=True):
    """A token's parts."""

    header: Header
    claimed: dict[str, Any]
    """The claims, before anybody vouches for them."""
    payload: bytes
    signed: bytes
    signature: bytes


def taken_apart(token: bytes) -> Compact:
    """Return the parts; raises NotTaken."""
    if len(token) > TOKEN_BYTES:
        raise NotTaken("too long")
    parts = token.split(b".")
    if len(parts) != PARTS:
        raise NotTaken("not three parts")
    try:
        first, payload, signature = map(_decoded, parts)
        header, claimed = _object(first), _object(payload)
        if UNTAKEN & header.keys():
            raise NotTaken("a header member that changes the rest")
        known = msgspec.convert(header, Header)
    except (ValueError, RecursionError) as error:  # msgspec's, JSON's and base64's are ValueErrors.
        raise NotTaken(f"not readable: {type(error).__name__}") from error
    if known.typ.lower() not in TYPES:
        raise NotTaken("another kind of token")
    signed = token[: -len(parts[2]) - 1]
    return Compact(header=known, claimed=claimed, payload=payload, signed=signed, signature=signature)


def _decoded(part: bytes) -> bytes:
    """Return what the part holds; one text has one spelling, so that nobody varies a token without a key."""
    if not part:
        raise NotTaken("an empty part")
    raw = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise NotTaken("base64url that is not canonical")
    return raw


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
    if not isinstance(found, dict):
        raise NotTaken("no object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotTaken("a name given twice")
    return found


def _no_number(name: str) -> None:
    raise NotTaken(f"{name} is no number")
