"""The contract as its reference shows it: one document, with the right server, scopes and problems put into words."""

from typing import Any

from gateway.contract import Api, Operation


def document(api: Api) -> dict[str, Any]:
    """Return the document that the reference page loads."""
    contract = api.document.bundled(api.base)
    contract["info"] = contract["info"] | {"title": title_of(api)}
    for operation in api.operations:
        node = contract["paths"][operation.path.removeprefix(api.base)][operation.method.lower()]
        node["description"] = f"{node['description']}\n\n{_asks_for(operation)}\n\n{_refuses_with(operation)}".strip()
        for parameter in node.get("parameters", []):
            _tell_example(parameter)
    return contract


def _tell_example(parameter: dict[str, Any]) -> None:
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
