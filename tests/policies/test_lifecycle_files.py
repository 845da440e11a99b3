"""What an installation may say of the life of versions, and how each mistake is named. A new case is a new row."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import pytest
import yaml
from msgspec import structs

from gateway.contract import Document
from gateway.contract.retirable import names_in
from gateway.edge.in_force import refusal_of
from gateway.lifecycle import Version, load
from gateway.lifecycle.checking import Names, Served
from gateway.lifecycle.document import FILE, BrownOut, Extension, Retirement
from gateway.policy.compiling import Compiler, Lives
from gateway.policy.document import PolicyError, load_with_texts
from gateway.policy.plan import PolicySet
from gateway.shipped import shipped
from tests.edge_world import OPERATIONS

HOLDS: Final = "process/billing_holds/v1"
NOW: Final = datetime(2026, 11, 24, 9, tzinfo=UTC)
ROWS: Final = """
policies:
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: consumer, client_id: "*", owner: Tests}
"""
DATES: Final = "deprecated_at: 2027-01-01T00:00:00Z, sunset_at: 2027-06-30T00:00:00Z"
OLD: Final = "deprecated_at: 2027-01-01T00:00:00Z, instead: Another."
MISTAKES: Final[Mapping[str, tuple[str, ...]]] = {
    "[": ("lifecycle.yaml: this is no YAML: ",),
    "- a": ("lifecycle.yaml: a lifecycle file holds contract versions, each with what changes of it.",),
    f"{HOLDS}: soon": ("lifecycle.yaml, process/billing_holds/v1: it holds no fields.",),
    "process/holds/v1: {}": ("lifecycle.yaml, process/holds/v1: there is no such version.",),
    f"{HOLDS}: {{status: old, owner: 7, successor: {HOLDS}}}": (
        "field status: Object contains unknown field `status`.",
        "field owner: Expected `str`, got `int`.",
        "field successor: Object contains unknown field `successor`.",
    ),
    f"{HOLDS}: {{{DATES}, brown_outs: [{{from: 2027-02-01T00:00:00Z, until: soon}}]}}": (
        "field brown_outs.0.until: Invalid RFC3339 encoded datetime.",
    ),
    f"{HOLDS}: {{deprecated_at: 2027-01-01, sunset_at: null}}": (
        "field deprecated_at: Expected `datetime | null`, got `date`.",
    ),
    f"{HOLDS}: {{deprecated_at: 2027-01-01T00:00:00, brown_outs: [{{from: 2027-02-01 10:00:00, until: soon}}]}}": (
        "field deprecated_at: Expected `datetime` with a timezone component.",
        "field brown_outs.0.from: Expected `datetime` with a timezone component.",
    ),
    f"{HOLDS}: {{deprecated_at: 2027-01-02T00:00:00Z, sunset_at: 2027-01-01T00:00:00Z}}": (
        "field sunset_at: it is before `deprecated_at`, 2027-01-02T00:00:00Z.",
    ),
    f"{HOLDS}: {{sunset_at: 2027-01-01T00:00:00.5Z}}": (
        "field sunset_at: give a whole second: header fields say no more.",
        "field sunset_at: callers have to be told before it: say `deprecated_at`.",
    ),
    f"{HOLDS}: {{brown_outs: [{{from: 2027-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z}}]}}": (
        "field brown_outs.0.until: it is not after `from`.",
        "field brown_outs.0: it shows what a sunset will do: say `sunset_at`.",
    ),
    f"{HOLDS}: {{{DATES}, brown_outs: [{{from: 2026-12-31T00:00:00Z, until: 2027-06-30T00:00:01Z}}]}}": (
        "field brown_outs.0.until: it is after `sunset_at`, 2027-06-30T00:00:00Z.",
        "field brown_outs.0.from: it is before `deprecated_at`, 2027-01-01T00:00:00Z.",
    ),
    f"{HOLDS}: {{{DATES}, brown_outs: [{{from: 2027-02-01T00:00:00.5Z, until: 2027-02-02T00:00:00Z}}]}}": (
        "field brown_outs.0.from: give a whole second: header fields say no more.",
    ),
    f"""
{HOLDS}:
  deprecated_at: 0001-01-01T00:00:00+05:00
  sunset_at: 9999-12-31T23:59:59-05:00
  brown_outs: [{{from: 0001-01-01T00:00:00Z, until: 2027-02-01T00:00:00Z}}]
  extensions: [{{client_id: crm, until: 9999-12-31T23:59:59-05:00, reason: Late.}}]
  operations: {{lift_hold: {{deprecated_at: 1969-12-31T23:59:59Z, instead: Another.}}}}
