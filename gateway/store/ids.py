"""Ids of our own objects: a prefix that says what it is, then time and chance. They sort by age as text."""

import secrets
from datetime import datetime

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no I, L, O, U, so that an id can be read out. 26 characters, as in a ULID."""
_LENGTH = 26
_CHANCE_BITS = 80


def new_id(prefix: str, at: datetime) -> str:
    """Return a fresh id such as `pin_01KB0Q3V8X5N7E9RZ2M4T6W8YC`; two of the same moment do not collide."""
    number = int(at.timestamp() * 1000) << _CHANCE_BITS | secrets.randbits(_CHANCE_BITS)
    return f"{prefix}_{_text(number)}"


def _text(number: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))
