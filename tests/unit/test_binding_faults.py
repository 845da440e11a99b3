"""What keeps a contract and a module from being joined: each fault planted alone, and named. A new check, a new row."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from gateway.contract import ContractError, Mount, bind
from openapi.common.types import Money
from openapi.system.erp.v1 import Customer, CustomerChange, NewCustomer
from tests.sample_api import CONTRACT, Things, bound, document, module

Root = dict[str, Any]


def create(root: Root) -> Root:
    return root["paths"]["/things"]["post"]  # type: ignore[no-any-return]


def test_contract_and_module_that_fit_are_joined() -> None:
    api = bound()

    assert [operation.name for operation in api.operations] == [
        f"{CONTRACT}:{name}" for name in ("list_things", "create_thing", "delete_thing", "get_open")
    ]
    listed, created, deleted, opened = api.operations
    assert (listed.scopes, listed.max_body) == (("all:read", "things:read"), 0)
    assert (created.idempotency_key, created.max_body) == (True, 2000)
    assert (deleted.path, deleted.headers) == ("/process/sample-things/v1/things/{thing_id}", ("if-match",))
    assert (opened.public, opened.scopes) == (True, ())


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda root: create(root).pop("summary"), "create_thing: it has no `summary`"),
        (lambda root: create(root).pop("description"), "create_thing: it has no `description`"),
        (lambda root: create(root).pop("x-problems"), "create_thing: it has no `x-problems`"),
        (lambda root: create(root).pop("operationId"), "post /things: it has no `operationId`"),
        (lambda root: create(root).update(operationId="list_things"), "each operation needs an operationId of its own"),
        (lambda root: create(root).pop("security"), "create_thing: its `security` must be one scheme"),
        (lambda root: create(root).update(security=[]), "create_thing: its `security` must be one scheme"),
        (
            lambda root: create(root).update(security=[{"bearer": []}]),
            "create_thing: its `security` must be one scheme",
        ),
        (lambda root: create(root).update(security=[{}]), "create_thing: its `security` must be one scheme"),
        (lambda root: create(root).update({"x-public": True}), "create_thing: it is public, so its `security`"),
        (lambda root: create(root).update({"x-problems": ["no.such"]}), "its problem no.such is not in the catalogue"),
        (
            lambda root: create(root).update({"x-problems": ["upstream.timeout_uncertain"]}),
            "create_thing: it does not list the statuses 504",
        ),
        (lambda root: create(root)["responses"].pop("415"), "create_thing: it does not list the statuses 415"),
        (lambda root: create(root)["responses"].update(default={}), "create_thing: it has a `default` response"),
        (
            lambda root: create(root)["requestBody"]["content"]["application/json"].pop("example"),
            "create_thing: its body has no example",
        ),
        (
            lambda root: create(root)["responses"]["201"]["content"]["application/json"].pop("example"),
            "create_thing: its answer 201 has no example",
        ),
        (
            lambda root: root["paths"]["/things"]["get"]["parameters"][0].pop("description"),
            "list_things: its parameter queue has no description",
        ),
        (
            lambda root: root["paths"].update({"/open/{id}": root["paths"].pop("/open")}),
            "get_open: its path parameters are [], and the path names ['id']",
        ),
        (
            lambda root: create(root)["requestBody"]["content"]["application/json"].update(schema={"type": "object"}),
            "create_thing: its body: its schema is not a `$ref`",
        ),
        (
            lambda root: create(root)["requestBody"]["content"]["application/json"].update(
                schema={"$ref": "../../common/types.yaml#/components/schemas/Nothing"}
            ),
            "create_thing: its body: there is no openapi.common.types.Nothing",
        ),
        (
            lambda root: root["paths"]["/things"]["get"]["parameters"][0].update(schema={"type": "array"}),
            "list_things: its parameter queue: its schema is neither a plain type nor an enumeration",
        ),
        (
            lambda root: create(root)["responses"]["202"].update(headers={"ETag": {}}),
            "create_thing: its answer 202: it has an ETag, and its body no `version`",
        ),
        (
            lambda root: create(root)["responses"].update({"202": create(root)["responses"]["201"]}),
            "create_thing: its answers 201 and 202 have one type",
        ),
        (
            lambda root: create(root)["responses"]["201"]["links"]["location"].update(operationId="get_thing"),
            "its link leads to the operation get_thing, which is not in the contract",
        ),
        (
            lambda root: create(root)["responses"]["201"]["links"]["location"].update(
                parameters={"thing_id": "$response.body#/no"}
            ),
            "its link does not fill /process/sample-things/v1/things/{thing_id}",
        ),
    ],
)
def test_fault_of_a_contract_is_named(change: Callable[[Root], object], fault: str) -> None:
    with pytest.raises(ContractError, match=r"Contracts and modules do not fit") as error:
        bound(change=change)

    assert fault in str(error.value)


async def takes_too_little(*, things: Things, correlation_id: str, body: NewCustomer) -> Customer | Money:
    raise NotImplementedError


async def takes_too_much(*, things: Things, body: NewCustomer, wait_s: int | None, color: str) -> Customer | Money:
    raise NotImplementedError


async def takes_another_body(*, body: CustomerChange, wait_s: int | None) -> Customer | Money:
    raise NotImplementedError


async def takes_another_number(*, body: NewCustomer, wait_s: int) -> Customer | Money:
    raise NotImplementedError


async def takes_by_position(body: NewCustomer, wait_s: int | None) -> Customer | Money:
    raise NotImplementedError


async def answers_less(*, body: NewCustomer, wait_s: int | None) -> Customer:
    raise NotImplementedError


async def answers_otherwise(*, body: NewCustomer, wait_s: int | None) -> Customer | Money | None:
    raise NotImplementedError


async def is_unreadable(*, body: "Missing", wait_s: int | None) -> Customer:  # type: ignore[name-defined]  # noqa: F821
    raise NotImplementedError


def is_no_coroutine(*, body: NewCustomer, wait_s: int | None) -> Customer:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (None, "sample has no such function"),
        (is_no_coroutine, "sample has no such function"),
        (takes_too_little, "it lacks the parameter `wait_s`"),
        (takes_too_much, "its parameter `color` is neither the contract's nor provided"),
        (takes_another_body, "`body` must be annotated with NewCustomer"),
        (takes_another_number, "`wait_s` must be annotated with None | int"),
        (takes_by_position, "`body` must be keyword-only"),
        (answers_less, "it must return Customer | Money"),
        (answers_otherwise, "it must return Customer | Money"),
        (is_unreadable, "its annotations cannot be read: name 'Missing' is not defined"),
    ],
)
def test_fault_of_a_function_is_named(function: object, fault: str) -> None:
    with pytest.raises(ContractError) as error:
        bound(create_thing=function)

    assert f"{CONTRACT}.yaml create_thing: {fault}" in str(error.value)


def test_function_without_operation_is_named() -> None:
    async def forgotten() -> None:
        """Nobody calls it."""

    with pytest.raises(ContractError, match=r"there is no operation for sample\.forgotten"):
        bound(forgotten=forgotten)


def test_helpers_and_imported_functions_are_no_operations() -> None:
    made = module(_helper=answers_less)
    made.used = bound_elsewhere  # type: ignore[attr-defined]

    assert bind([Mount(contract=CONTRACT, module=made, provided={"things": Things()})], read=lambda _: document())


async def bound_elsewhere() -> None:
    raise NotImplementedError


def test_provided_name_that_hides_a_parameter_is_named() -> None:
    with pytest.raises(ContractError, match="`limit` is the contract's parameter, and provided as well"):
        bind(
            [Mount(contract=CONTRACT, module=module(), provided={"things": Things(), "limit": 5})],
            read=lambda _: document(),
        )


@pytest.mark.parametrize(("contract", "connection"), [("system/erp/v1", None), ("process/status/v1", "books")])
def test_only_system_contracts_are_mounted_for_a_connection(contract: str, connection: str | None) -> None:
    mount = Mount(contract=contract, module=ModuleType("empty"), connection=connection)

    with pytest.raises(ContractError, match="a system contract, and no other, is mounted for a connection"):
        bind([mount])


def test_faults_of_all_mounts_are_in_one_message() -> None:
    mounts = [
        Mount(contract="system/erp/v1", module=ModuleType("erp_module"), connection="books"),
        Mount(contract="process/status/v1", module=ModuleType("status_module")),
    ]

    with pytest.raises(ContractError) as error:
        bind(mounts)

    assert "system/erp/v1.yaml create_customer: erp_module has no such function" in str(error.value)
    assert "process/status/v1.yaml get_project_status: status_module has no such function" in str(error.value)
