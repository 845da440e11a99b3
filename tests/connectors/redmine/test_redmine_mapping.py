"""Both languages, pure: identifiers, versions, states, and what each refusal means."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.errors import ApiError, Refused, Unavailable
from openapi.common.types import Code
from openapi.system.psa.v1 import ProjectState, State2
from system_apis.connectors.redmine import mapping, wire
from system_apis.connectors.redmine.errors import ANY, ERRORS, READS, error_for

PROJECT = wire.Project(
    id=9, name="Data platform", identifier="p-0042", status=wire.ACTIVE, updated_on=datetime(2026, 11, 24, tzinfo=UTC)
)
VERSION = wire.Version(id=4, project=wire.Named(id=9, name="Data platform"), name="Go-live", status="open")
TIME = [wire.Named(id=2, name=wire.TIME_TRACKING)]
CODES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", fullmatch=True)


def marked(value: str, *, name: str = mapping.STATE) -> list[wire.CustomValue]:
    return [wire.CustomValue(id=1, name=name, value=value)]


@given(CODES)
def test_identifier_of_any_code_is_one_that_redmine_takes(code: str) -> None:
    identifier = mapping.identifier_of(code)

    assert re.fullmatch(r"(?!\d+$)[a-z0-9_-]{1,100}", identifier)
    assert identifier != "new"
    assert mapping.identifier_of(code) == identifier


@given(CODES, CODES)
def test_identifiers_are_equal_where_codes_differ_in_case_only(one: str, other: str) -> None:
    same = mapping.identifier_of(one) == mapping.identifier_of(other)

    assert same == (one.lower() == other.lower())


@pytest.mark.parametrize(("code", "identifier"), [("P-0042", "p-0042"), ("42", "42-73475cb4"), ("new", "new-11507a0e")])
def test_identifier_stays_what_it_was(code: str, identifier: str) -> None:
    assert mapping.identifier_of(code) == identifier


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (PROJECT, ProjectState.closed),
        (replace(PROJECT, enabled_modules=TIME), ProjectState.open),
        (replace(PROJECT, enabled_modules=TIME, status=wire.CLOSED), ProjectState.closed),
        (replace(PROJECT, custom_fields=marked("Cancelled")), ProjectState.closed),  # Cut off before it was closed.
        (replace(PROJECT, custom_fields=marked("Cancelled"), status=wire.CLOSED), ProjectState.cancelled),
    ],
)
def test_state_of_a_project_needs_mark_and_module(row: wire.Project, state: ProjectState) -> None:
    assert mapping.to_project(row, None, "https://r.example").state is state


def test_version_follows_the_content_and_the_manager() -> None:
    versions = {
        mapping.to_project(PROJECT, None, "https://r.example").version,
        mapping.to_project(PROJECT, 6, "https://r.example").version,
        mapping.to_project(replace(PROJECT, enabled_modules=TIME), 6, "https://r.example").version,
    }

    assert len(versions) == 3
    assert mapping.to_project(PROJECT, 6, "https://r.example").version in versions


@pytest.mark.parametrize(
    ("status", "state"), [("open", State2.planned), ("locked", State2.planned), ("closed", State2.achieved)]
)
def test_state_of_a_milestone(status: str, state: State2) -> None:
    assert mapping.to_milestone(replace(VERSION, status=status)).state is state


def test_state_of_a_milestone_without_a_row_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        mapping.to_milestone(replace(VERSION, status="postponed"))

    assert refused.value.code is Code.mapping_missing


def test_date_in_a_field_of_another_format_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        mapping.to_project(
            replace(PROJECT, custom_fields=marked("next week", name=mapping.START)), None, "https://r.example"
        )

    assert refused.value.code is Code.mapping_missing


def test_change_of_state_keeps_the_other_modules() -> None:
    row = replace(PROJECT, enabled_modules=[wire.Named(id=1, name="wiki"), *TIME])
    ids = {mapping.STATE: 10}

    closed = mapping.from_state(row, ids, takes_time=False, state=mapping.SETTLED)
    opened = mapping.from_state(row, ids, takes_time=True, state=mapping.SETTLED)

    assert closed.enabled_module_names == ["wiki"]
    assert opened.enabled_module_names == ["wiki", "time_tracking"]


@pytest.mark.parametrize(
    ("status", "sentences", "write", "family", "code"),
    [
        (401, [], True, Unavailable, Code.upstream_auth_expired),
        (401, [], False, Unavailable, Code.upstream_auth_expired),
        (403, [], True, Refused, Code.upstream_rejected),
        (403, [], False, Unavailable, Code.upstream_auth_expired),
        (404, [], False, Refused, Code.resource_not_found),
        (422, ["Identifier has already been taken"], True, Refused, Code.project_code_collision),
        (422, ["Name is too long (maximum is 60 characters)"], True, Refused, Code.unsupported_field),
        (422, ["Name has already been taken"], True, Refused, Code.upstream_rejected),
        (422, ["Parent task is invalid"], True, Refused, Code.upstream_rejected),
        (422, ["Principal cannot be blank"], True, Refused, Code.resource_not_mapped),
        (422, ["Status cannot be blank", "Name has already been taken"], True, Refused, Code.upstream_rejected),
        (422, ["Bezeichner ist bereits vergeben"], True, Refused, Code.upstream_rejected),
        (406, [], True, Refused, Code.upstream_rejected),
        (302, [], False, Refused, Code.upstream_rejected),
    ],
)
def test_refusal_has_its_family_and_code(
    status: int, sentences: list[str], *, write: bool, family: type[ApiError], code: Code
) -> None:
    error = error_for(status, sentences, write=write)

    assert (type(error), error.code) == (family, code)
    assert not any(sentence in error.detail for sentence in sentences)


def test_rows_of_errors_are_all_asserted_above() -> None:
    assert set(READS) == {403}
    assert {status for status, sentence in ERRORS if sentence == ANY} == {401, 403, 404}
    assert sum(sentence != ANY for _, sentence in ERRORS) == 5
