"""How closely globs name something: what one set of rows means does not hang on the order in which they are written."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

EXACT: Final = 1_000_000
"""Closer than any glob: the name itself stands there."""
NOT_LITERAL: Final = re.compile(r"\[!?\]?[^\]]*\]|[*?]")
"""What stands for something else: a class of characters, one character, any number of them."""


def closeness(globs: Iterable[str], name: str) -> int | None:
    """Return how closely the closest of the globs names it, by the characters that it spells out; None if none does."""
    return max((_spelt_out(glob, name) for glob in globs if glob == name or fnmatchcase(name, glob)), default=None)


def _spelt_out(glob: str, name: str) -> int:
    return EXACT if glob == name else len(NOT_LITERAL.sub("", glob))
