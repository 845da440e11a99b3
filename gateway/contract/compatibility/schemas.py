"""Two schemas of one value: what it takes or has now, compared with before. What cannot be judged is noted as such."""

import json
from typing import Any, Final

from gateway.contract.compatibility import choices, objects, rules
from gateway.contract.compatibility.nodes import ABSENT, Spot, text_of
from gateway.contract.compatibility.notes import Notes, Place, Side
from gateway.contract.compatibility.shapes import WORDS, Shape, plain

BELOW: Final = ("items", "propertyNames")
"""Schemas of parts: where less passes in them, less passes as a whole."""
JUDGED: Final = frozenset({"type", "enum", "const", "default", *BELOW}) | choices.JUDGED | objects.JUDGED | rules.JUDGED
"""Keywords that are compared one by one; any other that changes counts as breaking."""


class Schemas:
    """Compares schemas and those in them, each pair once: some contain themselves."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self._seen: set[tuple[str, str, Side]] = set()

    def compare(self, old: Spot, new: Spot, place: Place) -> None:
        """Note down what changed from the one to the other."""
        pair = (plain(old).pointer, plain(new).pointer, place.side)
        if pair not in self._seen:
            self._seen.add(pair)
            self.compare_shapes(Shape(old), Shape(new), place)

    def compare_shapes(self, old: Shape, new: Shape, place: Place, *, null: bool = True) -> None:
        """Note down what changed from the one to the other, keyword by keyword; without null where that is told."""
        if old.words != new.words:
            self.notes.at(place, "words_changed", new.pointer)
        if null and old.null != new.null:
            self.notes.at(place, "null.added" if new.null else "null.removed", new.pointer)
        if self._anything(old, new, place) or choices.compare(self, old, new, place):
            return
        if not self._kinds(old, new, place):
            self._unjudged(old, new, place)
            return
        self._values(old, new, place)
        self._default(old, new, place)
        for rule in rules.rules_changed(old, new):
            self.notes.at(place, rule.matter, new.pointer, what=rule.words)
        objects.compare(self, old, new, place)
        for key in BELOW:
            if key in old.keywords or key in new.keywords:
                below = place.items() if key == "items" else place.inside("(name)")
                self.compare(old.below(key), new.below(key), below)
        self._unjudged(old, new, place)

    def _anything(self, old: Shape, new: Shape, place: Place) -> bool:
        """Note down where any value is taken, or was; tell whether there is nothing else to compare."""
        if not old.says_nothing and not new.says_nothing:
            return False
        if old.kinds != new.kinds:
            self._kinds(old, new, place)
        elif not (old.says_nothing and new.says_nothing):
            matter = "rule.narrowed" if old.says_nothing else "rule.widened"
            self.notes.at(place, matter, new.pointer, what="anything " + ("before" if old.says_nothing else "now"))
        return True

    def _kinds(self, old: Shape, new: Shape, place: Place) -> bool:
        """Note down other kinds of values; tell whether any kind is left, so that there is more to compare."""
        narrower, wider = not old.kinds <= new.kinds, not new.kinds <= old.kinds
        told = {"before": old.said_kinds, "after": new.said_kinds}
        is_narrower = narrower if place.side is Side.request else not wider  # Where it is both, what breaks is told.
        if narrower or wider:
            self.notes.at(place, "type.narrowed" if is_narrower else "type.widened", new.pointer, **told)
        return bool(old.kinds & new.kinds)

    def _values(self, old: Shape, new: Shape, place: Place) -> None:
        """Note down values that were added to or taken from those that are listed."""
        before, after = old.values, new.values
        if before is None or after is None:
            if before != after:
                matter = "value.added" if after is None else "value.removed"
                self.notes.at(place, matter, new.pointer, what="any other value than the listed ones")
            return
        gone = [value for value in before if _typed(value) not in map(_typed, after)]
        come = [value for value in after if _typed(value) not in map(_typed, before)]
        for matter, values in (("value.removed", gone), ("value.added", come)):
            if values:
                self.notes.at(place, matter, new.pointer, what=", ".join(f"`{value}`" for value in values))

    def _default(self, old: Shape, new: Shape, place: Place) -> None:
        before, after = old.below("default"), new.below("default")
        if text_of(before) == text_of(after) and before.is_there == after.is_there:
            return
        added = not before.is_there and place.side is Side.request
        told = {"before": _shown(before.node), "after": _shown(after.node)}
        self.notes.at(place, "default.added" if added else "default.changed", new.pointer, **told)

    def _unjudged(self, old: Shape, new: Shape, place: Place) -> None:
        judged = JUDGED if old.choices else JUDGED - choices.JUDGED  # Nobody has looked at them where none was taken.
        for key in sorted({*old.keywords, *new.keywords} - judged):
            if text_of(old.below(key), WORDS) != text_of(new.below(key), WORDS):
                self.notes.at(place, "keyword_changed", new.pointer, what=key.split(" of ")[0])


def _typed(value: Any) -> tuple[bool, Any]:  # noqa: ANN401 - any JSON
    """Return the value so that `true` is not 1, as it is for Python."""
    return isinstance(value, bool), value


def _shown(value: Any) -> str:  # noqa: ANN401 - any JSON
    return "nothing" if value is ABSENT else f"`{json.dumps(value, default=str)}`"
