"""A cursor opens where it was sealed, and nowhere else."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.caller import INSTALLATION, Caller
from gateway.cursors import Cursors
from gateway.errors import Refused
from gateway.secret import Secret
from openapi.common.types import Code

CURSORS = Cursors(Secret("the installation's key"))
LIST = "system/erp/v1:search_customers"
POSITIONS = st.text(st.characters(exclude_categories=["Cs"]))
FILTERS = st.dictionaries(st.text(max_size=5), st.none() | st.text(max_size=5) | st.integers(0, 9), max_size=3)


@given(POSITIONS, FILTERS)
def test_cursor_opens_where_it_was_sealed(after: str, filters: Mapping[str, object]) -> None:
    cursor = CURSORS.seal(LIST, INSTALLATION, filters, after)

    assert CURSORS.open(LIST, INSTALLATION, filters, cursor) == after


@given(POSITIONS, st.data())
def test_cursor_with_one_other_character_is_refused(after: str, data: st.DataObject) -> None:
    cursor = CURSORS.seal(LIST, INSTALLATION, {}, after)
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.sampled_from("abcXYZ019_-.~é").filter(lambda character: character != cursor[place]))

    refused(LIST, INSTALLATION, {}, cursor[:place] + other + cursor[place + 1 :])


@pytest.mark.parametrize(
    ("operation", "caller", "filters"),
    [
        ("system/erp/v1:search_accounting_projects", INSTALLATION, {"name": "a"}),
        (LIST, replace(INSTALLATION, scopes=frozenset({"finance:read"})), {"name": "a"}),
        (LIST, replace(INSTALLATION, legal_entities=frozenset({"ES01"})), {"name": "a"}),
        (LIST, INSTALLATION, {"name": "b"}),
        (LIST, INSTALLATION, {}),
    ],
)
def test_cursor_of_another_list_caller_or_filter_is_refused(
    operation: str, caller: Caller, filters: dict[str, Any]
) -> None:
    cursor = CURSORS.seal(LIST, INSTALLATION, {"name": "a"}, "17")

    refused(operation, caller, filters, cursor)


def test_cursor_of_another_client_that_is_shown_the_same_goes_on() -> None:
    cursor = CURSORS.seal(LIST, INSTALLATION, {}, "17")  # It stands in an answer that the cache gives to both.

    assert CURSORS.open(LIST, replace(INSTALLATION, client_id="another", subject="another"), {}, cursor) == "17"


def test_cursor_of_another_installation_is_refused() -> None:
    refused(LIST, INSTALLATION, {}, Cursors(Secret("another key")).seal(LIST, INSTALLATION, {}, "17"))


@pytest.mark.parametrize("cursor", ["", ".", "1..", "1.MTc.", "2.MTc.AAAA", "1.!.!", "1._w.AAAA", "1.MTc=.AAAA"])
def test_made_up_cursor_is_refused(cursor: str) -> None:
    refused(LIST, INSTALLATION, {}, cursor)


def refused(operation: str, caller: Caller, filters: Mapping[str, object], cursor: str) -> None:
    with pytest.raises(Refused) as error:
        CURSORS.open(operation, caller, filters, cursor)

    assert error.value.code is Code.request_malformed
    assert [(each.code, each.pointer) for each in error.value.violations] == [
        (Code.request_cursor_invalid, "#query/cursor")
    ]
