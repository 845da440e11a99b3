"""Ids in paths and versions in entity tags: whatever they hold, they come back as they were."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.entity_tags import entity_tag, version_in
from gateway.contract.path_segments import RELATIVE, decode_segment, encode_segment

IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda text: text not in RELATIVE)


@given(IDS)
def test_id_survives_the_way_through_a_url(identifier: str) -> None:
    decoded_by_the_edge = unquote(encode_segment(identifier))

    assert not set(decoded_by_the_edge) & set("/\\ ")
    assert decode_segment(decoded_by_the_edge) == identifier


@pytest.mark.parametrize(
    ("identifier", "written"), [("17", "17"), ("A/1", "A%252F1"), ("50 %", "50%2520%2525"), ("é", "%C3%A9")]
)
def test_id_is_written_twice_encoded_only_where_it_must_be(identifier: str, written: str) -> None:
    assert encode_segment(identifier) == written


@pytest.mark.parametrize("segment", ["%41", "50%", "%2f", "%zz", "%2F%", "%00", "a b%25"])
def test_second_spelling_of_an_id_is_refused(segment: str) -> None:
    with pytest.raises(ValueError, match=re.escape(segment)):
        decode_segment(segment)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_version_survives_the_way_through_an_entity_tag(version: str) -> None:
    tag = entity_tag(version)

    assert re.fullmatch(r'"[\x21\x23-\x7e]*"', tag)
    assert version_in(tag) == version


def test_plain_version_stays_as_it_is() -> None:
    assert entity_tag("1795384731.45655") == '"1795384731.45655"'
