"""What reviewers would otherwise repeat. Each failure says how to mend it."""

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from system_apis.ports import Erp, Psa

ROOT = Path(__file__).parents[2]
READS = ("find_", "get_", "list_", "search_", "examine")
WRITES = {
    name
    for port in (Erp, Psa)
    for name, _ in inspect.getmembers(port, inspect.isfunction)
    if not name.startswith(("_", *READS))
}
CALLERS_OF_PORTS = [
    *ROOT.glob("system_apis/*/v1.py"),
    *(path for path in ROOT.glob("process_apis/**/*.py")),
    *ROOT.glob("gateway/platform/**/*.py"),
]
HANDLERS = [
    *ROOT.glob("system_apis/*/v*.py"),
    *ROOT.glob("process_apis/*/v*.py"),
    *ROOT.glob("gateway/platform/*/v*.py"),
]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def writes_in(tree: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """Yield each mention of a port's write, and whether it stands in an `act=`, where the guard calls it."""
    guarded = {
        id(inner)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "act"
        for inner in ast.walk(keyword.value)
    }
    modules = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in WRITES:
            continue
        if isinstance(node.value, ast.Name) and node.value.id in modules:
            continue  # A function of ours that undoes; its own module is looked at too.
        yield node, id(node) in guarded


def test_ports_have_writes_to_look_for() -> None:
    assert {"create_customer", "open_project", "deactivate_accounting_project"} <= WRITES


def test_there_are_files_to_look_at() -> None:
    assert {"system_apis/erp/v1.py", "process_apis/project_onboarding/workflow.py"} <= set(map(named, CALLERS_OF_PORTS))


@pytest.mark.parametrize("path", CALLERS_OF_PORTS, ids=named)
def test_every_write_goes_through_the_guard(path: Path) -> None:
    round_it = [node.lineno for node, guarded in writes_in(ast.parse(path.read_text())) if not guarded]

    assert not round_it, f"{named(path)}:{round_it}: give the write to `writes` or `submit` as `act=`, never call it."


def test_a_write_that_goes_round_the_guard_is_seen() -> None:
    planted = ast.parse("async def f(erp, writes, new):\n    await erp.create_customer(new)\n")
    fine = ast.parse("async def f(erp, writes, new):\n    await writes.once(act=partial(erp.create_customer, new))\n")

    assert [guarded for _, guarded in writes_in(planted)] == [False]
    assert [guarded for _, guarded in writes_in(fine)] == [True]


def lists_without_caller(tree: ast.Module) -> list[str]:
    """Return the list operations whose body never uses the caller."""
    return [
        function.name
        for function in tree.body
        if isinstance(function, ast.AsyncFunctionDef)
        and function.name.startswith(("list_", "search_"))
        and not any(
            isinstance(node, ast.Name) and node.id == "caller" for line in function.body for node in ast.walk(line)
        )
    ]


@pytest.mark.parametrize("path", HANDLERS, ids=named)
def test_every_list_asks_what_the_caller_may_see(path: Path) -> None:
    assert lists_without_caller(ast.parse(path.read_text())) == [], "Filter by `caller`; a list shows nobody's else."


def test_a_list_that_ignores_the_caller_is_seen() -> None:
    assert lists_without_caller(ast.parse("async def list_x(*, caller):\n    return []\n")) == ["list_x"]


SOURCES = [path for top in ("gateway", "system_apis", "process_apis") for path in (ROOT / top).rglob("*.py")]


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "XX" + "X"])
def test_nothing_is_left_for_later(word: str) -> None:
    assert [named(path) for path in SOURCES if word in path.read_text()] == []


def test_whatever_a_check_lets_pass_has_a_reason() -> None:
    bare = re.compile(r"# (?:noqa: [A-Z\d, ]+|type: ignore(?:\[[a-z, -]+\])?)$", re.MULTILINE)

    assert [named(path) for path in SOURCES if bare.search(path.read_text())] == [], "Say why, behind the code."


def test_only_settings_read_the_environment() -> None:
    readers = {named(path) for path in SOURCES if "os.environ" in path.read_text() or "getenv" in path.read_text()}

    assert all(reader.startswith("gateway/settings/") for reader in readers), (
        "Take it as an argument; gateway/settings alone reads the environment."
    )


def test_every_part_of_the_platform_has_its_layer() -> None:
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in configured if contract["type"] == "layers")
    placed = {name.strip() for layer in layers for name in layer.split("|")}
    parts = {
        f"gateway.{path.stem}" for path in (ROOT / "gateway").iterdir() if path.stem not in {"__init__", "__pycache__"}
    }

    assert parts - placed == set(), "Give it a line in pyproject.toml: who may import it?"


def test_yaml_that_people_write_is_read_in_one_place() -> None:
    """PyYAML takes the last of two keys without a word: use `gateway.yaml_text.loaded`, which names both lines."""
    sources = [
        path for package in ("gateway", "process_apis", "system_apis") for path in (ROOT / package).rglob("*.py")
    ]
    bare = [named(path) for path in sources if re.search(r"yaml\.(safe_)?load", path.read_text("utf-8"))]

    assert bare == []
