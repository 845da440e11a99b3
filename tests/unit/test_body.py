"""Bodies of types that ask for more than decoding: closed and open objects, defaults, counts of fields."""

from typing import Any

import pytest
from msgspec import Struct

from gateway.contract.body import BodyReader, read_bounded
from gateway.errors import Refused
from openapi.common.types import Code
from openapi.platform.operations.v1 import Resumption

CLOSED = {"type": "object", "additionalProperties": False}


class Note(Struct, forbid_unknown_fields=True):
    """A body whose type fills something in."""

    text: str = "abc"
    color: str = "red"


class Count(Struct, forbid_unknown_fields=True):
    """A body with a number."""

    number: int
    parts: list[Any] = []


def reader(kind: type, **schema: Any) -> BodyReader:  # noqa: ANN401 - any schema.
    return BodyReader(kind, {**CLOSED, **schema}, required=True, max_bytes=1_000)


def codes(reader: BodyReader, body: bytes) -> list[str]:
    with pytest.raises(Refused) as error:
        reader.decode(body)
    assert error.value.code is Code.request_malformed
    return [violation.code for violation in error.value.violations]


def test_default_that_is_filled_in_hides_no_repeated_key() -> None:
    texts = {"text": {"type": "string"}, "color": {"type": "string"}}

    # As many quotes come in as go out: two for each key and value that the type adds.
    assert codes(reader(Note, properties=texts), b'{"text":"a","text":"b"}') == ["request.duplicate_key"]


def test_count_of_fields_is_asked_where_the_contract_does() -> None:
    texts = {"text": {"type": "string"}, "color": {"type": "string"}}
    notes = reader(Note, properties=texts, minProperties=1)

    assert codes(notes, b"{}") == ["request.body_invalid"]
    assert notes.decode(b'{"text": "a"}') == Note(text="a")


def test_free_form_body_is_bounded_in_depth() -> None:
    free = BodyReader(Resumption, {"type": "object"}, required=True, max_bytes=100_000)
    nested = b'{"decision":{"a":' + b"[" * 63 + b"]" * 63 + b"}}"

    assert free.decode(nested.replace(b"[[", b"[").replace(b"]]", b"]"))
    assert codes(free, nested) == ["request.too_deep"]


def test_integer_may_be_written_with_an_empty_fraction() -> None:
    schema = {"properties": {"number": {"type": "integer", "maximum": 9}, "parts": {"type": "array"}}}
    counts = reader(Count, **schema)

    assert counts.decode(b'{"number": 1.0, "parts": [{"a": 2.5}]}') == Count(number=1, parts=[{"a": 2.5}])
    assert codes(counts, b'{"number": 1.5}') == ["request.body_invalid"]
    assert codes(counts, b'{"number": 1.0, "number": 2.0}') == ["request.duplicate_key"]
    assert codes(counts, b'{"number": "' + b"[" * 70 + b'", "parts": ' + b"[" * 70 + b"]" * 70 + b"}") == [
        "request.too_deep"
    ]


def test_nul_in_a_key_is_placed_at_its_object() -> None:
    free = BodyReader(Resumption, {"type": "object"}, required=True, max_bytes=100_000)

    with pytest.raises(Refused) as error:
        free.decode(b'{"decision": {"a": [{"\\u0000": 1}]}}')

    assert [violation.pointer for violation in error.value.violations] == ["#/decision/a/0"]


async def test_connection_that_ends_before_the_body_is_no_body() -> None:
    async def receive() -> Any:  # noqa: ANN401 - an ASGI message.
        return {"type": "http.disconnect"}

    with pytest.raises(Refused, match="ended before the body did"):
        await read_bounded({"headers": []}, receive, 10)  # type: ignore[typeddict-item]


@pytest.mark.parametrize("length", [b"11", b"ten", b"-1"])
async def test_length_that_cannot_be_is_refused_before_reading(length: bytes) -> None:
    async def receive() -> Any:  # noqa: ANN401 - an ASGI message.
        raise AssertionError

    with pytest.raises(Refused) as error:
        await read_bounded({"headers": [(b"content-length", length)]}, receive, 10)  # type: ignore[typeddict-item]

    assert error.value.code is Code.request_too_large
