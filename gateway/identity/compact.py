"""One signed token in three parts (RFC 7515 §7.1), taken apart; what is not written the one right way is refused.

Nothing here is believed yet: header and issuer select a key, and decide nothing.
"""

import base64
import json
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from gateway.identity.rules import NotTaken, Rule

TOKEN_BYTES: Final = 8_192
PARTS: Final = 3
TYPES: Final = ("at+jwt", "application/at+jwt")
UNTAKEN: Final = frozenset({"crit", "b64", "zip", "enc", "cty"})
"""Header members that change what the rest means: extensions (we know none), other payloads, tokens in tokens.

`jku`, `x5u`, `jwk` and `x5c` are passed over like every unknown name: nothing is fetched, no key is taken from there.
"""


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
        raise NotTaken(Rule.length)
    parts = token.split(b".")
    if len(parts) != PARTS:
        raise NotTaken(Rule.parts)
    first, payload, signature = map(_decoded, parts)
    header, claimed = _object(first), _object(payload)
    if UNTAKEN & header.keys():
        raise NotTaken(Rule.extensions)
    try:
        known = msgspec.convert(header, Header)
    except msgspec.ValidationError as error:
        raise NotTaken(Rule.header, str(error)) from error
    if known.typ.lower() not in TYPES:
        raise NotTaken(Rule.kind)
    signed = token[: -len(parts[2]) - 1]
    return Compact(header=known, claimed=claimed, payload=payload, signed=signed, signature=signature)


def _decoded(part: bytes) -> bytes:
    """Return what the part holds; one text has one spelling, so that nobody varies a token without a key."""
    if not part:
        raise NotTaken(Rule.parts, "one is empty")
    try:
        raw = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError as error:
        raise NotTaken(Rule.spelling) from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise NotTaken(Rule.spelling)
    return raw


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NotTaken(Rule.json, type(error).__name__) from error
    if not isinstance(found, dict):
        raise NotTaken(Rule.json, "no object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotTaken(Rule.unique_names)
    return found


def _no_number(name: str) -> None:
    raise NotTaken(Rule.json, f"{name} is no number")
