"""The parts of the cache by themselves: keys, bytes, directives, tags, and marks in bodies."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caller import Caller
from gateway.contract.document import Document
from gateway.contract.staleness import stale_at
from gateway.policy.caching.directives import directives_of, wants_of
from gateway.policy.caching.keeping import Terms, tag_of
from gateway.policy.caching.marking import marked_stale
from gateway.policy.caching.stored import Stored
from gateway.policy.call import Call
from gateway.policy.kinds.cache import Cache
from gateway.policy.operation import Operation
from gateway.policy.responses import OVERHEAD_BYTES, Responses
from tests.edge_world import OPERATIONS
from tests.sample_api import document

PRIVATE = Cache(fresh_s=10, when_unavailable="bypass", vary=("x-a",))
SHARED = Cache(fresh_s=10, when_unavailable="bypass", vary=("x-a",), shared_by="visibility")
TEXTS = st.text(alphabet="ab|:,* 1", max_size=4)
CLAIMS = st.one_of(st.just("*"), st.frozensets(TEXTS, max_size=2))
CALLERS = st.builds(
    Caller,
    client_id=TEXTS,
    subject=TEXTS,
    scopes=st.frozensets(st.text(alphabet="ab:", min_size=1, max_size=2), max_size=2),
    legal_entities=CLAIMS,
    customers=CLAIMS,
    projects=CLAIMS,
)
REQUESTS = st.tuples(
    st.sampled_from([operation for operation in OPERATIONS if operation.method == "GET"]),
    TEXTS,
    TEXTS,
    st.one_of(st.none(), TEXTS),
    st.one_of(st.none(), TEXTS),
    CALLERS,
)
Request = tuple[Operation, str, str, str | None, str | None, Caller]


def call_of(request: Request) -> Call:
    operation, path, query, accept, other, caller = request
    fields = {b"accept": accept, b"x-a": other}
    headers = [(name, value.encode()) for name, value in fields.items() if value is not None]

    async def read(_call: Call) -> bytes:
        return b""

    call = Call(operation, {"query_string": query.encode(), "headers": headers}, read)
    call.path, call.known_caller, call.partition, call.visibility = path, caller, caller.partition, caller.visibility
    return call


@given(REQUESTS, REQUESTS)
def test_two_requests_share_a_key_only_where_they_are_the_same(one: Request, other: Request) -> None:
    assert (PRIVATE.key_of(call_of(one)) == PRIVATE.key_of(call_of(other))) is (one == other)


@given(REQUESTS, REQUESTS)
def test_where_a_class_shares_who_is_in_it_is_all_that_counts_of_the_caller(one: Request, other: Request) -> None:
    def known(request: Request) -> tuple[Any, ...]:
        caller = request[5]
        return *request[:5], caller.scopes, caller.legal_entities, caller.customers, caller.projects

    assert (SHARED.key_of(call_of(one)) == SHARED.key_of(call_of(other))) is (known(one) == known(other))


@given(REQUESTS)
def test_rows_that_differ_share_no_key(request_: Request) -> None:
    call = call_of(request_)
    rows = [
        PRIVATE,
        SHARED,
        Cache(fresh_s=11, when_unavailable="bypass", vary=("x-a",)),
        Cache(fresh_s=10, when_unavailable="bypass", vary=("x-b",)),
        Cache(fresh_s=10, when_unavailable="bypass", vary=("x-a",), changed_by=("x:y",)),
    ]

    assert len({row.key_of(call) for row in rows}) == len(rows)


@given(CALLERS, CALLERS, st.binary(max_size=4), st.binary(max_size=4))
def test_tags_that_are_made_differ_by_class_and_body(one: Caller, other: Caller, body: bytes, another: bytes) -> None:
    same = (one.visibility, body) == (other.visibility, another)

    assert (tag_of(one.visibility, body) == tag_of(other.visibility, another)) is same


CALL = call_of((OPERATIONS[0], "/a", "", None, None, Caller(
    client_id="", subject="", scopes=frozenset(), legal_entities="*", customers="*", projects="*"
)))  # fmt: skip


def stored(size: int = 10, begun_at: float = 0.0, vary: tuple[bytes, ...] = (), call: Call = CALL) -> Stored:
    terms = Terms(fresh_s=10, age_s=0, may_be_stale=True, vary=vary, dropped=frozenset())
    return Stored(((b"etag", b'"1"'),), b"a" * size, view="", terms=terms, call=call, begun_at=begun_at)


def found(responses: Responses, names: str) -> str:
    return "".join(name for name in names if responses.find((name,), CALL))


def test_least_recently_used_answer_goes_first() -> None:
    responses = Responses(max_bytes=2 * (OVERHEAD_BYTES + stored().size + 1), clock=lambda: 0.0)
    responses.keep(("a",), stored(), CALL)
    responses.keep(("b",), stored(), CALL)
    responses.find(("a",), CALL)
    responses.keep(("b",), stored(), CALL)
    responses.find(("a",), CALL)
    responses.keep(("c",), stored(), CALL)

    assert found(responses, "abc") == "ac"
    assert responses.figures()["tiebeam_cache_evicted_total"] == 1
    assert responses.figures()["tiebeam_cache_entries"] == 2


def test_bytes_are_those_of_what_is_kept() -> None:
    responses = Responses()
    for size in (10, 100, 1):
        responses.keep(("k" * 8,), stored(size), CALL)

        assert responses.bytes == OVERHEAD_BYTES + stored(size).size + 8

    responses.drop(("k" * 8,), CALL)
    assert (responses.bytes, responses.figures()["tiebeam_cache_entries"]) == (0, 0)


def test_key_counts_with_all_that_a_stranger_may_write_into_it() -> None:
    responses = Responses(max_entry_bytes=OVERHEAD_BYTES + 1_000)

    assert not responses.keep(("a", ("b", b"c" * 2_000, None, 7)), stored(), CALL)
    assert responses.keep(("a", ("b", b"c" * 200, None, 7)), stored(), CALL)


def test_answer_that_is_larger_than_everything_is_not_kept() -> None:
    responses = Responses(max_bytes=OVERHEAD_BYTES)

    assert not responses.keep(("a",), stored(1), CALL)
    assert found(responses, "a") == ""


def test_read_that_was_overtaken_does_not_replace_the_later_one() -> None:
    responses = Responses()
    responses.keep(("a",), stored(begun_at=5.0), CALL)

    assert not responses.keep(("a",), stored(begun_at=4.0), CALL)


def test_names_that_an_answer_varies_by_only_grow() -> None:
    one, other = (call_of((OPERATIONS[0], "/a", "", value, value, CALL.caller)) for value in ("1", "2"))
    responses = Responses()
    responses.keep(("a",), stored(vary=(b"accept",), call=one), one)
    responses.keep(("a",), stored(vary=(b"x-a",), call=other), other)
    responses.keep(("a",), stored(call=one), one)

    assert [responses.find(("a",), call) is not None for call in (one, other, CALL)] == [True, True, False]
    assert responses.find(("a",), one) is not responses.find(("a",), other)


@pytest.mark.parametrize(
    ("field", "directives"),
    [
        (b"no-cache, max-age=5", {b"no-cache": None, b"max-age": b"5"}),
        (b"MAX-AGE=5,max-age=6", {b"max-age": b"5"}),
        (b'private="a, b" , x="\\"", y', {b"private": b"a, b", b"x": b'\\"', b"y": None}),
        (b",, ;, max-age = 5", {b"max-age": None}),
        (b'a="never ends, b', {b"a": b"", b"b": None}),
        (b"", {}),
    ],
)
def test_directives_are_read_as_they_are_meant(field: bytes, directives: dict[bytes, bytes | None]) -> None:
    assert directives_of(field) == directives


@given(st.binary(max_size=60))
def test_any_field_can_be_read(field: bytes) -> None:
    wants = wants_of(field, may_refresh=False)

    assert not wants.anew
    assert all(name == name.lower() for name in directives_of(field))


@pytest.mark.parametrize(
    ("document_", "places", "marked"),
    [
        ({"stale": False, "a": 1}, ("stale",), {"stale": True, "a": 1}),
        ({"items": [{"stale": False}, {"b": 1}]}, ("items/*/stale",), {"items": [{"stale": True}, {"b": 1}]}),
        ({"items": None}, ("stale", "items/*/stale"), {"items": None}),
        ([], ("stale",), []),
    ],
)
def test_mark_stands_where_the_contract_has_a_place_for_it(
    document_: object, places: tuple[str, ...], marked: object
) -> None:
    assert json.loads(marked_stale(json.dumps(document_).encode(), places)) == marked


def test_places_for_marks_are_read_from_the_contract() -> None:
    status = Document("process/status/v1")
    places = {node["operationId"]: stale_at(status, node) for _, _, node in status.operations()}

    assert places == {
        "list_project_statuses": ("items/*/stale",),
        "get_project_status": ("stale",),
        "list_billing_statuses": ("items/*/stale",),
    }
    assert {stale_at(document(), node) for _, _, node in document().operations()} == {()}
