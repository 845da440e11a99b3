"""Contracts, the modules that serve them and the catalogue of problems say the same. Each check is shown to fail."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from openapi.common.types import Code

ROOT = Path(__file__).parents[2]
CONTRACTS = sorted(ROOT.glob("openapi/*/*/v*.yaml"))
SOURCES = [path for top in ("gateway", "system_apis", "process_apis") for path in sorted((ROOT / top).rglob("*.py"))]
CATALOGUE = yaml.safe_load((ROOT / "openapi/problems.yaml").read_text())
FAMILIES = {"ApiError", "Refused", "Unavailable", "Uncertain"}
OPEN: frozenset[str] = frozenset()
"""Operations that strangers may call: none so far; each is a decision, and gets a page in `docs/decisions/`."""


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(contract: Path) -> Path:
    """Return the module that serves the contract."""
    family, api, version = contract.relative_to(ROOT / "openapi").with_suffix(".py").parts
    top = {"system": "system_apis", "process": "process_apis", "platform": "gateway/platform"}[family]
    return ROOT / top / api / version


def operations(contract: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each operation's node."""
    for item in contract["paths"].values():
        yield from (node for method, node in item.items() if method in {"get", "post", "put", "patch", "delete"})


def handlers(module: ast.Module) -> set[str]:
    """Return the names of the functions that a module offers to the binder: its own, and what it passes on."""
    return passed_on(module) | {
        node.name for node in module.body if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_")
    }


def passed_on(module: ast.Module) -> set[str]:
    """Return the names in the module's `__all__`: handlers that stand by topic in modules beside it."""
    lists = (
        node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        and any(isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets)
    )
    return {name for names in lists for name in ast.literal_eval(names)}


def unserved(contract: dict[str, Any], module: ast.Module) -> set[str]:
    """Return what stands on one side only."""
    return {node["operationId"] for node in operations(contract)} ^ handlers(module)


@pytest.mark.parametrize("contract", CONTRACTS, ids=named)
def test_every_function_has_its_operation_and_every_operation_its_function(contract: Path) -> None:
    alone = unserved(yaml.safe_load(contract.read_text()), ast.parse(module_of(contract).read_text()))

    assert not alone, "Write the operation into the contract first, or begin the helper's name with an underscore."


def test_function_without_an_operation_is_seen() -> None:
    contract = {"paths": {"/things": {"get": {"operationId": "list_things"}}}}
    module = ast.parse("async def list_things(): ...\nasync def drop_things(): ...\nasync def _help(): ...\n")

    assert unserved(contract, module) == {"drop_things"}


def test_function_that_is_passed_on_without_an_operation_is_seen() -> None:
    contract = {"paths": {"/things": {"get": {"operationId": "list_things"}}}}
    module = ast.parse('from somewhere import list_things, drop_things\n__all__ = ["drop_things", "list_things"]\n')

    assert unserved(contract, module) == {"drop_things"}


def undeclared_scopes(text: str) -> set[str]:
    """Return the scopes that a contract speaks of, and that no operation of it asks for or names as a further one."""
    asked = set[str]()
    for node in operations(yaml.safe_load(text)):
        security = node.get("security") or []
        asked.update(node.get("x-further-scopes", ()), *(scopes for each in security for scopes in each.values()))
    return set(re.findall(r"`([a-z_]+:[a-z_]+)`", text)) - asked


@pytest.mark.parametrize("contract", CONTRACTS, ids=named)
def test_scopes_that_a_contract_speaks_of_are_declared(contract: Path) -> None:
    assert undeclared_scopes(contract.read_text()) == set(), "Name them in `security`, or in `x-further-scopes`."


def test_scope_that_is_spoken_of_alone_is_seen() -> None:
    contract = """
        paths: {/a: {get: {operationId: get_a, x-further-scopes: ["b:read"], security: [{bearer: ["a:read"]}]}}}
        info: {description: "`a:read`, `b:read`, `c:read`"}
    """

    assert undeclared_scopes(contract) == {"c:read"}


def open_to_strangers(contract: dict[str, Any]) -> set[str]:
    """Return the operations that no token is asked for, or for which any token will do."""
    return {
        node["operationId"]
        for node in operations(contract)
        if node.get("x-public") or not all(any(one.values()) for one in node.get("security") or [{}])
    }


@pytest.mark.parametrize("contract", CONTRACTS, ids=named)
def test_every_operation_asks_for_a_token_with_a_scope(contract: Path) -> None:
    strangers = open_to_strangers(yaml.safe_load(contract.read_text()))

    assert strangers <= OPEN, "Give the operation `security` with a scope."


@pytest.mark.parametrize("node", [{}, {"security": []}, {"security": [{"bearer": []}]}, {"x-public": True}], ids=str)
def test_operation_without_authentication_is_seen(node: dict[str, Any]) -> None:
    assert open_to_strangers({"paths": {"/a": {"get": node | {"operationId": "get_a"}}}}) == {"get_a"}
    asked = {"operationId": "get_a", "security": [{"bearer": ["things:read"]}]}
    assert open_to_strangers({"paths": {"/a": {"get": asked}}}) == set()


def codes_outside_the_catalogue(module: ast.Module) -> list[str]:
    """Return the codes that a module names and nobody can look up: unknown members, and codes written as text."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Code":
            found += [node.attr] if node.attr not in Code.__members__ else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FAMILIES and node.args:
            first = node.args[0]
            found += [str(first.value)] if isinstance(first, ast.Constant) else []
    return found


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_code_is_in_the_catalogue(path: Path) -> None:
    assert codes_outside_the_catalogue(ast.parse(path.read_text())) == [], (
        "Enter the code into openapi/problems.yaml, run `make generate`, and write it as `Code.…`."
    )


def test_code_outside_the_catalogue_is_seen() -> None:
    planted = ast.parse('raise Refused(Code.coffee_cold, "x")\nraise Unavailable("tea.cold", "x")\n')

    assert set(codes_outside_the_catalogue(planted)) == {"coffee_cold", "tea.cold"}


@pytest.mark.parametrize("contract", CONTRACTS, ids=named)
def test_every_problem_of_a_contract_is_in_the_catalogue(contract: Path) -> None:
    told = {code for node in operations(yaml.safe_load(contract.read_text())) for code in node["x-problems"]}

    assert told - CATALOGUE.keys() == set(), "Enter the code into openapi/problems.yaml."


def test_catalogue_and_generated_codes_are_the_same() -> None:
    assert {str(code) for code in Code} == CATALOGUE.keys(), "Run `make generate`."
