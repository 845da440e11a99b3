"""Everything that the source tells of is a declared event type: the store refuses another, but only in service."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from process_apis import EVENT_TYPES
from process_apis.ledger.hold_requests import event_type

ROOT = Path(__file__).parents[2]
TYPE = re.compile(r"tiebeam\.[a-z_]+\.[a-z_]+\.v[0-9]+")
SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
    for package in ("gateway", "process_apis", "system_apis")
    for path in ROOT.glob(f"{package}/**/*.py")
}
WHERE_A_TYPE_IS_MADE = {
    "gateway/durable/workflow.py",
    "process_apis/invoice_release/closing.py",
    "process_apis/ledger/hold_requests.py",
}
"""Each has an `event_type`, and declares what comes of it for every member of an enum."""


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Yield each call of a function or a method of the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
            yield node


def types_told(tree: ast.AST) -> list[str]:
    """Return what each event that the module makes has as its type, as it is written there."""
    return [ast.unparse(word.value) for call in calls(tree, "NewEvent") for word in call.keywords if word.arg == "type"]


def constants(tree: ast.Module) -> dict[str, object]:
    """Return the texts that the module gives names to."""
    return {
        ast.unparse(node.target): node.value.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)
    }


def test_every_event_is_of_a_type_that_is_declared_or_made_from_an_enum() -> None:
    made = {place: types_told(tree) for place, tree in SOURCES.items() if types_told(tree)}

    assert len(made) == 6, "A process tells of something new: is its type among `process_apis.EVENT_TYPES`?"
    for place, types in made.items():
        for written in types:
            declared = constants(SOURCES[place]).get(written) in EVENT_TYPES
            assert declared or written.startswith("event_type("), f"{place}: declare {written} in EVENT_TYPES."


def test_event_types_are_made_only_where_all_of_them_are_declared() -> None:
    makers = {place for place, tree in SOURCES.items() for node in ast.walk(tree) if _makes_types(node)}

    assert makers == WHERE_A_TYPE_IS_MADE


def _makes_types(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "event_type"


def test_every_text_that_is_an_event_type_is_declared() -> None:
    texts = {
        node.value
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and TYPE.fullmatch(node.value)
    }

    assert texts, "There are some to look for."
    assert texts <= EVENT_TYPES


def test_every_word_that_is_told_of_a_hold_is_declared() -> None:
    words = {
        argument.value
        for tree in SOURCES.values()
        for call in calls(tree, "tell")
        if ast.unparse(call.func) == "hold_requests.tell"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }

    of_overrides = {"override_requested", "overridden", "override_withdrawn"}
    assert words == {"placed", "flag_overtaken", "flag_restored"} | of_overrides
    assert set(map(event_type, words)) <= EVENT_TYPES
