"""The place that a `traceparent` names, and our own below it."""

import os

import pytest

from gateway import trace
from gateway.trace import Trace, correlation_id_of, place_of, trace_of

PARENT = f"00-{'a' * 32}-{'b' * 16}-01".encode()


def test_place_is_the_one_that_is_named_and_ours_is_another_in_the_same_trace() -> None:
    assert place_of([PARENT]) == Trace(trace_id="a" * 32, span_id="b" * 16, flags=1)
    ours = trace_of([PARENT])
    assert (ours.trace_id, ours.flags) == ("a" * 32, 1)
    assert ours.span_id != "b" * 16


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [PARENT, PARENT],
        [b"00-1-2-3"],
        [PARENT.replace(b"a", b"0")],
        [PARENT.replace(b"b", b"0")],
        [PARENT.replace(b"00-", b"ff-", 1)],
        [PARENT + b"-more"],
    ],
)
def test_field_that_names_no_place_begins_a_trace(fields: list[bytes]) -> None:
    assert place_of(fields) is None
    assert trace_of(fields).trace_id not in {"a" * 32, "0" * 32}


def test_processes_that_were_forked_from_one_never_give_the_same_correlation_id() -> None:
    trace.prefix.cache_clear()  # As in the server, which gives none before it forks.

    assert len({of_a_child(), of_a_child(), correlation_id_of(None)}) == 3


def of_a_child() -> str:
    """Return the first correlation id of a process that is forked here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, correlation_id_of(None).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        return told.read().decode()
