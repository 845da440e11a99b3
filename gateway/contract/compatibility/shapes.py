"""A schema in the form in which two can be compared: references followed, parts merged, null apart."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.contract.compatibility.nodes import ABSENT, Spot, text_of

WORDS: Final = frozenset({"title", "description", "example", "examples", "deprecated", "$comment", "externalDocs"})
"""Keywords that change nothing for a program."""
FLAGS: Final = frozenset({"readOnly", "writeOnly"})
"""Keywords that say nothing where they say no."""
KINDS: Final = frozenset({"string", "number", "integer", "boolean", "array", "object"})
CHOICES: Final = ("oneOf", "anyOf")
ALONE: Final = frozenset({"additionalProperties", "unevaluatedProperties", "patternProperties"})
"""They speak of the properties beside them only: a part that has one cannot be merged with others."""
KIND_OF: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}


class Shape:
    """What one schema lets through."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self.form = spot
        """Where it stands, or the one form that is left of it without null."""
        self.words: dict[str, Any] = {}
        self.keywords: dict[str, Spot] = {}
        self.properties: dict[str, Spot] = {}
        self.required: set[str] = set()
        self.choices: list[Shape] = []
        self._takes_null = False
        self._collect(spot, frozenset())
        self._split_choices()

    def below(self, key: str) -> Spot:
        """Return what a keyword says; where the schema has none such, a spot without a node."""
        return self.keywords[key] if key in self.keywords else Spot(self.spot.document, self.pointer, ABSENT)

    @property
    def pointer(self) -> str:
        """Return where its own text stands."""
        return plain(self.spot).pointer

    @property
    def name(self) -> str:
        """Return what people call it."""
        named = plain(self.form)
        return named.pointer.rsplit("/", 1)[-1] if named.pointer != self.form.pointer else self.said_kinds

    @property
    def says_nothing(self) -> bool:
        """Tell whether it takes any value."""
        return not (self.keywords or self.properties or self.required or self.choices)

    @property
    def values(self) -> list[Any] | None:
        """Return the values it lists, null left out; None where it lists none."""
        said = self._said_values()
        if not said:
            return None
        return [one for one in said[0] if one is not None and all(one in others for others in said)]

    @property
    def kinds(self) -> frozenset[str]:
        """Return the kinds of values it takes, null left out; a number includes integers."""
        said = self._listed_kinds()
        if said is None and self.values is not None:
            said = frozenset(KIND_OF.get(type(value), "string") for value in self.values)
        found = KINDS if said is None else said - {"null"}
        return found | {"integer"} if "number" in found else found

    @property
    def said_kinds(self) -> str:
        """Return its kinds in words."""
        found = self.kinds - ({"integer"} if "number" in self.kinds else set())
        if found == KINDS - {"integer"}:
            return "anything"
        return " or ".join(sorted(found)) or ("null" if self.null else "nothing")

    @property
    def null(self) -> bool:
        """Tell whether it takes null."""
        if self._takes_null:
            return True
        listed = self._listed_kinds()
        if said := self._said_values():
            return all(None in values for values in said) and (listed is None or "null" in listed)
        return "null" in listed if listed is not None else not self.choices

    def _said_values(self) -> list[list[Any]]:
        """Return the values as each keyword lists them."""
        constant = [[self.keywords["const"].node]] if "const" in self.keywords else []
        return [*constant, self.keywords["enum"].node] if "enum" in self.keywords else constant

    def _listed_kinds(self) -> frozenset[str] | None:
        if "type" not in self.keywords:
            return None
        said = self.keywords["type"].node
        return frozenset([said] if isinstance(said, str) else said)

    def _collect(self, spot: Spot, above: frozenset[str]) -> None:
        """Take in what a schema says; beside what was taken in before, where it is a part of this one."""
        if spot.node is False:
            self.keywords["not"] = spot
            return
        for key, below in spot.items().items():
            if key == "$ref":
                target = spot.referred()
                if target.pointer not in above:
                    self._collect(target, above | {target.pointer})
            elif key in WORDS:
                self.words.setdefault(key, below.node)
            elif key in FLAGS and below.node is False:
                continue
            elif key == "allOf" and all(map(_can_be_merged, below.each())):
                for part in below.each():
                    self._collect(part, above)
            else:
                self._take(key, below)

    def _take(self, key: str, below: Spot) -> None:
        if key == "required":
            self.required.update(below.node)
        elif key == "properties":
            for name, schema in below.items().items():
                known = self.properties.setdefault(name, schema)
                if known is not schema and text_of(known) != text_of(schema):
                    self.keywords[f"properties/{name} of {below.pointer}"] = schema  # Said twice: both hold.
        elif key in self.keywords and text_of(self.keywords[key]) != text_of(below):
            self.keywords[f"{key} of {below.pointer}"] = below
        else:
            self.keywords[key] = below

    def _split_choices(self) -> None:
        """Take null out of the forms to choose from; what is left alone is no choice."""
        found = [key for key in CHOICES if key in self.keywords]
        if len(found) != 1:
            return
        forms = self.keywords[found[0]].each()
        left = [form for form in forms if not _is_null(form.resolved())]
        self._takes_null |= len(left) < len(forms) and "type" not in self.keywords
        if not left and "type" not in self.keywords:
            del self.keywords[found[0]]
            self.keywords["type"] = forms[0]._replace(node="null")
        elif len(left) == 1 and "type" not in self.keywords:
            words = dict(self.words)
            del self.keywords[found[0]]
            self.form = left[0]
            self._collect(left[0], frozenset())
            self.words = words | self.words
            self._split_choices()
        else:
            self.choices = [Shape(form) for form in left]


def _is_null(form: Spot) -> bool:
    """Tell whether the form is null and nothing else, however that is written."""
    return form.get("type") == "null" or form.get("enum") == [None] or form.get("const", ABSENT) is None


def plain(spot: Spot) -> Spot:
    """Return where the text of a schema stands: behind a reference with nothing beside it but words."""
    while isinstance(spot.node, Mapping) and "$ref" in spot.node and not spot.node.keys() - WORDS - {"$ref"}:
        spot = spot.referred()
    return spot


def _can_be_merged(part: Spot) -> bool:
    return not ALONE & set(_keys(part)) and isinstance(part.node, Mapping)


def _keys(part: Spot) -> Iterator[str]:
    yield from part.items()
    if isinstance(part.node, Mapping) and "$ref" in part.node:
        yield from part.resolved().items()
