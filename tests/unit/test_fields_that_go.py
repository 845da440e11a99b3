"""Finding the fields that go: in objects, lists, maps, and however deep."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lifecycle.fields import REMEMBERED_BYTES, Fields, fields_of, parameters_in, tokens_of

FOUND = [
    ("/note", {"note": "x"}),
    ("/note", {"note": None}),
    ("/note", {"note": {}}),
    ("/customer/name", {"customer": {"name": "x"}}),
    ("/customer", {"customer": {"name": "x"}}),
    ("/lines/*/note", {"lines": [{}, {"note": ""}]}),
    ("/lines/*", {"lines": [1]}),
    ("/rows/*/*/note", {"rows": [[], [{}, {"note": 1}]]}),
    ("/*/note", [{"note": 1}]),
    ("/*", [0]),
    ("/prices/*/amount", {"prices": {"EUR": {"amount": "1"}, "USD": {}}}),
    ("/*/*/note", {"EUR": [{"note": 1}]}),
    ("/a~1b/c~0d", {"a/b": {"c~d": 1}}),
    ("/", {"": 1}),
    ("/~01", {"~1": 1}),
    ("/0", {"0": 1}),
]
NOT_FOUND = [
    ("/note", {}),
    ("/note", {"notes": 1}),
    ("/note", [{"note": 1}]),
    ("/note", "note"),
    ("/note", None),
    ("/customer/name", {"customer": None}),
    ("/customer/name", {"customer": [{"name": 1}]}),
    ("/customer/name", {"name": 1, "customer": {}}),
    ("/lines/*/note", {"lines": []}),
    ("/lines/*/note", {"lines": [{"lines": [{"note": 1}]}]}),
    ("/lines/*", {"lines": []}),
    ("/lines/*", {"lines": "text"}),
    ("/lines/0/note", {"lines": [{"note": 1}]}),
    ("/rows/*/*/note", {"rows": [{"note": 1}]}),
    ("/a~1b", {"a": {"b": 1}}),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=2),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text("ab/~*", max_size=2), below, max_size=3),
    max_leaves=12,
)
NAMES = st.lists(st.text("ab/~*", max_size=2), min_size=1, max_size=4)


@pytest.mark.parametrize(("pointer", "document"), FOUND)
def test_a_field_that_is_there_is_found(pointer: str, document: object) -> None:
    assert Fields([pointer]).inside(document) == {pointer}
    assert Fields([pointer]).inside_text(json.dumps(document).encode()) == {pointer}


@pytest.mark.parametrize(("pointer", "document"), NOT_FOUND)
def test_a_field_that_is_not_there_is_not_found(pointer: str, document: object) -> None:
    assert Fields([pointer]).inside(document) == frozenset()


def test_each_field_is_told_by_itself() -> None:
    fields = Fields(["/note", "/lines/*/note", "/lines/*/tax/code", "/lines", "/total"])

    assert fields.inside({"note": 1, "lines": [{"tax": {}}, {"note": 2}]}) == {"/note", "/lines", "/lines/*/note"}


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b'{"note": 1', b"note=1", b'{"note": "\xff"}', b'{"note": ' + b"[" * 9_000]
)
def test_what_is_no_json_has_no_fields(text: bytes) -> None:
    assert Fields(["/note"]).inside_text(text) == frozenset()


def test_a_long_text_is_read_like_a_short_one() -> None:
    text = json.dumps({"note": "x" * REMEMBERED_BYTES}).encode()

    assert Fields(["/note", "/other"]).inside_text(text) == {"/note"}


def test_the_same_text_is_read_once() -> None:
    class Counted(Fields):
        read = 0

        def inside(self, document: object) -> frozenset[str]:
            self.read += 1
            return super().inside(document)

    fields = Counted(["/note"])
    found = [fields.inside_text(b'{"note": 1}') for _ in range(3)]

    assert found == [frozenset({"/note"})] * 3
    assert fields.read == 1


def test_clients_of_an_operation_share_what_finds_its_fields() -> None:
    assert fields_of(frozenset({"/note"})) is fields_of(frozenset({"/note"}))


@pytest.mark.parametrize("pointer", ["", "note", "#/note"])
def test_a_pointer_that_is_none_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="no JSON Pointer"):
        Fields([pointer])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (b"", set()),
        (b"old=1", {"old"}),
        (b"new=1&old", {"old"}),
        (b"old=", {"old"}),
        (b"older=1", set()),
        (b"%6Fld=1", {"old"}),
        (b"old=1&old=2&also-old=%ff", {"old", "also-old"}),
        (b"q=old", set()),
    ],
)
def test_parameters_are_found_by_name(query: bytes, found: set[str]) -> None:
    assert parameters_in(query, frozenset({"old", "also-old"})) == found


@given(JSON, st.lists(NAMES, min_size=1, max_size=4))
def test_what_is_found_is_what_a_plain_search_finds(document: object, named: list[list[str]]) -> None:
    pointers = [_pointer(names) for names in named]

    found = Fields(pointers).inside(document)

    assert found == {pointer for pointer in pointers if _is_there(document, tokens_of(pointer))}


@given(NAMES)
def test_a_pointer_says_the_names_that_it_was_written_with(names: list[str]) -> None:
    assert tokens_of(_pointer(names)) == names


@given(NAMES, st.lists(st.sampled_from(["list", "map"]), max_size=3))
def test_a_field_is_found_in_whatever_lists_and_maps_stand_around_it(names: list[str], around: list[str]) -> None:
    document: Any = None
    for name in reversed(names):
        document = {name: document}
    for kind in around:
        document = [{}, document] if kind == "list" else {"any": document}
    pointer = "/*" * len(around) + _pointer(names)

    assert Fields([pointer]).inside(document) == {pointer}


def _pointer(names: list[str]) -> str:
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)


def _is_there(node: object, names: list[str]) -> bool:
    """Search without any thought for speed."""
    if not names:
        return True
    name, *rest = names
    if isinstance(node, list):
        return name == "*" and any(_is_there(item, rest) for item in node)
    if not isinstance(node, dict):
        return False
    return any(_is_there(value, rest) for key, value in node.items() if name in {"*", key})
