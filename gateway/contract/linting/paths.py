"""How paths and operations are called."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.contract.linting.rule import Hit
from gateway.contract.linting.subject import Subject

KEBAB: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
SNAKE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
ACTIONS: Final = frozenset(
    {"activate", "deactivate", "open", "close", "post", "cancel", "resume", "lift", "approve", "assign", "promote"}
)
"""What may be done to one thing by a POST; a state change that is a thing of its own gets a noun instead."""
VERBS: Final = ACTIONS | {
    *("get", "list", "find", "search", "create", "update", "delete", "remove", "add", "set", "make"),
    *("send", "read", "write", "fetch", "start", "stop", "run", "do"),
}
READS: Final = ("get_", "list_", "find_", "search_")


def kebab_case(subject: Subject) -> Iterator[Hit]:
    """Yield parts of paths that are not written-like-this, and parameters in them that are not written_like_this."""
    for path in subject.root.get("paths", {}):
        for part in path.strip("/").split("/"):
            is_parameter = part.startswith("{")
            if not (SNAKE if is_parameter else KEBAB).fullmatch(part.strip("{}")):
                yield path, f"`{part}`"


def plural(subject: Subject) -> Iterator[Hit]:
    """Yield collections in the singular: what stands before the id of one of it."""
    for path in subject.root.get("paths", {}):
        for collection in re.findall(r"/([^/{}]+)/\{", path):
            if not collection.endswith("s"):
                yield path, f"`{collection}` is no plural"


def no_verbs(subject: Subject) -> Iterator[Hit]:
    """Yield verbs in paths, but for the actions that end the path of a POST."""
    for operation in subject.operations:
        parts = operation.path.strip("/").split("/")
        is_action = operation.method == "post" and len(parts) > 1 and parts[-2].startswith("{") and parts[-1] in ACTIONS
        for part in parts[:-1] if is_action else parts:
            if part in VERBS:
                yield str(operation), f"`{part}` is a verb"


def operation_ids(subject: Subject) -> Iterator[Hit]:
    """Yield operationIds that are no verb with a noun, and reads that are not called like reads."""
    seen = set[str]()
    for operation in subject.operations:
        if not SNAKE.fullmatch(operation.id) or ("_" not in operation.id and operation.method == "get"):
            yield str(operation), f"`{operation.id}` is no verb with its noun"
        elif (operation.method == "get") != operation.id.startswith(READS):
            yield str(operation), f"`{operation.id}` and {operation.method.upper()} do not fit"
        if operation.id in seen:
            yield str(operation), f"`{operation.id}` is there twice"
        seen.add(operation.id)


def version(subject: Subject) -> Iterator[Hit]:
    """Yield an `info.version` or a server that is not the version in the contract's path."""
    family, api, number = subject.contract.split("/")
    said = str(subject.root["info"].get("version", ""))
    if not re.fullmatch(rf"{number.removeprefix('v')}\.\d+\.\d+", said):
        yield "info", f"version {said} is not of {number}"
    middle = f"{{connection}}/{api}" if family == "system" else api.replace("_", "-")
    wanted = [f"/{family}/{middle}/{number}"]
    if [server.get("url") for server in subject.root.get("servers", [])] != wanted:
        yield "servers", f"the one server is {wanted[0]}"


def declared_tags(subject: Subject) -> Iterator[Hit]:
    """Yield tags that are not declared, declared ones that are not used or have more than name and description."""
    declared = {tag.get("name"): tag for tag in subject.root.get("tags", [])}
    for name, tag in declared.items():
        if tag.keys() != {"name", "description"}:
            yield f"tag {name}", f"it has {', '.join(map(str, tag))}; quote a description with a comma"
    used = {tag for operation in subject.operations for tag in operation.node.get("tags", [])}
    yield from ((f"tag {name}", "nothing has it") for name in declared.keys() - used)
    for operation in subject.operations:
        tags = operation.node.get("tags", [])
        if len(tags) != 1 or not declared.keys() >= {*tags}:
            yield str(operation), f"its tags are {tags}"