""": (
        "field deprecated_at: 1 is no year for it: give one from 1970 to 9998.",
        "field sunset_at: 9999 is no year for it",
        "field brown_outs.0.from: 1 is no year for it",
        "field extensions.0.until: 9999 is no year for it",
        "field operations.lift_hold.deprecated_at: 1969 is no year for it",
    ),
    f"{HOLDS}: {{extensions: [{{client_id: crm, until: 2027-09-30T00:00:00Z, reason: Late.}}]}}": (
        "field extensions.0: nothing ends that could be extended: say `sunset_at`.",
    ),
    f"""
{HOLDS}:
  deprecated_at: 2027-01-01T00:00:00Z
  sunset_at: 2027-06-30T00:00:00Z
  extensions:
  - {{client_id: crm, until: 2027-06-30T00:00:00Z, reason: Late.}}
  - {{client_id: crm, until: 2027-07-30T00:00:00.25Z, reason: Later.}}
""": (
        "field extensions.0.until: it is not after `sunset_at`, 2027-06-30T00:00:00Z.",
        "field extensions.1.until: give a whole second: header fields say no more.",
        "field extensions.1.client_id: crm has another one already.",
    ),
    f"""
{HOLDS}:
  deprecated_at: 2027-01-01T00:00:00Z
  sunset_at: 2027-06-30T00:00:00Z
  extensions:
  - {{client_id: crm, issuer: "https://login.example", until: 2027-07-30T00:00:00Z, reason: Late.}}
  - {{client_id: crm, issuer: "https://other.example", until: 2027-07-30T00:00:00Z, reason: Another one's.}}
  - {{client_id: crm, until: 2027-07-30T00:00:00Z, reason: Whoever's.}}
  - {{client_id: app, until: 2027-07-30T00:00:00Z, reason: Late.}}
  - {{client_id: app, issuer: "https://login.example", until: 2027-07-30T00:00:00Z, reason: Late.}}
  - {{client_id: web, issuer: "https://login.example", until: 2027-07-30T00:00:00Z, reason: Late.}}
  - {{client_id: web, issuer: "https://login.example", until: 2027-07-30T00:00:00Z, reason: Late.}}
""": (
        "field extensions.1.issuer: no issuer in the settings is 'https://other.example'.",
        "field extensions.2.client_id: crm has another one already.",
        "field extensions.4.client_id: app has another one already.",
        "field extensions.6.client_id: web has another one already.",
    ),
    f"{HOLDS}: {{operations: {{end_hold: {{{OLD}}}}}}}": (
        "field operations.end_hold: there is no such operation in the contract.",
    ),
    f"{HOLDS}: {{operations: {{lift_hold: {{{OLD}, sunset_at: 2026-01-01T00:00:00Z}}}}}}": (
        "field operations.lift_hold.sunset_at: it is before `deprecated_at`, 2027-01-01T00:00:00Z.",
    ),
    f"""
{HOLDS}:
  fields:
  - {{operation: end_hold, place: request, pointer: /note, {OLD}}}
  - {{operation: place_hold, place: request, pointer: /scope/kind, {OLD}}}
  - {{operation: place_hold, place: query, pointer: /note, {OLD}}}
  - {{operation: get_hold, place: response, pointer: /note, {OLD}, sunset_at: 2027-02-01T00:00:00Z}}
  - {{operation: place_hold, place: request, pointer: /note, {OLD}}}
  - {{operation: place_hold, place: request, pointer: /note, {OLD}}}
  - {{operation: place_hold, place: request, pointer: /scope, {OLD}, sunset_at: 2027-02-01T00:00:00Z}}
""": (
        "field fields.0.operation: there is no operation end_hold in the contract.",
        "field fields.1.pointer: place_hold has no /scope/kind in its request.",
        "field fields.2.pointer: place_hold has no /note in its query.",
        "field fields.3.sunset_at: what is answered goes only with the version.",
        "field fields.5: it stands there already.",
        "field fields.6.sunset_at: place_hold cannot be called without it: only the operation can end.",
    ),
}


def compiler(versions: Mapping[str, Version] | None = None, without: str = "") -> Compiler:
    """Return what compiles a set where everything is served that ships, at one connection of each family."""
    names = {contract: cache(lambda contract=contract: names_in(Document(contract))) for contract in load()}
    served = Served(
        contracts=frozenset(names) - {without, "system/psa/v1"},
        connections={"erp": ["books"]},
        issuers=["https://login.example"],
        names=lambda contract: names[contract](),
    )
    lives = Lives(versions=versions or load(), served=served, now=lambda: NOW)
    return Compiler(operations=OPERATIONS, issuers=["https://login.example"], connections=(), lives=lives)


def compiled(text: str, using: Compiler | None = None) -> PolicySet:
    """Return the set with this file of the life of versions."""
    return (using or compiler())({"00.yaml": ROWS, FILE: text}).policies


def mistakes_in(text: str, using: Compiler | None = None) -> list[str]:
    """Return the lines that say what does not hold."""
    with pytest.raises(PolicyError) as error:
        compiled(text, using)
    return str(error.value).split("\n")


@pytest.mark.parametrize(("text", "said"), MISTAKES.items())
def test_every_mistake_is_named_with_file_version_and_field(text: str, said: tuple[str, ...]) -> None:
    lines = mistakes_in(text)

    assert all(line.startswith("lifecycle.yaml") for line in lines if not line.startswith((" ", "expected", "while")))
    assert all(any(one in line for line in lines) for one in said), lines
    assert len(lines) == len(said) or text == "["


def test_mistakes_of_rows_and_versions_are_named_together_and_where_a_program_finds_them() -> None:
    with pytest.raises(PolicyError) as error:
        compiler()({"00.yaml": ROWS.replace('["*"]', '["x"]'), FILE: f"{HOLDS}: {{owner: 7, brown_outs: 1}}"})
    refusal = refusal_of(error.value)

    assert [violation.pointer for violation in refusal.violations] == [
        "#/00.yaml/policies/0/issuers",
        "#/lifecycle.yaml/process~1billing_holds~1v1/owner",
        "#/lifecycle.yaml/process~1billing_holds~1v1/brown_outs",
    ]


def test_names_with_slashes_and_tildes_are_found_too() -> None:
    with pytest.raises(PolicyError) as error:
        compiler()({"00.yaml": ROWS, FILE: f"{HOLDS}: {{own/er~: 7}}\nprocess/a~b/v1: {{}}"})

    assert [violation.pointer for violation in refusal_of(error.value).violations] == [
        "#/lifecycle.yaml/process~1billing_holds~1v1/own~1er~0",
        "#/lifecycle.yaml/process~1a~0b~1v1",
    ]


def test_mistakes_of_a_file_that_cannot_be_read_hide_none_in_the_life_of_versions() -> None:
    with pytest.raises(PolicyError) as error:
        compiler()({"00.yaml": "[", FILE: f"{HOLDS}: {{owner: 7}}"})

    assert [mistake.file for mistake in error.value.mistakes] == ["00.yaml", FILE]


def test_file_says_field_by_field_what_changes_and_the_rest_stays() -> None:
    text = f"{HOLDS}: {{{DATES}, brown_outs: [{{from: 2027-02-01T00:00:00Z, until: 2027-02-01T01:00:00+00:00}}]}}"

    policies = compiled(text)
    before, after = load()[HOLDS], policies.lifecycle[HOLDS]

    assert after == structs.replace(
        before,
        deprecated_at=datetime(2027, 1, 1, tzinfo=UTC),
        sunset_at=datetime(2027, 6, 30, tzinfo=UTC),
        brown_outs=(BrownOut(since=datetime(2027, 2, 1, tzinfo=UTC), until=datetime(2027, 2, 1, 1, tzinfo=UTC)),),
    )
    assert {name: version for name, version in policies.lifecycle.items() if name != HOLDS} == {
        name: version for name, version in load().items() if name != HOLDS
    }
    assert policies.file_of(HOLDS, "sunset_at") == "lifecycle.yaml"
    assert policies.file_of(HOLDS, "extensions") == "openapi/lifecycle.yaml"


def test_date_that_was_shipped_can_be_moved_and_taken_back() -> None:
    dated = structs.replace(load()[HOLDS], deprecated_at=NOW, sunset_at=NOW + timedelta(days=9))
    using = compiler(load() | {HOLDS: dated})

    moved = compiled(f"{HOLDS}: {{sunset_at: 2027-12-31T00:00:00Z}}", using).lifecycle[HOLDS]
    taken_back = compiled(f"{HOLDS}: {{deprecated_at: null, sunset_at: null}}", using).lifecycle[HOLDS]

    assert (moved.deprecated_at, moved.sunset_at) == (NOW, datetime(2027, 12, 31, tzinfo=UTC))
    assert taken_back == load()[HOLDS]


@pytest.mark.parametrize("text", ["", "# Nothing.\n", "{}", f"{HOLDS}: {{}}"])
def test_file_that_says_nothing_changes_nothing(text: str) -> None:
    assert compiled(text).lifecycle == load()


def test_file_that_ships_changes_nothing_and_what_it_shows_can_be_loaded() -> None:
    text = load_with_texts(shipped("policies"))[0][FILE]
    example = re.sub(r"^# ?", "", text[text.index("# process/") :], flags=re.MULTILINE)

    assert yaml.safe_load(text) is None
    version = compiled(example).lifecycle[HOLDS]
    assert all((version.deprecated_at, version.sunset_at, version.brown_outs, version.extensions))
    assert all((version.operations, version.fields))


def test_mistake_in_what_is_shipped_names_that_file() -> None:
    wrong = structs.replace(load()[HOLDS], sunset_at=NOW, successor="process/billing_holds/v9")
    lines = mistakes_in("", compiler(load() | {HOLDS: wrong}))

    assert lines == [
        f"openapi/lifecycle.yaml, {HOLDS}, field sunset_at: callers have to be told before it: say `deprecated_at`.",
        f"openapi/lifecycle.yaml, {HOLDS}, field successor: process/billing_holds/v9 is no version that is listed.",
    ]


@pytest.mark.parametrize(
    ("days", "late", "said"),
    [
        (None, None, ["field sunset_at: this release does not serve the version any more, and it has no end."]),
        (1, None, ["field sunset_at: this release does not serve the version any more, and it ends at 2026-11-25"]),
        (0, 1, ["field extensions.0.until: this release does not serve crm until then."]),
        (0, None, []),
        (-9, -1, []),
    ],
)
def test_version_that_is_served_no_more_must_have_ended_for_everybody(
    days: int | None, late: int | None, said: list[str]
) -> None:
    version = structs.replace(
        load()[HOLDS],
        deprecated_at=NOW - timedelta(days=30),
        sunset_at=None if days is None else NOW + timedelta(days=days),
        extensions=(Extension(client_id="crm", until=NOW + timedelta(days=late), reason="Late."),) if late else (),
        operations={"gone_since": Retirement(deprecated_at=NOW, instead="Nothing.")},
    )
    using = compiler(load() | {HOLDS: version}, without=HOLDS)

    if not said:
        assert compiled("", using).gone == {"/process/billing-holds/v1": (HOLDS, None)}
        return
    lines = mistakes_in("", using)
    assert [line.partition(f"{HOLDS}, ")[2][: len(one)] for line, one in zip(lines, said, strict=True)] == said


def test_system_contract_that_is_served_no_more_was_served_at_every_connection() -> None:
    ended = structs.replace(load()["system/erp/v1"], deprecated_at=NOW, sunset_at=NOW)
    using = compiler(load() | {"system/erp/v1": ended}, without="system/erp/v1")

    assert compiled("", using).gone == {"/system/books/erp/v1": ("system/erp/v1", "books")}


def test_field_of_what_is_open_to_strangers_cannot_go_by_itself() -> None:
    served = Served(
        contracts=frozenset({HOLDS}),
        connections={},
        names=lambda _contract: {"place_hold": Names(public=True, request=frozenset({"/note"}))},
    )
    own = structs.replace(load()[HOLDS], successor=None)
    using = structs.replace(compiler(), lives=Lives(versions={HOLDS: own}, served=served))

    lines = mistakes_in(
        f"{HOLDS}: {{fields: [{{operation: place_hold, place: request, pointer: /note, {OLD}}}]}}", using
    )

    assert [line.partition("field ")[2] for line in lines] == [
        "fields.0.operation: place_hold is open to strangers: nobody knows who uses its fields."
    ]
