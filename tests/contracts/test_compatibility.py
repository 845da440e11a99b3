"""The gate for breaking changes, on pairs of contracts that a person has judged: no false alarm, and none missed."""

import json
from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.compatibility import Kind, changes_between
from gateway.contract.compatibility.kinds import SAFE
from gateway.contract.compatibility.sentences import SENTENCES
from gateway.contract.document import Document
from gateway.lifecycle import load
from tests.contracts.compatibility import pairs_answers, pairs_operations, pairs_requests
from tests.contracts.compatibility.base import Node, base
from tests.contracts.compatibility.edits import Edit, Pair, put

PAIRS = [
    *pairs_operations.OPERATIONS,
    *pairs_operations.PARAMETERS,
    *pairs_requests.BODIES,
    *pairs_requests.FIELDS,
    *pairs_requests.VALUES,
    *pairs_answers.STATUSES,
    *pairs_answers.FIELDS,
    *pairs_answers.VALUES,
]
CONTRACTS = sorted(load())


def edited(*edits: Edit) -> Node:
    document = base()
    for edit in edits:
        edit(document)
    return document


def documents(pair: Pair) -> tuple[Node, Node]:
    return edited(*deepcopy(pair.first)), edited(*pair.first, *pair.edits)


def breaks(old: Node, new: Node) -> bool:
    return any(change.breaking for change in changes_between(old, new))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.kind} {pair.name}")
def test_pair_is_judged_as_a_person_did(pair: Pair) -> None:
    changes = changes_between(*documents(pair))

    assert pair.kind in {change.kind for change in changes}, changes
    assert any(change.breaking for change in changes) == pair.breaks, changes


def test_there_are_many_pairs_and_neither_kind_of_error() -> None:
    errors = Counter(
        "false alarm" if not pair.breaks else "miss" for pair in PAIRS if breaks(*documents(pair)) != pair.breaks
    )

    assert len(PAIRS) >= 160
    assert sum(pair.breaks for pair in PAIRS) >= 60
    assert sum(not pair.breaks for pair in PAIRS) >= 60
    assert errors == Counter()


def test_every_kind_of_change_has_its_sentence_and_nearly_every_one_its_pair() -> None:
    assert SENTENCES.keys() == set(Kind)
    assert set(Kind) == {pair.kind for pair in PAIRS}
    assert {pair.kind for pair in PAIRS if not pair.breaks} == SAFE


@pytest.mark.parametrize("contract", CONTRACTS)
def test_contract_beside_itself_has_no_change(contract: str) -> None:
    document = Document(contract).published()

    assert changes_between(document, json.loads(json.dumps(document))) == []


def reversed_keys(node: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(node, list):
        return [reversed_keys(each) for each in node]
    return {key: reversed_keys(node[key]) for key in reversed(node)} if isinstance(node, dict) else node


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.kind} {pair.name}")
def test_order_of_keys_changes_no_verdict(pair: Pair) -> None:
    old, new = documents(pair)
    told = {(change.kind, change.operation, change.words) for change in changes_between(old, new)}

    turned = changes_between(reversed_keys(old), reversed_keys(new))

    assert {change.kind for change in turned} == {kind for kind, _, _ in told}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(PAIRS), min_size=1, max_size=4, unique_by=lambda pair: pair.name))
def test_what_breaks_alone_breaks_beside_other_things_that_are_additions(chosen: list[Pair]) -> None:
    document = base()
    extra = put("paths /other", {"get": {"operationId": "get_other", "responses": {}}})
    for pair in chosen:
        old, new = documents(pair)
        extra(new)

        assert breaks(old, new) == pair.breaks

    assert document == base()


WORDS = ("description", "title", "example", "summary")


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    """Return every place where words stand, or may."""
    if isinstance(node, list):
        return [each for number, below in enumerate(node) for each in places(below, (*path, number))]
    if not isinstance(node, dict):
        return []
    own = [(*path, "description")] if "type" in node or "description" in node or "operationId" in node else []
    return own + [each for key, below in node.items() if key not in WORDS for each in places(below, (*path, key))]


PLACES = [place for place in places(base()) if "securitySchemes" not in place and "properties" not in place[-2:-1]]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.text(max_size=20)), min_size=1, max_size=8))
def test_words_alone_never_break_anybody(edits: list[tuple[tuple[Any, ...], str]]) -> None:
    old, new = base(), base()
    for place, text in edits:
        node = new
        for step in place[:-1]:
            node = node[step]
        node[place[-1]] = text

    assert not breaks(old, new)


def test_change_of_a_shared_schema_is_told_for_each_operation_that_has_it() -> None:
    found = changes_between(base(), edited(put("components schemas Scope properties id maxLength", 5)))

    assert [(change.operation, change.words) for change in found] == [
        ("POST /holds", "`scope.id` in the request's body takes fewer values: `maxLength` 40 → 5.")
    ]
    assert found[0].pointer == "/components/schemas/Scope/properties/id"
