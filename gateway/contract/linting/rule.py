"""What a rule is, and what it finds."""

from collections.abc import Callable, Iterator

from msgspec import Struct

from gateway.contract.linting.subject import Subject

Hit = tuple[str, str]
"""Where in the contract, and what is wrong there."""


class Rule(Struct, frozen=True, kw_only=True):
    """One of our rules for APIs."""

    id: str
    title: str
    mend: str
    """How what breaks it is mended."""
    check: Callable[[Subject], Iterator[Hit]]


class Finding(Struct, frozen=True, kw_only=True):
    """A rule that a contract breaks somewhere."""

    contract: str
    rule: str
    place: str
    """`POST /holds`, `NewHold.note`."""
    detail: str
    mend: str
