"""Business keys: two facts never share one, and every one fits the narrowest field."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from process_apis.ledger import keys

FITS = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
PARTS = st.text(min_size=1, max_size=200) | st.from_regex(r"\A[a-b_-]{1,4}(-[0-9a-f]{16})?\Z")
FACTS = st.lists(PARTS, min_size=1, max_size=3).map(tuple)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (keys.onboarding_key("crm1", "0065", 1), "onb_crm1_0065_1"),
        (keys.customer_key("crm1", "4711"), "cus_crm1_4711"),
        (keys.contract_key("crm1", "0065"), "con_crm1_0065"),
        (keys.psa_project_key("crm1", "0065"), "prj_crm1_0065_psa"),
        (keys.erp_project_key("crm1", "0065"), "prj_crm1_0065_erp"),
        (keys.task_key("crm1", "0065", "design"), "tsk_crm1_0065_design"),
        (keys.milestone_key("crm1", "0065", "1-2"), "mil_crm1_0065_1-2"),
    ],
)
def test_key_of_plain_parts_reads_like_the_document(key: str, expected: str) -> None:
    assert key == expected


@given(FACTS)
def test_key_fits_the_alphabet_and_the_length(parts: tuple[str, ...]) -> None:
    assert FITS.match(keys.business_key("onb", *parts))


@given(FACTS, FACTS)
def test_different_facts_have_different_keys(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (keys.business_key("onb", *one) == keys.business_key("onb", *other)) == (one == other)


@given(FACTS)
def test_parts_are_joined_by_underscores_alone(parts: tuple[str, ...]) -> None:
    assert len(keys.business_key("onb", *parts).split("_")) == len(parts) + 1


def test_part_that_had_to_be_changed_ends_in_a_hash() -> None:
    assert re.fullmatch(r"cus_crm1_a-b-[0-9a-f]{16}", keys.customer_key("crm1", "a b"))


def test_part_that_looks_as_if_it_had_been_changed_is_told_from_one_that_was() -> None:
    changed = keys.customer_key("crm1", "a b")

    assert keys.customer_key("crm1", changed.removeprefix("cus_crm1_")) != changed


def test_long_parts_are_cut_and_still_told_apart() -> None:
    one, other = (keys.psa_project_key("crm1", "x" * 100 + end) for end in "ab")

    assert len(one) <= keys.LONGEST
    assert one != other
    assert one.endswith("_psa")
