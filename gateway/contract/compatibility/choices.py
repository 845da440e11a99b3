"""A value with several forms: which of them are new, and which are gone."""

from collections.abc import Callable, Iterator
from typing import Final

from gateway.contract.compatibility.nodes import text_of
from gateway.contract.compatibility.notes import Comparing, Place, Side
from gateway.contract.compatibility.shapes import CHOICES, WORDS, Shape, plain

JUDGED: Final = frozenset({*CHOICES, "discriminator"})
Pair = tuple[Shape | None, Shape | None]


def compare(schemas: Comparing, old: Shape, new: Shape, place: Place) -> bool:
    """Note down what changed of the forms; tell whether that was all there is to compare."""
    if not old.choices and not new.choices:
        return False
    if not (old.choices and new.choices) and not _is_nothing_else(old if old.choices else new):
        schemas.notes.at(place, "keyword_changed", new.pointer, what=_keyword(old) or _keyword(new))
        return True
    _keywords(schemas, old, new, place)
    for before, after in _paired(old.choices or [old], new.choices or [new]):
        if before is None and after is not None:
            schemas.notes.at(place, "choice.added", after.pointer, what=after.name)
        elif after is None and before is not None:
            schemas.notes.at(place, "choice.removed", before.pointer, what=before.name)
        elif before is not None and after is not None:
            schemas.compare_shapes(before, after, place, null=bool(old.choices and new.choices))
    return not (old.choices and new.choices)


def _keyword(shape: Shape) -> str | None:
    return next((key for key in CHOICES if key in shape.keywords), None)


def _is_nothing_else(shape: Shape) -> bool:
    """Tell whether the schema is nothing but a choice."""
    return not shape.keywords.keys() - JUDGED and not shape.properties and not shape.required


def _keywords(schemas: Comparing, old: Shape, new: Shape, place: Place) -> None:
    """Note down another way to choose: one form or any, and by which field."""
    if None not in {_keyword(old), _keyword(new)} and _keyword(old) != _keyword(new):
        schemas.notes.at(place, "keyword_changed", new.pointer, what=_keyword(old))
    before, after = old.below("discriminator"), new.below("discriminator")
    maps = [dict(each.get("mapping") or {}) for each in (before, after)]
    moved = _moved(*maps) or (_renamed(*maps) if place.side is Side.request else _renamed(*reversed(maps)))
    if before.get("propertyName") != after.get("propertyName") or moved:
        schemas.notes.at(place, "keyword_changed", new.pointer, what="discriminator")


def _moved(before: dict[str, str], after: dict[str, str]) -> bool:
    """Tell whether a value names another form now. New and lost forms are told as such."""
    return any(before[name] != after[name] for name in before.keys() & after.keys())


def _renamed(needed: dict[str, str], known: dict[str, str]) -> bool:
    """Tell whether a name is needed that is not known, of a form that has another name there."""
    return any(needed[name] in known.values() for name in needed.keys() - known.keys())


def _paired(old: list[Shape], new: list[Shape]) -> Iterator[Pair]:
    """Yield what was with what is: what says the same, then what bears one name, then what looks alike."""
    before, after = list(old), list(new)
    for feature in FEATURES:
        for one in list(before):
            same = [other for other in after if feature(other) is not None and feature(other) == feature(one)]
            if len(same) == 1 or (same and feature is _text):  # Which of those that say the same is all one.
                before.remove(one)
                after.remove(same[0])
                yield one, same[0]
    if len(before) == len(after) == 1:
        yield before[0], after[0]
        return
    yield from ((one, None) for one in before)
    yield from ((None, one) for one in after)


def _text(shape: Shape) -> str:
    return text_of(shape.form, WORDS)


def _named(shape: Shape) -> str | None:
    return plain(shape.form).pointer if "$ref" in shape.form.items() else None


def _constants(shape: Shape) -> str | None:
    """Return the fields with one value, by which programs tell forms apart."""
    values = {name: Shape(spot).values for name, spot in shape.properties.items()}
    found = sorted((name, str(listed[0])) for name, listed in values.items() if listed and len(listed) == 1)
    return str(found) if found else None


def _kinds(shape: Shape) -> str:
    return shape.said_kinds


FEATURES: Final[tuple[Callable[[Shape], str | None], ...]] = (_text, _named, _constants, _kinds)
