"""The operations of two documents: which are new, gone or called otherwise, and what changed of each that stayed."""

from typing import Final

from gateway.contract.compatibility import answers, bodies, parameters, security
from gateway.contract.compatibility.kinds import Kind
from gateway.contract.compatibility.nodes import Spot, text_of
from gateway.contract.compatibility.notes import Notes
from gateway.contract.compatibility.schemas import Schemas
from gateway.contract.compatibility.served import Key, Served

METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
WORDS: Final = ("summary", "description", "tags", "externalDocs")
ELSEWHERE: Final = frozenset({"parameters", "requestBody", "responses", "security", bodies.MAX_BYTES, *security.JUDGED})
JUDGED: Final = ELSEWHERE | {*WORDS, "operationId", "deprecated", "x-problems"}
OF_PATH: Final = frozenset({*METHODS, "parameters", "summary", "description"})


def compare(notes: Notes, old: Spot, new: Spot) -> None:
    """Note down what changed from the older document to the newer one."""
    before, after = _served(old), _served(new)
    for key, one in before.items():
        if key in after:
            _compare(notes, one, after[key])
        else:
            notes.add(Kind.operation_removed, one.name, one.spot.pointer)
    for key, one in after.items():
        if key not in before:
            notes.add(Kind.operation_added, one.name, one.spot.pointer)


def _served(document: Spot) -> dict[Key, Served]:
    found = [
        Served(document, path, method)
        for path, item in document.at("paths").items().items()
        for method in METHODS
        if method in item.resolved().items()
    ]
    return {one.key: one for one in found}


def _compare(notes: Notes, old: Served, new: Served) -> None:
    name, schemas = old.name, Schemas(notes)
    _named(notes, name, old.spot, new.spot)
    security.compare(notes, old, new)
    parameters.compare(schemas, old, new)
    bodies.compare(schemas, old, new)
    answers.compare(schemas, old, new)
    _problems(notes, name, old.spot, new.spot)
    for before, after, judged in ((old.spot, new.spot, JUDGED), (old.item, new.item, OF_PATH)):
        for key in sorted({*before.items(), *after.items()} - judged):
            if text_of(before.at(key)) != text_of(after.at(key)):
                notes.add(Kind.operation_keyword_changed, name, after.at(key).pointer, what=key)


def _named(notes: Notes, name: str, old: Spot, new: Spot) -> None:
    """Note down another name, and other words."""
    before, after = old.get("operationId"), new.get("operationId")
    if before != after:
        notes.add(Kind.operation_renamed, name, new.at("operationId").pointer, before=before, after=after)
    if bool(old.get("deprecated")) != bool(new.get("deprecated")):
        kind = Kind.operation_deprecated if new.get("deprecated") else Kind.operation_restored
        notes.add(kind, name, new.at("deprecated").pointer)
    for key in WORDS:
        if old.get(key) != new.get(key):
            notes.add(Kind.operation_words_changed, name, new.at(key).pointer, what=f"Its {key}")


def _problems(notes: Notes, name: str, old: Spot, new: Spot) -> None:
    before, after = old.get("x-problems", []), new.get("x-problems", [])
    for kind, codes, others in (
        (Kind.operation_problem_removed, before, after),
        (Kind.operation_problem_added, after, before),
    ):
        for code in codes:
            if code not in others:
                notes.add(kind, name, new.at("x-problems").pointer, what=code)
