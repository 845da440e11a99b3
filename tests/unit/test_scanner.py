"""The scanner against documents whose duplicate keys, NULs and depth are known, since they were built from them."""

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.scanner import MAX_DEPTH, has_nul, may_repeat, repeated_key, too_deep


class Members(NamedTuple):
    """An object as its text has it: keys may come twice."""

    pairs: list[tuple[str, Any]]


Node = Any
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["\0", "\\", '"', "\\u0000", '\\"', "[[{", "\\\\u0000"]
)
LEAVES = st.none() | st.booleans() | st.integers(-9, 9) | TEXTS
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(st.tuples(st.sampled_from(["a", "b", "ä", "\0", '"']), inner), max_size=4).map(Members)
    ),
    max_leaves=20,
)


def written(node: Node, *, ascii_only: bool) -> str:
    if isinstance(node, Members):
        pairs = (
            f"{json.dumps(key, ensure_ascii=ascii_only)} : {written(value, ascii_only=ascii_only)}"
            for key, value in node.pairs
        )
        return "{" + ",".join(pairs) + "}"
    if isinstance(node, list):
        return "[ " + ", ".join(written(item, ascii_only=ascii_only) for item in node) + "]"
    return json.dumps(node, ensure_ascii=ascii_only)


def walk(node: Node) -> Iterator[Node]:
    yield node
    for item in (
        [value for _, value in node.pairs] if isinstance(node, Members) else node if isinstance(node, list) else []
    ):
        yield from walk(item)


def repeats(node: Node) -> bool:
    objects = [each.pairs for each in walk(node) if isinstance(each, Members)]
    return any(len({key for key, _ in pairs}) < len(pairs) for pairs in objects)


def texts(node: Node) -> Iterator[str]:
    for each in walk(node):
        if isinstance(each, Members):
            yield from (key for key, _ in each.pairs)
        elif isinstance(each, str):
            yield each


@given(DOCUMENTS, st.booleans())
def test_repeated_key_is_found_wherever_there_is_one(document: Node, ascii_only: bool) -> None:  # noqa: FBT001
    body = written(document, ascii_only=ascii_only).encode()

    assert (repeated_key(body) is not None) == repeats(document)
    assert may_repeat(body, msgspec.json.decode(body)) == repeats(document)


@given(DOCUMENTS, st.booleans())
def test_nul_is_found_wherever_there_is_one(document: Node, ascii_only: bool) -> None:  # noqa: FBT001
    body = written(document, ascii_only=ascii_only).encode()

    assert has_nul(body) == any("\0" in text for text in texts(document))


@given(DOCUMENTS, st.integers(0, 2 * MAX_DEPTH))
def test_depth_counts_levels_and_not_brackets(document: Node, wrapped: int) -> None:
    text = written(document, ascii_only=False)
    own = depth_of(document)

    body = ("[" * wrapped + text + "]" * wrapped).encode()

    assert too_deep(body) == (own + wrapped > MAX_DEPTH)


def depth_of(node: Node) -> int:
    if isinstance(node, Members):
        return 1 + max((depth_of(value) for _, value in node.pairs), default=0)
    return 1 + max(map(depth_of, node), default=0) if isinstance(node, list) else 0


@pytest.mark.parametrize(
    ("body", "deep"),
    [
        (b'["' + b"[" * 1000 + b'"]', False),
        (b'["\\"' + b"[" * 1000 + b'"]', False),
        (b"[" * 100_000, True),
        (b"[{}]" * 100, False),
        (b"]" * 100 + b"[" * 65, True),
        (b"[]" * 100 + b"[", False),
        (b"[" * 65 + b'"', True),
        (b'["' + b"[" * 100, False),
    ],
)
def test_depth_of_what_is_hardly_json(body: bytes, deep: bool) -> None:  # noqa: FBT001
    assert too_deep(body) is deep


@pytest.mark.parametrize("hostile", [b'"\\', b'"a', b"[", b"[]", b"\\"])
def test_depth_is_known_at_once_whatever_is_sent(hostile: bytes) -> None:
    body = b"[]" * (MAX_DEPTH + 1) + hostile * (40_000 // len(hostile))
    began = time.process_time()

    too_deep(body)

    assert time.process_time() - began < 3  # Some 10 ms; once it was 15 s, and grew with the square of the length.


def test_keys_that_differ_in_spelling_only_are_one_key() -> None:
    assert repeated_key(b'{"a": 1, "\\u0061": 2}') == "a"


def test_field_unknown_to_the_type_may_repeat() -> None:
    class Known(msgspec.Struct):
        a: int

    body = b'{"a": 1, "b": "x"}'

    assert may_repeat(body, msgspec.json.decode(body, type=Known))
    assert repeated_key(body) is None
