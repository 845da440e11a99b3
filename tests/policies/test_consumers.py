"""Which row knows a client, how it narrows a token, and every mistake that rows of consumers can have."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.caller import Caller, Claim
from gateway.policy.consumers import Consumers
from gateway.policy.document import PolicyError, policies_of
from gateway.policy.kinds.consumer import Consumer
from gateway.policy.operation import UNMATCHED, Operation
from gateway.policy.plan import compiled
from openapi.common.types import Code

BASE: Final[list[Any]] = [{"kind": "authenticate", "audience": "tiebeam", "issuers": ["*"]}, {"kind": "authorize"}]
ISSUERS: Final = ("https://login.example",)
READ = Operation(name="process/status/v1:get_status", method="GET", path="/process/status/v1/statuses/{id}")
WRITE = Operation(
    name="system/erp/v1:create_customer", method="POST", path="/system/books/erp/v1/customers", connection="books"
)
ANY: Final = {"kind": "consumer", "client_id": "*", "owner": "Platform"}
LIMIT: Final = {"kind": "rate_limit", "per": "client", "limit": 1, "window_s": 1, "when_unavailable": "allow"}


def consumers(*rows: dict[str, Any]) -> Consumers:
    """Return the consumers of these rows; owners tell them apart."""
    whole = [{"kind": "consumer", "owner": str(number)} | row for number, row in enumerate(rows)]
    return Consumers(policies_of("05.yaml", whole))


def caller(scopes: frozenset[str] = frozenset(), entities: Claim = "*") -> Caller:
    """Return a caller with these rights."""
    return Caller(client_id="crm", subject="crm", scopes=scopes, legal_entities=entities, customers="*", projects="*")


@pytest.mark.parametrize(
    ("rows", "owner"),
    [
        ([{"client_id": "crm"}], "0"),
        ([{"client_id": "crm"}, {"client_id": "*"}], "0"),
        ([{"client_id": "*"}, {"client_id": "crm"}], "1"),
        ([{"client_id": "crm"}, {"client_id": "c*"}], "0"),
        ([{"client_id": "crm"}, {"client_id": "crm"}], "1"),
        ([{"client_id": "c*"}, {"client_id": "*"}], "0"),
        ([{"client_id": "*"}, {"client_id": "c*"}, {"client_id": "d*"}], "1"),
        ([{"client_id": "c*"}, {"client_id": "?r?"}, {"client_id": "*"}], "1"),
        ([{"client_id": "cr*"}, {"client_id": "[a-d]r*"}, {"client_id": "c*"}], "0"),
        ([{"client_id": "c[!]]m"}, {"client_id": "*m"}, {"client_id": "*"}], "0"),
        ([{"client_id": "cr?"}, {"client_id": "CRM"}], "0"),
        ([{"client_id": "c[qr]m"}], "0"),
        ([{"client_id": "crm1"}], None),
        ([{"client_id": "CRM"}], None),
        ([{"client_id": "cr"}, {"client_id": "?"}], None),
        ([], None),
    ],
)
def test_client_is_known_by_its_name_then_by_the_closest_glob(rows: list[dict[str, Any]], owner: str | None) -> None:
    found = consumers(*rows).find("crm", ISSUERS[0])

    assert (found.policy.owner if found else None) == owner


@pytest.mark.parametrize("client_id", ["crm[1]", "*", "a?", "[x]"])
def test_client_whose_name_reads_like_a_glob_is_known_by_its_name(client_id: str) -> None:
    found = consumers({"client_id": client_id}, {"client_id": "*", "owner": "others"}).find(client_id, ISSUERS[0])

    assert found
    assert found.policy.client_id in {client_id, "*"}


EXAMPLE, PARTNER = "https://login.example", "https://login.partner.example"


@pytest.mark.parametrize(
    ("rows", "owner"),
    [
        ([{"issuers": [EXAMPLE]}, {}], "0"),
        ([{}, {"issuers": [EXAMPLE]}], "1"),
        ([{"issuers": ["*example"]}, {}], "0"),
        ([{"issuers": [EXAMPLE]}, {"issuers": ["*example"]}], "0"),
        ([{"issuers": [PARTNER, EXAMPLE]}, {"issuers": ["*login*"]}], "0"),
        ([{"issuers": [PARTNER]}, {}], "1"),
        ([{"issuers": [PARTNER]}], None),
        ([{"issuers": [PARTNER]}, {"client_id": "*"}], "1"),
        ([{}, {"client_id": "*", "issuers": [EXAMPLE]}], "0"),
        ([{"client_id": "c*"}, {"client_id": "*", "issuers": [EXAMPLE]}], "0"),
    ],
)
def test_row_that_names_the_issuer_stands_before_an_equal_one(rows: list[dict[str, Any]], owner: str | None) -> None:
    found = consumers(*({"client_id": "crm"} | row for row in rows)).find("crm", EXAMPLE)

    assert (found.policy.owner if found else None) == owner


@pytest.mark.parametrize("first", [{"client_id": "partner-*", "scopes": []}, {"client_id": "*"}])
def test_row_that_narrows_holds_wherever_it_is_written(first: dict[str, Any]) -> None:
    rows = [first, *(row for row in ({"client_id": "*"}, {"client_id": "partner-*", "scopes": []}) if row != first)]
    found = consumers(*rows).find("partner-7", EXAMPLE)

    assert found
    assert found.policy.narrowed(caller(frozenset({"a"}))).scopes == frozenset()


def test_row_is_known_with_its_file_and_number() -> None:
    found = consumers({"client_id": "a"}, {"client_id": "crm"}).find("crm", ISSUERS[0])

    assert found
    assert found.row.where == "05.yaml, row 2 (consumer)"


@pytest.mark.parametrize(
    ("own", "token", "narrowed"),
    [
        (None, {"a", "b"}, {"a", "b"}),
        (["a"], {"a", "b"}, {"a"}),
        (["a", "c"], {"a", "b"}, {"a"}),
        (["c"], {"a"}, set()),
        ([], {"a"}, set()),
        (["a"], set(), set()),
    ],
)
def test_scopes_are_at_most_the_rows(own: list[str] | None, token: set[str], narrowed: set[str]) -> None:
    row = consumer(scopes=own)

    assert row.narrowed(caller(frozenset(token))).scopes == narrowed


@pytest.mark.parametrize(
    ("own", "token", "narrowed"),
    [
        (None, "*", "*"),
        (None, frozenset({"ES01"}), {"ES01"}),
        (["ES01"], "*", {"ES01"}),
        (["ES01"], frozenset({"ES01", "DE01"}), {"ES01"}),
        (["ES01"], frozenset({"DE01"}), set()),
        (["ES01"], frozenset(), set()),
        ([], "*", set()),
    ],
)
def test_entities_are_at_most_the_rows(own: list[str] | None, token: Claim, narrowed: object) -> None:
    row = consumer(legal_entities=own)

    assert row.narrowed(caller(entities=token)).legal_entities == narrowed


NAMES = st.frozensets(st.sampled_from(["a", "b", "c"]))


@given(NAMES, NAMES, st.none() | NAMES, st.none() | NAMES, st.booleans())
def test_row_never_widens_a_token(
    scopes: frozenset[str],
    entities: frozenset[str],
    own_scopes: frozenset[str] | None,
    own_entities: frozenset[str] | None,
    all_of_them: bool,  # noqa: FBT001 - drawn.
) -> None:
    before = caller(scopes, "*" if all_of_them else entities)
    row = consumer(
        scopes=None if own_scopes is None else sorted(own_scopes),
        legal_entities=None if own_entities is None else sorted(own_entities),
    )

    after = row.narrowed(before)

    assert after.scopes <= before.scopes
    assert all(before.may_see(legal_entity=one) for one in "abcd" if after.may_see(legal_entity=one))
    assert row.narrowed(after) == after
    assert (after.client_id, after.subject, after.customers, after.projects) == ("crm", "crm", "*", "*")


@pytest.mark.parametrize(
    ("apis", "allowed"),
    [
        (["*"], True),
        (["process/*"], True),
        (["process/status/v1:*"], True),
        (["process/status/v1:get_status"], True),
        (["*:get_*"], True),
        (["system/*", "process/status/v?:get_status"], True),
        (["system/*"], False),
        (["process/status/v1"], False),
        (["process/status/v1:get"], False),
        (["PROCESS/*"], False),
    ],
)
def test_api_is_open_by_name_or_glob(apis: list[str], *, allowed: bool) -> None:
    refused = consumer(apis=apis).judge(caller(), READ)

    assert (refused is None) is allowed
    assert refused is None or refused.code is Code.auth_api_not_allowed


def test_path_that_is_no_operation_is_open_to_every_known_client() -> None:
    assert consumer(apis=["system/*"]).judge(caller(), UNMATCHED) is None


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"match": {"operations": ["process/*"]}}, "field match: rows of this kind are for clients"),
        ({"match": {"clients": ["crm"]}}, "field match: rows of this kind are for clients"),
        ({"match": {"classes": ["read"]}}, "field match: rows of this kind are for clients"),
        ({"apis": ["process/nothing/*"]}, "field apis: nothing is named 'process/nothing/*'."),
        ({"apis": ["*", "x"]}, "field apis: nothing is named 'x'."),
        ({"issuers": ["https://nobody.example"]}, "field issuers: nothing is named 'https://nobody.example'."),
        ({"issuers": [*ISSUERS, "http:*"]}, "field issuers: nothing is named 'http:*'."),
    ],
)
def test_row_of_a_consumer_that_fits_nothing_is_named(row: dict[str, Any], field: str) -> None:
    assert mistakes([*BASE, ANY | row])[0].startswith(f"10-x.yaml, row 3 (consumer), {field}")


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"client_id": ""}, "field client_id"),
        ({"client_id": "a" * 201}, "field client_id"),
        ({"owner": ""}, "field owner"),
        ({"tier": "Gold"}, "field tier"),
        ({"tier": ""}, "field tier"),
        ({"apis": []}, "field apis"),
        ({"apis": [""]}, "field apis.0"),
        ({"issuers": []}, "field issuers"),
        ({"scopes": ["status:*"]}, "field scopes"),
        ({"scopes": ""}, "field scopes"),
        ({"legal_entities": ["*"]}, "field legal_entities"),
        ({"legal_entities": ["ES01", "DE*"]}, "field legal_entities"),
        ({"legal_entities": "*"}, "field legal_entities"),
        ({"entities": ["ES01"]}, "field —: Additional properties are not allowed ('entities'"),
    ],
)
def test_row_of_a_consumer_that_cannot_be_loaded_is_named(row: dict[str, Any], field: str) -> None:
    assert mistakes([*BASE, ANY | row])[0].startswith(f"10-x.yaml, row 3 (consumer), {field}")


def test_scope_that_no_contract_names_is_named() -> None:
    asked = [structs.replace(READ, scopes=frozenset({"status:read"}), further_scopes=frozenset({"finance:read"}))]
    rows = [*BASE, ANY | {"scopes": ["status:read", "finance:read", "status:raed", "read"]}]
    with pytest.raises(PolicyError) as raised:
        compiled(policies_of("10-x.yaml", rows), asked, ISSUERS)

    assert [str(mistake) for mistake in raised.value.mistakes] == [
        f"10-x.yaml, row 3 (consumer), field scopes: no contract names the scope {name!r}."
        for name in ("status:raed", "read")
    ]


@pytest.mark.parametrize("missing", ["client_id", "owner"])
def test_consumer_without_a_name_or_an_owner_is_named(missing: str) -> None:
    row = {name: value for name, value in ANY.items() if name != missing}

    assert mistakes([*BASE, row]) == [f'10-x.yaml, row 3 (consumer), field —: "{missing}" is a required property']


def test_set_without_any_consumer_is_refused() -> None:
    assert mistakes(BASE) == ["05-consumers.yaml: no row of the kind consumer is for any client."]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (LIMIT | {"match": {"tiers": ["gold"]}}, "field match.tiers: no consumer is of a tier 'gold'."),
        (LIMIT | {"match": {"tiers": ["standard", "g*"]}}, "field match.tiers: no consumer is of a tier 'g*'."),
        (LIMIT | {"costs": {"process/x/*": 2}}, "field costs: nothing is named 'process/x/*'."),
        (LIMIT | {"costs": {"reads": 2}}, "field costs: nothing is named 'reads'."),
        (
            LIMIT | {"per": "address", "match": {"tiers": ["standard"]}},
            "field match: this row is chosen before anybody knows who calls.",
        ),
        (
            LIMIT | {"per": "address", "match": {"clients": ["crm"]}},
            "field match: this row is chosen before anybody knows who calls.",
        ),
        (
            {"kind": "audit", "match": {"clients": ["crm"]}},
            "field match: this row is chosen before anybody knows who calls.",
        ),
        (
            BASE[0] | {"match": {"tiers": ["standard"]}},
            "field match: this row is chosen before anybody knows who calls.",
        ),
        (
            LIMIT | {"per": "connection", "match": {"operations": [READ.name]}},
            f"field match.operations: {READ.name} is not an operation for this kind.",
        ),
        (
            {"kind": "concurrency", "per": "connection", "most": 1, "when_unavailable": "allow"}
            | {"match": {"operations": [READ.name]}},
            f"field match.operations: {READ.name} is not an operation for this kind.",
        ),
    ],
)
def test_row_that_counts_and_fits_nobody_is_named(row: dict[str, Any], field: str) -> None:
    assert mistakes([*BASE, ANY, row]) == [f"10-x.yaml, row 4 ({row['kind']}), {field}"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (LIMIT | {"per": "somebody"}, "field per"),
        (LIMIT | {"limit": 0}, "field limit"),
        (LIMIT | {"window_s": 0}, "field window_s"),
        (LIMIT | {"window_s": 86_401}, "field window_s"),
        (LIMIT | {"burst": 0}, "field burst"),
        (LIMIT | {"costs": {"read": 0}}, "field costs.read"),
        (LIMIT | {"name": "Two words"}, "field name"),
        (LIMIT | {"name": 'a"b'}, "field name"),
        (LIMIT | {"name": "a\n"}, "field name"),
        (LIMIT | {"when_unavailable": "sometimes"}, "field when_unavailable"),
        (
            {"kind": "concurrency", "per": "address", "most": 1, "when_unavailable": "allow"},
            "field per",
        ),
        ({"kind": "concurrency", "per": "client", "most": 0, "when_unavailable": "allow"}, "field most"),
        ({"kind": "concurrency", "per": "client", "most": 1}, 'field —: "when_unavailable" is a required'),
    ],
)
def test_row_that_counts_and_cannot_be_loaded_is_named(row: dict[str, Any], field: str) -> None:
    assert mistakes([*BASE, ANY, row])[0].startswith(f"10-x.yaml, row 4 ({row['kind']}), {field}")


def test_every_mistake_is_named_at_once() -> None:
    found = mistakes(
        [
            *BASE,
            ANY | {"apis": ["x"], "match": {"tiers": ["gold"]}},
            LIMIT | {"match": {"tiers": ["gold"], "operations": ["y"]}, "costs": {"z": 1}},
        ]
    )

    assert sorted(line.partition(": ")[0] for line in found) == [
        "10-x.yaml, row 3 (consumer), field apis",
        "10-x.yaml, row 3 (consumer), field match",
        "10-x.yaml, row 3 (consumer), field match.tiers",
        "10-x.yaml, row 4 (rate_limit), field costs",
        "10-x.yaml, row 4 (rate_limit), field match.operations",
        "10-x.yaml, row 4 (rate_limit), field match.tiers",
    ]


def test_mistake_says_its_file_row_kind_and_field() -> None:
    with pytest.raises(PolicyError) as error:
        compiled(policies_of("10-x.yaml", [*BASE, ANY | {"apis": ["x"]}]), [READ], ISSUERS)

    assert error.value.mistakes[0]._asdict() == {
        "detail": "nothing is named 'x'.",
        "file": "10-x.yaml",
        "row": 3,
        "kind": "consumer",
        "field": "apis",
        "contract": None,
    }


GENERAL = LIMIT | {"limit": 1}
TIER = LIMIT | {"limit": 2, "match": {"tiers": ["gold"]}}
CLIENT = LIMIT | {"limit": 3, "match": {"clients": ["crm"]}}
OPERATION = LIMIT | {"limit": 4, "match": {"operations": [READ.name]}}
CLIENT_GLOB = LIMIT | {"limit": 7, "match": {"clients": ["cr*"]}}
ANY_CLIENT = LIMIT | {"limit": 8, "match": {"clients": ["*"]}}
OPERATION_GLOB = LIMIT | {"limit": 9, "match": {"operations": ["process/status/*"]}}
ANY_OPERATION = LIMIT | {"limit": 10, "match": {"operations": ["process/*"]}}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("rows", "client_id", "tier", "limit"),
    [
        ([GENERAL, TIER, CLIENT, OPERATION], "crm", "gold", 3),
        ([GENERAL, TIER, OPERATION], "crm", "gold", 2),
        ([GENERAL, OPERATION], "crm", "gold", 4),
        ([GENERAL, TIER, CLIENT, OPERATION], "shop", "gold", 2),
        ([GENERAL, TIER, CLIENT, OPERATION], "shop", "standard", 4),
        ([GENERAL, TIER, CLIENT], "shop", "standard", 1),
        ([TIER, LIMIT | {"limit": 5, "match": {"tiers": ["*"]}}], "shop", "gold", 2),
        ([CLIENT, LIMIT | {"limit": 5, "match": {"clients": ["c*"]}}], "crm", "gold", 3),
        ([TIER, LIMIT | {"limit": 5, "match": {"clients": ["c*"]}}], "crm", "gold", 5),
        ([TIER, TIER | {"limit": 6, "match": {"tiers": ["gold"], "operations": ["process/*"]}}], "crm", "gold", 6),
        ([TIER, CLIENT], "shop", "standard", None),
        ([CLIENT_GLOB, ANY_CLIENT], "crm", "gold", 7),
        ([OPERATION_GLOB, ANY_OPERATION], "crm", "gold", 9),
    ],
)
def test_row_for_the_client_stands_before_one_for_its_tier_and_that_before_everybodys(
    rows: list[dict[str, Any]], client_id: str, tier: str, limit: int | None, *, turned: bool
) -> None:
    known = [ANY, ANY | {"client_id": "nobody", "tier": "gold"}]
    ordered = rows[::-1] if turned else rows
    plans = compiled(policies_of("10-x.yaml", [*BASE, *known, *ordered]), [READ, WRITE], ISSUERS).plans

    found = [row.policy for row in plans[READ.place].chosen(client_id, tier) if row.policy.kind == "rate_limit"]

    assert [getattr(policy, "limit", None) for policy in found] == ([limit] if limit else [])


def test_last_of_equal_rows_holds() -> None:
    rows = [*BASE, ANY, LIMIT | {"limit": 1}, LIMIT | {"limit": 2}]
    plan = compiled(policies_of("10-x.yaml", rows), [READ], ISSUERS).plans[READ.place]

    assert [row.number for row in plan.chosen("crm", "standard")] == [1, 2, 5]
    assert [(lost.number, won.number) for lost, won in plan.overridden("crm", "standard")] == [(4, 5)]


def consumer(**fields: Any) -> Consumer:  # noqa: ANN401 - a row is anything.
    """Return the row with these fields."""
    row = policies_of("05.yaml", [ANY | {name: value for name, value in fields.items() if value is not None}])[0]
    assert isinstance(row.policy, Consumer)
    return row.policy


def mistakes(rows: list[Any]) -> list[str]:
    """Return what is wrong with a set of these rows, a line each."""
    with pytest.raises(PolicyError) as error:
        compiled(policies_of("10-x.yaml", rows), [READ, WRITE], ISSUERS)
    return str(error.value).splitlines()
