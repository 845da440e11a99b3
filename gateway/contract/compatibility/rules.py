"""Limits, patterns and formats: whether a value that passed still passes, and one that did not still does not."""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from gateway.contract.compatibility.shapes import Shape

COUNTED: Final = ("Length", "Items", "Properties")
EXACT: Final = ("pattern", "format", "uniqueItems")
JUDGED: Final = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", *EXACT}
    | {f"{bound}{what}" for bound in ("min", "max") for what in COUNTED}
)


class Rule(NamedTuple):
    """One rule that changed."""

    narrower: bool
    """Something that passed does not any more."""
    wider: bool
    """Something passes that did not."""
    words: str

    @property
    def matter(self) -> str:
        """Return how the kind of change ends."""
        if self.narrower and self.wider:
            return "rule.changed"
        return "rule.narrowed" if self.narrower else "rule.widened"


def rules_changed(old: Shape, new: Shape) -> Iterator[Rule]:
    """Yield each rule that is another one now."""
    yield from _lowest("minimum", _minimum(old), _minimum(new))
    yield from _highest("maximum", _maximum(old), _maximum(new))
    for what in COUNTED:
        yield from _lowest(f"min{what}", *((_number(each, f"min{what}", 0), 0) for each in (old, new)))
        yield from _highest(f"max{what}", *((_number(each, f"max{what}", math.inf), 0) for each in (old, new)))
    for keyword in EXACT:
        before, after = (_said(each, keyword) or None for each in (old, new))
        if before != after:
            yield Rule(after is not None, before is not None, _words(keyword, before, after))
    yield from _multiples(_said(old, "multipleOf"), _said(new, "multipleOf"))


Bound = tuple[float, int]
"""A limit and, where it does not pass itself, on which side of it the first value that does is."""


def _lowest(keyword: str, before: Bound, after: Bound) -> Iterator[Rule]:
    if before != after:
        yield Rule(after > before, after < before, _words(keyword, before[0], after[0]))


def _highest(keyword: str, before: Bound, after: Bound) -> Iterator[Rule]:
    if before != after:
        yield Rule(after < before, after > before, _words(keyword, before[0], after[0]))


def _minimum(shape: Shape) -> Bound:
    found = [(_number(shape, "minimum", -math.inf), 0)]
    if "exclusiveMinimum" in shape.keywords:
        left_out = _number(shape, "exclusiveMinimum", 0)
        found.append((math.floor(left_out) + 1, 0) if _is_whole(shape) else (left_out, 1))
    return max(found)


def _maximum(shape: Shape) -> Bound:
    found = [(_number(shape, "maximum", math.inf), 0)]
    if "exclusiveMaximum" in shape.keywords:
        left_out = _number(shape, "exclusiveMaximum", 0)
        found.append((math.ceil(left_out) - 1, 0) if _is_whole(shape) else (left_out, -1))
    return min(found)


def _multiples(before: Any, after: Any) -> Iterator[Rule]:  # noqa: ANN401 - a number, or None
    if before == after:
        return
    fewer = before is None or (after is not None and _divides(before, after))
    more = after is None or (before is not None and _divides(after, before))
    yield Rule(fewer or not more, more or not fewer, _words("multipleOf", before, after))


def _divides(one: float, other: float) -> bool:
    return Decimal(str(other)) % Decimal(str(one)) == 0


def _is_whole(shape: Shape) -> bool:
    return shape.kinds == {"integer"}


def _said(shape: Shape, keyword: str) -> Any:  # noqa: ANN401 - any value of a keyword
    return shape.keywords[keyword].node if keyword in shape.keywords else None


def _number(shape: Shape, keyword: str, otherwise: float) -> float:
    said = _said(shape, keyword)
    return otherwise if said is None else said


def _words(keyword: str, before: Any, after: Any) -> str:  # noqa: ANN401 - any value of a keyword
    return f"`{keyword}` {_shown(before)} → {_shown(after)}"


def _shown(value: Any) -> str:  # noqa: ANN401 - any value of a keyword
    return "none" if value is None or (isinstance(value, float) and math.isinf(value)) else f"{value}"
