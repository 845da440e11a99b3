"""Calls one contract with everything that its schemas allow and forbid, wherever it is served, and keeps the score."""

import asyncio
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar
from urllib.parse import unquote

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.contract import Document
from gateway.contract.parameters import EDGE_HEADERS
from gateway.contract.path_segments import encode_segment

T = TypeVar("T")
ENOUGH = 3
"""Valid answers of each operation, below which its schema has not been tried."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
HOST = "http://test"
"""Stands in the schema; the client knows where the API is served."""
PREPARED = 0.7
"""The share of valid calls that get an object that exists."""
THOROUGHLY = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # To shrink what failed takes minutes, and every call is small anyway.
)
OF_TRANSPORT = ("method", "url", "headers", "params", "data", "json", "cookies")

Prepare = Callable[[Case], None]


def schema_of(contract: str, base: str, *, edge: bool = False) -> BaseSchema:
    """Return the contract as schemathesis wants it; without an edge, without what it looks at before the binder.

    Tokens are the caller's: what is wrong with one has tests of its own.
    """
    document = Document(contract).bundled(base)
    del document["security"]
    for item in document["paths"].values():
        for operation in (operation for method, operation in item.items() if method != "parameters"):
            del operation["security"]
            parameters = operation.get("parameters", [])
            operation["parameters"] = [each for each in parameters if edge or each["name"] not in EDGE_HEADERS]
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=HOST + base)
    schema.config.generation.update(allow_x00=False)  # A NUL is refused wherever it stands; patterns do not say so.
    return schema


class Harness:
    """One served API and its caller; `pool` puts objects that exist into valid calls, by operation."""

    def __init__(self) -> None:
        self._runner, self._resources, self.pool = asyncio.Runner(), AsyncExitStack(), dict[str, Prepare]()
        self._seen: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._prepared: set[tuple[str, float]] = set()
        self._client: httpx.AsyncClient | None = None
        self._base = ""

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what comes of it, on the one loop that everything here lives on."""
        return self._runner.run(work)

    def call_as(self, client: httpx.AsyncClient, base: str) -> None:
        """Call the API that is served at `base` through the client, who may see everything."""
        self._client, self._base = self.open(client), base

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return the document that a call which succeeds is answered with."""
        assert self._client
        response = self.run(self._client.request(method, self._base + path, json=body, headers=headers))
        assert response.is_success, response.text
        return response.json()

    def open(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Return what the resource opens; it is closed with the harness."""
        return self.run(self._resources.enter_async_context(resource))

    def close(self) -> None:
        """Close what was opened, and end the loop."""
        self.run(self._resources.aclose())
        self._runner.close()

    def try_out(self, case: Case) -> None:
        """Make the call, and check its answer against the contract."""
        operation_id = case.operation.definition.raw["operationId"]
        counts = self._seen[operation_id]
        valid = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
        if valid and operation_id in self.pool and self._is_to_be_prepared(operation_id, case):
            self.pool[operation_id](case)
        if valid:
            _write_ids(case)
            case.headers.pop("Prefer", None)  # Nobody carries anything out, so that it would wait for nothing.
        response = self.run(self._call(case))
        if case.method.upper() == case.operation.method.upper():  # Others are tried too, OPTIONS among them.
            counts[response.status_code] += 1
        if valid and response.status_code == 400:
            _check_refusal_of_valid_data(case, response)
        case.validate_response(response, checks=CHECKS)

    def lacking(self, schema: BaseSchema) -> dict[str, Counter[int]]:
        """Return the operations that had too few valid answers, with the statuses that they had."""
        nodes = [operation.ok().definition.raw for operation in schema.get_all_operations()]
        enough = {node["operationId"]: ENOUGH if _takes_something(node) else 1 for node in nodes}
        return {name: self._seen[name] for name, number in enough.items() if self._succeeded(name) < number}

    def _succeeded(self, operation_id: str) -> int:
        return sum(number for status, number in self._seen[operation_id].items() if 200 <= status < 300)

    def _is_to_be_prepared(self, operation_id: str, case: Case) -> bool:
        """Tell whether the call gets an object that exists: all do until enough succeeded, since some have few calls.

        A call that was prepared once is so again, so that failures can be replayed.
        """
        call = operation_id, _share_of(case)
        if call[1] < PREPARED or self._succeeded(operation_id) < ENOUGH:
            self._prepared.add(call)
        return call in self._prepared

    async def _call(self, case: Case) -> httpx.Response:
        assert self._client
        arguments = {key: value for key, value in case.as_transport_kwargs().items() if key in OF_TRANSPORT}
        prepared = requests.Request(**arguments).prepare()
        url = (prepared.url or "").removeprefix(HOST)
        return await self._client.request(
            prepared.method or "GET", url, content=prepared.body, headers=dict(prepared.headers)
        )


def _takes_something(node: Mapping[str, Any]) -> bool:
    """Tell whether calls of the operation can differ: of one that takes nothing there is one."""
    return bool(node.get("parameters") or "requestBody" in node)


def _check_refusal_of_valid_data(case: Case, response: httpx.Response) -> None:
    """Valid data is refused only for what the operation lists among its problems."""
    problem, listed = response.json(), case.operation.definition.raw["x-problems"]
    told = {problem["code"], *(error["code"] for error in problem.get("errors", []))}
    assert told <= {"request.malformed", *listed}, response.text


def _write_ids(case: Case) -> None:
    """Write the ids in the path as contracts ask for it; schemathesis has encoded them once."""
    for name, value in (case.path_parameters or {}).items():
        case.path_parameters[name] = encode_segment(unquote(str(value)))


def _share_of(case: Case) -> float:
    """Return a number between 0 and 1 that stays the same for the same call, so that failures can be replayed."""
    text = repr((case.path_parameters, case.query, case.headers, case.body))
    return zlib.crc32(text.encode("utf-8", "replace")) / 2**32
