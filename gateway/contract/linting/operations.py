"""What an operation says of itself, takes and answers."""

from collections.abc import Iterator
from typing import Final

from gateway.contract.document_faults import EVERYWHERE, scopes_of
from gateway.contract.linting.rule import Hit
from gateway.contract.linting.subject import Operation, Subject, kinds_of, schemas_of
from gateway.contract.media_types import JSON
from gateway.problems import catalogue

PROBLEM: Final = "application/problem+json"
LONGEST_SUMMARY: Final = 100


def described(subject: Subject) -> Iterator[Hit]:
    """Yield operations without a summary or description, or with a summary that is none."""
    for operation in subject.operations:
        summary = str(operation.node.get("summary", ""))
        if not summary or not operation.node.get("description"):
            yield str(operation), "it has no summary, or no description"
        elif len(summary) > LONGEST_SUMMARY or summary.endswith("."):
            yield str(operation), f"its summary ends with a stop, or is longer than {LONGEST_SUMMARY} characters"


def parameters_described(subject: Subject) -> Iterator[Hit]:
    """Yield parameters without a description."""
    for operation in subject.operations:
        for parameter in operation.parameters:
            if not parameter.get("description"):
                yield str(operation), f"`{parameter.get('name')}` has no description"


def secured(subject: Subject) -> Iterator[Hit]:
    """Yield operations that ask for no scope, and do not say that they are public."""
    for operation in subject.operations:
        if not operation.node.get("x-public") and scopes_of(operation.node) is None:
            yield str(operation), "it asks for no scope"


def reads_without_body(subject: Subject) -> Iterator[Hit]:
    """Yield reads and deletions with a body."""
    for operation in subject.operations:
        if operation.method in {"get", "delete"} and operation.body:
            yield str(operation), "it takes a body"


def paged(subject: Subject) -> Iterator[Hit]:
    """Yield lists without a limit and a cursor, or without a page around what is listed."""
    for operation in subject.operations:
        if operation.method != "get" or operation.last.startswith("{"):
            continue
        page = subject.schema_of(operation.answers.get("200", {}))
        items = subject.document.resolved(page.get("properties", {}).get("items", {}))
        is_list = operation.id.startswith(("list_", "search_")) or "array" in kinds_of(items)
        if is_list and not (operation.has("limit") and operation.has("cursor")) and not _finds_one(operation):
            yield str(operation), "it takes no `limit` and `cursor`"
        if is_list and not {"items", "next_cursor"} <= {*page.get("required", [])}:
            yield str(operation), "it answers no page with `items` and `next_cursor`"


def _finds_one(operation: Operation) -> bool:
    """Tell whether it finds what carries a key: there is one, or none."""
    asked = any(each["in"] == "query" and each.get("required") for each in operation.parameters)
    return operation.id.startswith("find_") and asked


def located(subject: Subject) -> Iterator[Hit]:
    """Yield what makes or accepts something, and does not say where it is then."""
    for operation in subject.operations:
        for status, answer in operation.succeeds_with("201", "202").items():
            if "location" not in answer.get("links", {}):
                yield str(operation), f"its answer {status} has no link `location`"


def keyed(subject: Subject) -> Iterator[Hit]:
    """Yield what makes something and cannot be repeated: without `Idempotency-Key`, without a key of the document."""
    for operation in subject.operations:
        if operation.method == "post" and operation.succeeds_with("201", "202") and not _is_on_one(operation):
            body = subject.schema_of(operation.body or {})
            if not operation.has("Idempotency-Key") and "business_key" not in body.get("required", []):
                yield str(operation), "it takes no `Idempotency-Key`, and its body has no `business_key`"


def _is_on_one(operation: Operation) -> bool:
    """Tell whether it acts on one thing that is there already: `/holds/{hold_id}/lift`."""
    parts = operation.path.strip("/").split("/")
    return len(parts) > 1 and parts[-2].startswith("{")


def tagged(subject: Subject) -> Iterator[Hit]:
    """Yield reads of one thing with a version whose answer has no ETag, and `If-Match` where nothing gives one."""
    for operation in subject.operations:
        if operation.method == "get" and operation.last.startswith("{"):
            answer = operation.answers.get("200", {})
            if "version" in subject.schema_of(answer).get("properties", {}) and "ETag" not in answer.get("headers", {}):
                yield str(operation), "what it answers has a `version`, and it has no ETag"
    tags = {o.path for o in subject.operations if "ETag" in o.answers.get("200", {}).get("headers", {})}
    for operation in subject.operations:
        read = operation.path if operation.last.startswith("{") else operation.path.rsplit("/", 1)[0]
        if operation.has("If-Match") and not {operation.path, read} & tags:
            yield str(operation), "it takes `If-Match`, and nothing gives an ETag"


def refusals(subject: Subject) -> Iterator[Hit]:
    """Yield refusals that are no problem of RFC 9457, and those of every operation that are not listed."""
    for operation in subject.operations:
        missing = sorted(str(status) for status in EVERYWHERE if str(status) not in operation.answers)
        if missing:
            yield str(operation), f"it does not list {', '.join(missing)}"
        for status, answer in operation.answers.items():
            if status.startswith(("4", "5")) and {*answer.get("content", {})} != {PROBLEM}:
                yield str(operation), f"{status} is not answered as {PROBLEM}"


def known_problems(subject: Subject) -> Iterator[Hit]:
    """Yield problems that nobody can look up."""
    for operation in subject.operations:
        for code in operation.node.get("x-problems", []):
            if code not in catalogue():
                yield str(operation), f"`{code}` is not in openapi/problems.yaml"


def exemplified(subject: Subject) -> Iterator[Hit]:
    """Yield bodies and answers without an example."""
    for operation in subject.operations:
        carriers = {"its body": operation.body or {}, **operation.succeeds_with()}
        for name, node in carriers.items():
            media = node.get("content", {}).get(JSON)
            if media is not None and not {"example", "examples"} & media.keys():
                yield str(operation), f"{name} has no example"


def json_only(subject: Subject) -> Iterator[Hit]:
    """Yield bodies and answers that are no JSON."""
    for operation in subject.operations:
        for node in (operation.body or {}, *operation.succeeds_with().values()):
            others = {*node.get("content", {})} - {JSON}
            if others or ("content" in node and not list(schemas_of(node))):
                yield str(operation), f"{', '.join(sorted(others)) or 'something without a schema'}"
