"""What a contract must say of each operation, so that nobody has to guess: whoever calls it, and the edge before it."""

from collections.abc import Iterator, Mapping

from gateway.contract.document import Document, Node
from gateway.contract.media_types import JSON
from gateway.problems import Entry
from openapi.common.types import Code

EVERYWHERE = frozenset({400, 406, 410, 414, 429, 431, 500, 503})
"""Statuses that edge and binder may answer any operation with."""
PROTECTED = frozenset({401, 403})
WITH_BODY = frozenset({413, 415})
WITH_IF_MATCH = frozenset({412, 428})
WITH_PATH = frozenset({404})
SENTENCES = ("summary", "description", "operationId", "x-problems")


def faults_of(document: Document, path: str, operation: Node, catalogue: Mapping[Code, Entry]) -> Iterator[str]:
    """Yield each thing that is missing or contradicts another."""
    yield from (f"it has no `{field}`" for field in SENTENCES if field not in operation)
    yield from _of_security(operation)
    yield from _of_examples(document, operation)
    yield from _of_path(document, path, operation)
    listed = {str(status) for status in operation.get("responses", {})}
    if "default" in listed:
        yield "it has a `default` response, which lets any status pass: list the statuses"
    codes = operation.get("x-problems", [])
    yield from (f"its problem {code} is not in the catalogue" for code in codes if code not in catalogue)
    due = statuses_due(document, path, operation) | {catalogue[code].status for code in codes if code in catalogue}
    missing = sorted(str(status) for status in due if str(status) not in listed)
    if missing:
        yield f"it does not list the statuses {', '.join(missing)}, which can be answered"


def statuses_due(document: Document, path: str, operation: Node) -> frozenset[int]:
    """Return the refusals that follow from what the operation is, whatever its function does."""
    headers = {document.resolved(node)["name"] for node in operation["parameters"]}
    return (
        EVERYWHERE
        | (frozenset() if operation.get("x-public") else PROTECTED)
        | (WITH_BODY if "requestBody" in operation else frozenset())
        | (WITH_IF_MATCH if "If-Match" in headers else frozenset())
        | (WITH_PATH if "{" in path else frozenset())
    )


def scopes_of(operation: Node) -> frozenset[str] | None:
    """Return the scopes, all of which are needed; None where the contract does not say them in the one form we read."""
    match operation.get("security"):
        case [dict(requirement)] if len(requirement) == 1 and all(requirement.values()):
            return frozenset(next(iter(requirement.values())))
        case _:
            return None


def _of_security(operation: Node) -> Iterator[str]:
    public, scopes = operation.get("x-public", False), scopes_of(operation)
    if public and operation.get("security") != []:
        yield "it is public, so its `security` must be an empty list"
    elif not public and scopes is None:
        yield "its `security` must be one scheme with at least one scope; or else say `x-public: true`"


def _of_examples(document: Document, operation: Node) -> Iterator[str]:
    answers = {status: document.resolved(node) for status, node in operation.get("responses", {}).items()}
    carriers = {f"its answer {status}": node for status, node in answers.items() if str(status).startswith("2")}
    if "requestBody" in operation:
        carriers["its body"] = document.resolved(operation["requestBody"])
    for name, node in carriers.items():
        if JSON in node.get("content", {}) and not {"example", "examples"} & node["content"][JSON].keys():
            yield f"{name} has no example"
    for node in map(document.resolved, operation["parameters"]):
        if not node.get("description"):
            yield f"its parameter {node['name']} has no description"


def _of_path(document: Document, path: str, operation: Node) -> Iterator[str]:
    in_path = {part[1:-1] for part in path.split("/") if part.startswith("{")}
    declared = {node["name"] for node in map(document.resolved, operation["parameters"]) if node["in"] == "path"}
    if in_path != declared:
        yield f"its path parameters are {sorted(declared)}, and the path names {sorted(in_path)}"
