"""Golden pairs: rows and operations in, plans out. A new case is a new pair in `testdata`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.lifecycle.document import FILE
from gateway.policy import document
from gateway.policy.document import PolicyError, policies_of
from gateway.policy.kinds.upstream import Upstream
from gateway.policy.operation import UNMATCHED, Operation
from gateway.policy.plan import connection_policies, plans_of, shown
from gateway.policy.schema import main, text
from gateway.shipped import shipped

DATA = Path(__file__).parent / "testdata"
CASES = sorted(path.name.removesuffix(".in.yaml") for path in DATA.glob("*.in.yaml"))
ISSUERS = ("https://login.example",)
BASE: list[Any] = [{"kind": "authenticate", "audience": "tiebeam", "issuers": ["*"]}, {"kind": "authorize"}]
READ = Operation(name="process/status/v1:get_status", method="GET", path="/process/status/v1/statuses/{id}")
WRITE = Operation(
    name="system/erp/v1:create_customer", method="POST", path="/system/books/erp/v1/customers", connection="books"
)
CACHE: dict[str, Any] = {"kind": "cache", "fresh_s": 1, "when_unavailable": "bypass"}
START = Operation(name="process/a/v1:start", method="POST", path="/process/a/v1/things", takes_idempotency_key=True)
TERMS = {
    "quota": {"rate": 50, "burst": 50, "concurrency": 8, "interactive_share": 0.5, "when_unavailable": "count_alone"},
    "patience": {"deadline_s": 20, "connect_s": 2, "read_retries": 3},
    "circuit": {"failures": 5, "open_s": 10},
}


def operation_of(line: str) -> Operation:
    """Return the operation of a line such as `GET system/erp/v1:get_x@books`; `!` is public, `+key` takes keys."""
    method, _, name = line.partition(" ")
    name, _, connection = name.partition("@")
    return Operation(
        name=name,
        method=method.removesuffix("!").removesuffix("+key"),
        path="",
        connection=connection or None,
        public=method.endswith("!"),
        takes_idempotency_key=method.endswith("+key"),
    )


@pytest.mark.parametrize("case", CASES)
def test_plan_is_the_golden_one(case: str) -> None:
    given = yaml.safe_load((DATA / f"{case}.in.yaml").read_text())
    rows = policies_of(case, given["policies"])
    plans = shown(plans_of(rows, [operation_of(line) for line in given["operations"]], ISSUERS))
    plans.pop(UNMATCHED.place)

    assert plans == yaml.safe_load((DATA / f"{case}.out.yaml").read_text())


def test_every_golden_pair_is_whole() -> None:
    assert {f"{case}.out.yaml" for case in CASES} == {path.name for path in DATA.glob("*.out.yaml")}
    assert len(CASES) >= 7


def test_what_is_no_operation_has_what_every_operation_has() -> None:
    plan = plans_of(policies_of("x.yaml", [*BASE, {"kind": "audit"}]), [READ], ISSUERS)[UNMATCHED.place]

    assert [policy.kind for policy in plan.policies] == ["audit", "authenticate", "authorize"]


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("nothing", "field kind: None"),
        ({"kind": "nothing"}, "field kind: 'nothing' is none; there are audit, authenticate"),
        ({"kind": ["audit"]}, "field kind"),
        ({"kind": "audit", "extra": 1}, "(audit), field —: Additional properties are not allowed ('extra'"),
        ({"kind": "authenticate", "issuers": ["*"]}, '(authenticate), field —: "audience" is a required property'),
        ({"kind": "authenticate", "audience": "a", "issuers": []}, "(authenticate), field issuers"),
        ({"kind": "rate_limit", "limit": 1, "window_s": 1, "per": "client"}, '"when_unavailable" is a required'),
        (CACHE | {"fresh_s": 0}, "(cache), field fresh_s: 0 is less than the minimum of 1"),
        (CACHE | {"match": {"operation": ["x"]}}, "(cache), field match"),
        (CACHE | {"match": {"operations": [1]}}, "(cache), field match.operations.0"),
        ({"kind": "idempotency", "keep_days": 6}, "(idempotency), field keep_days: 6 is less than"),
    ],
)
def test_row_that_cannot_be_loaded_is_named_with_file_row_and_field(row: object, place: str) -> None:
    with pytest.raises(PolicyError) as error:
        policies_of("10-x.yaml", [*BASE, row])

    assert str(error.value).startswith("10-x.yaml, row 3")
    assert place in str(error.value)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        (
            CACHE | {"match": {"operations": ["process/x/*"]}},
            "match.operations: nothing is named",
        ),
        (CACHE | {"match": {"connections": ["x"]}}, "match.connections: nothing is named 'x'"),
        (CACHE | {"changed_by": ["x"]}, "changed_by: nothing is named 'x'"),
        (CACHE | {"match": {"operations": [WRITE.name]}}, "is not an operation for this kind"),
        ({"kind": "authenticate", "audience": "a", "issuers": ["https://x"]}, "issuers: nothing is named 'https://x'"),
    ],
)
def test_row_that_fits_nothing_is_named_with_file_row_and_field(row: object, place: str) -> None:
    with pytest.raises(PolicyError) as error:
        plans_of(policies_of("10-x.yaml", [*BASE, row]), [READ, WRITE], ISSUERS)

    assert str(error.value).startswith("10-x.yaml, row 3")
    assert place in str(error.value)


@pytest.mark.parametrize("left_out", [0, 1])
def test_operation_without_authentication_stops_the_start(left_out: int) -> None:
    rows = policies_of("x.yaml", [row for place, row in enumerate(BASE) if place != left_out])

    with pytest.raises(PolicyError) as error:
        plans_of(rows, [READ, WRITE], ISSUERS)

    kind = BASE[left_out]["kind"]
    assert str(error.value).splitlines() == [
        f"{place}: no row of the kind {kind} is for it; give 00-baseline.yaml one."
        for place in (READ.place, WRITE.place, "paths that are no operation")
    ]


def test_operation_that_takes_keys_without_a_row_for_them_stops_the_start() -> None:
    with pytest.raises(PolicyError, match="process/a/v1:start: no row of the kind idempotency"):
        plans_of(policies_of("x.yaml", BASE), [START], ISSUERS)


def test_every_mistake_of_every_file_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "00-a.yaml").write_text("policies: [{kind: a}, {kind: audit}, {kind: b}]")
    (tmp_path / "10-b.yaml").write_text("rows: []")
    (tmp_path / "20-c.yaml").write_text("policies: [")
    (tmp_path / "30-d.yaml").write_bytes(b"\xff")

    with pytest.raises(PolicyError) as error:
        document.load(tmp_path)

    starts = ["00-a.yaml, row 1", "00-a.yaml, row 3", "10-b.yaml: ", "20-c.yaml: ", "30-d.yaml: "]
    lines = str(error.value).splitlines()
    assert [any(line.startswith(start) for line in lines) for start in starts] == [True] * 5


def test_folder_without_policies_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="tiebeam init"):
        document.load(tmp_path)


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "20-b.yaml").write_text("policies: [{kind: cache, fresh_s: 2, when_unavailable: bypass}]")
    (tmp_path / "10-a.yaml").write_text(f"policies: [{json.dumps(CACHE)}, {{kind: audit}}]")

    found = [(row.where, row.policy.kind) for row in document.load(tmp_path)]
    assert found == [
        ("10-a.yaml, row 1 (cache)", "cache"),
        ("10-a.yaml, row 2 (audit)", "audit"),
        ("20-b.yaml, row 1 (cache)", "cache"),
    ]


def test_policies_that_ship_can_be_loaded() -> None:
    rows = document.load(shipped("policies"))

    assert {row.file for row in rows} == {path.name for path in shipped("policies").glob("*.yaml")} - {FILE}


def test_each_connection_has_its_most_specific_row() -> None:
    rows = policies_of(
        "30-x.yaml",
        [
            {"kind": "upstream", "match": {"connections": ["books"]}, "cache_s": 1, **TERMS},
            {"kind": "upstream", "match": {"connections": ["b*"]}, "cache_s": 2, **TERMS},
            {"kind": "upstream", "cache_s": 3, **TERMS},
        ],
    )
    found = connection_policies(rows, Upstream, ["books", "bills", "delivery"])

    ages = {name: policy.cache_s for name, policy in found.items() if isinstance(policy, Upstream)}
    assert ages == {"books": 1, "bills": 2, "delivery": 3}


def test_connection_without_a_row_and_row_without_a_connection_stop_the_start() -> None:
    rows = policies_of(
        "30-x.yaml",
        [
            {"kind": "upstream", "match": {"connections": ["books"]}, "cache_s": 1, **TERMS},
            {"kind": "upstream", "match": {"connections": ["x"], "operations": ["y"]}, "cache_s": 1, **TERMS},
        ],
    )
    with pytest.raises(PolicyError) as error:
        connection_policies(rows, Upstream, ["books", "delivery"])

    assert str(error.value).splitlines() == [
        "30-x.yaml, row 2 (upstream), field match.operations: rows of this kind are for connections.",
        "30-x.yaml, row 2 (upstream), field match.connections: nothing is named 'x'.",
        "delivery: no row of the kind upstream is for this connection.",
    ]


def test_schema_that_ships_is_what_the_kinds_say() -> None:
    assert (shipped("policies") / "schema.json").read_text() == text()


def test_stale_schema_is_told_and_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.policy.schema.shipped", lambda _name: tmp_path)
    monkeypatch.setattr("sys.argv", ["schema", "--check"])
    with pytest.raises(SystemExit, match="make generate"):
        main()

    monkeypatch.setattr("sys.argv", ["schema"])
    main()
    monkeypatch.setattr("sys.argv", ["schema", "--check"])
    main()

    assert (tmp_path / "schema.json").read_text() == text()
