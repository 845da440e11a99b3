"""The contract as its reference shows it: one document, with the right server, scopes and problems put into words."""

import copy
from datetime import datetime
from typing import Any

from gateway.contract import Api, Operation
from gateway.lifecycle import Stage, Version, stage_of
from gateway.lifecycle.document import FieldRetirement, Retirement

Node = dict[str, Any]


def document(api: Api) -> Node:
    """Return the document that the reference page loads."""
    contract = api.document.bundled(api.base)
    contract["info"] = contract["info"] | {"title": title_of(api)}
    for operation in api.operations:
        node = contract["paths"][operation.path.removeprefix(api.base)][operation.method.lower()]
        node["description"] = f"{node['description']}\n\n{_asks_for(operation)}\n\n{_refuses_with(operation)}".strip()
        for parameter in node.get("parameters", []):
            _tell_example(parameter)
    return contract


def marked(document: Node, api: Api, version: Version, now: datetime) -> Node:
    """Return the document with what goes marked as deprecated: operations and parameters; fields of bodies in words."""
    if version.deprecated_at is None and not version.operations and not version.fields:
        return document
    document = copy.deepcopy(document)
    whole = stage_of(version, now) not in {Stage.active, Stage.announced}
    if version.sunset_at:
        document["info"]["x-sunset"] = _at(version.sunset_at)
    for operation in api.operations:
        node = document["paths"][operation.path.removeprefix(api.base)][operation.method.lower()]
        own = version.operations.get(operation.operation_id)
        going = [each for each in version.fields if each.operation == operation.operation_id]
        if whole or (own and own.deprecated_at <= now):
            node["deprecated"] = True
        for parameter in node.get("parameters", []):
            if any(_is_parameter(each, parameter) and each.deprecated_at <= now for each in going):
                parameter["deprecated"] = True
        said = [*([_goes("This operation", own, now)] if own else []), *(_goes(_place(one), one, now) for one in going)]
        node["description"] = "\n\n".join([node["description"], *said])
    return document


def _is_parameter(one: FieldRetirement, parameter: Node) -> bool:
    return one.place == "query" and one.pointer == parameter["name"]


def _goes(what: str, one: Retirement | FieldRetirement, now: datetime) -> str:
    begins = "is deprecated since" if one.deprecated_at <= now else "will be deprecated at"
    ends = f" and ends {_at(one.sunset_at)}" if one.sunset_at else ""
    return f"{what} {begins} {_at(one.deprecated_at)}{ends}. {one.instead}"


def _place(one: FieldRetirement) -> str:
    return f"`{one.pointer}` ({one.place})"


def _at(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _tell_example(parameter: Node) -> None:
    """Move what may be left out from the field into words: filled in, it would filter for what is not there."""
    if not parameter.get("required") and "example" in parameter:
        parameter["description"] = f"{parameter['description']} For example `{parameter.pop('example')}`."


def title_of(api: Api) -> str:
    """Return the API's title, with its connection where it is mounted for one."""
    return f"{api.title}: {api.connection}" if api.connection else api.title


def _asks_for(operation: Operation) -> str:
    scopes = ", ".join(f"`{scope}`" for scope in operation.scopes)
    if operation.public:
        return "Open to everybody."
    further = "".join(f" With `{scope}` it shows or allows more." for scope in operation.further_scopes)
    return f"Scopes: {scopes}.{further}"


def _refuses_with(operation: Operation) -> str:
    problems = ", ".join(f"[{code}](/problems/{code})" for code in operation.problems)
    return f"Problems of its own: {problems}." if problems else ""
