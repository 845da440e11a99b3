"""Mounts: each contract and its module, joined into an API. Every mismatch of all of them is named at once."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, cast

from gateway.contract import document_faults, signature
from gateway.contract.answers import Answer
from gateway.contract.answers import compiled as compiled_answer
from gateway.contract.body import MAX_BODY_BYTES, BodyReader
from gateway.contract.document import Document, Node
from gateway.contract.endpoint import Binding
from gateway.contract.generated import NoType, named_type
from gateway.contract.media_types import JSON
from gateway.contract.model import Api, ContractError, Method, Mount, Operation, PerRequest
from gateway.contract.parameters import EDGE_HEADERS, Parameter, Parameters
from gateway.contract.parameters import compiled as compiled_parameter
from gateway.contract.scope import caller_in, correlation_id_in
from gateway.contract.staleness import stale_at
from gateway.problems import catalogue
from openapi.common.types import Code

OF_EACH_CALL: Mapping[str, object] = {
    "caller": PerRequest(lambda request: caller_in(request.scope)),
    "correlation_id": PerRequest(lambda request: correlation_id_in(request.scope)),
}
"""What every handler may name."""


def bind(mounts: Sequence[Mount], read: Callable[[str], Document] = Document) -> tuple[Api, ...]:
    """Return the APIs, each contract read with `read`; raises ContractError with every mismatch."""
    faults: list[str] = []
    apis = tuple(_Binder(mount, read(mount.contract), faults).api() for mount in mounts)
    if faults:
        listed = "\n".join(f"  {fault}" for fault in dict.fromkeys(faults))
        raise ContractError(f"Contracts and modules do not fit:\n{listed}")
    return apis


class _Binder:
    """Joins one contract with its module, and notes down what does not fit."""

    def __init__(self, mount: Mount, document: Document, faults: list[str]) -> None:
        self._mount, self._faults, self._document = mount, faults, document
        operations = list(self._document.operations())
        self._paths = {str(node.get("operationId")): mount.base + path for path, _, node in operations}
        if len(self._paths) < len(operations):
            self._note(["each operation needs an operationId of its own"])

    def api(self) -> Api:
        """Return the API, without the operations that do not fit."""
        mount = self._mount
        if mount.contract.startswith("system/") != (mount.connection is not None):
            self._note(["a system contract, and no other, is mounted for a connection"])
        bound = [self._operation(*found) for found in self._document.operations()]
        strays = sorted(own_functions(mount.module) - self._paths.keys())
        self._note([f"there is no operation for {mount.module.__name__}.{name}" for name in strays])
        return Api(
            contract=mount.contract,
            connection=mount.connection,
            base=mount.base,
            document=self._document,
            operations=tuple(operation for operation in bound if operation),
        )

    def _operation(self, path: str, method: str, node: Node) -> Operation | None:
        name = str(node.get("operationId", f"{method} {path}"))
        faults = list(document_faults.faults_of(self._document, path, node, catalogue()))
        binding = self._binding(name, self._mount.base + path, node, faults)
        self._note(faults, name)
        if faults or binding is None:
            return None
        return Operation(
            name=binding.name,
            operation_id=name,
            contract=self._mount.contract,
            connection=self._mount.connection,
            method=cast(Method, method.upper()),
            path=self._mount.base + path,
            summary=node["summary"],
            scopes=binding.scopes,
            further_scopes=tuple(node.get("x-further-scopes", ())),
            public=binding.public,
            problems=tuple(Code(code) for code in node["x-problems"]),
            statuses=binding.statuses,
            query=tuple(each.name for each in binding.parameters.all if each.place == "query"),
            headers=tuple(each.name.lower() for each in binding.parameters.all if each.place == "header"),
            max_body=binding.body.max_bytes if binding.body else 0,
            idempotency_key=any(_is_edges(self._document, each) for each in node["parameters"]),
            stale_at=stale_at(self._document, node) if method == "get" else (),
            endpoint=binding,
        )

    def _binding(self, name: str, path: str, node: Node, faults: list[str]) -> Binding | None:
        parameters = self._parameters(node, faults)
        body = self._body(node, faults)
        answers = self._answers(node, faults)
        function = getattr(self._mount.module, name, None)
        if not inspect.iscoroutinefunction(function):
            faults.append(f"{self._mount.module.__name__} has no such function")
        if faults or function is None:
            return None
        provided = {**OF_EACH_CALL, **self._mount.provided}
        arguments = arguments_of(parameters, body)
        faults += signature.faults_of(function, arguments, frozenset(provided), frozenset(answers))
        named = {each: provided[each] for each in inspect.signature(function).parameters if each in provided}
        return Binding(
            name=f"{self._mount.contract}:{name}",
            function=function,
            scopes=tuple(sorted(document_faults.scopes_of(node) or ())),
            public=bool(node.get("x-public", False)),
            parameters=Parameters(path, parameters),
            body=body,
            answers=answers,
            provided={each: value for each, value in named.items() if not isinstance(value, PerRequest)},
            per_request={each: value.make for each, value in named.items() if isinstance(value, PerRequest)},
            statuses=frozenset(int(status) for status in node["responses"]),
        )

    def _parameters(self, node: Node, faults: list[str]) -> list[Parameter]:
        found = []
        for each in node["parameters"]:
            if _is_edges(self._document, each):
                continue
            try:
                found.append(compiled_parameter(self._document, each))
            except NoType as error:
                faults.append(f"its parameter {self._document.resolved(each)['name']}: {error}")
        return found

    def _body(self, node: Node, faults: list[str]) -> BodyReader | None:
        if "requestBody" not in node:
            return None
        body = self._document.resolved(node["requestBody"])
        try:
            schema = body["content"][JSON]["schema"]
            return BodyReader(
                named_type(schema),
                self._document.schema(schema),
                required=bool(body.get("required", False)),
                max_bytes=int(node.get("x-max-body-bytes", MAX_BODY_BYTES)),
            )
        except (NoType, KeyError) as error:
            faults.append(f"its body: {error}")
            return None

    def _answers(self, node: Node, faults: list[str]) -> dict[type, Answer]:
        found: dict[type, Answer] = {}
        for status, response in node.get("responses", {}).items():
            if not str(status).startswith("2"):
                continue
            try:
                answer = compiled_answer(self._document, str(status), response, self._paths)
            except NoType as error:
                faults.append(f"its answer {status}: {error}")
                continue
            if answer.kind in found:
                faults.append(
                    f"its answers {found[answer.kind].status} and {status} have one type, which picks neither"
                )
            found[answer.kind] = answer
        return found

    def _note(self, faults: Iterable[str], operation: str | None = None) -> None:
        where = f"{self._document.file}{f' {operation}' if operation else ''}"
        self._faults += [f"{where}: {fault}" for fault in faults]


def own_functions(module: ModuleType) -> set[str]:
    """Return the coroutine functions that a module defines for others; what it imports to use is not meant."""
    return {
        name
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if not name.startswith("_") and function.__module__ == module.__name__
    }


def arguments_of(parameters: Iterable[Parameter], body: BodyReader | None) -> dict[str, Any]:
    """Return the contract's arguments with the types that a function must give them."""
    arguments = {each.argument: _optional(each.argument_kind, each.may_be_absent) for each in parameters}
    return arguments | ({"body": _optional(body.kind, not body.required)} if body else {})


def _optional(kind: Any, may_be_absent: bool) -> Any:  # noqa: ANN401, FBT001 - a type, whichever.
    return kind | None if may_be_absent else kind


def _is_edges(document: Document, parameter: Node) -> bool:
    return document.resolved(parameter)["name"] in EDGE_HEADERS
