"""Operations are called by the edge, which has found them; everything else is the framework's."""

import pytest

from gateway.contract import Reply, Request
from gateway.contract.scope import caller_in, correlation_id_in
from gateway.edge import Edge
from tests.edge_world import CUSTOMER, CUSTOMERS, World


class Operations:
    """Answers as operations do, and notes what it got."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []

    async def __call__(self, request: Request) -> Reply:
        """Return an answer."""
        message = await request.receive()
        assert message["type"] == "http.request"
        assert (await request.receive())["type"] == "http.disconnect"
        self.requests.append(request)
        self.bodies.append(message["body"])
        return Reply(200, [(b"content-type", b"application/json"), (b"etag", b'"1"')], b'{"id":"17"}')


@pytest.fixture
def books(world: World) -> Operations:
    """Return what answers two operations of the connection `books`; those of others are left to the framework."""
    found = Operations()
    endpoints = {f"system/erp/v1:{name}@books": found for name in ("get_customer", "create_customer")}
    world.edge = Edge(world.framework, world.policies, world.kit, endpoints=endpoints, clock=world.seconds)
    return found


async def test_operation_is_called_with_what_the_edge_knows_of_the_call(world: World, books: Operations) -> None:
    answer = await world.send("GET", f"{CUSTOMER[:-1]}%61?a=%62", headers=[("Accept", "application/json")])

    scope = books.requests[0].scope
    assert (scope["path"], scope["query_string"], scope["method"]) == (f"{CUSTOMER[:-1]}a", b"a=%62", "GET")
    assert caller_in(scope).client_id == "crm"
    assert correlation_id_in(scope) == answer.headers["x-correlation-id"]
    assert (books.bodies, world.framework.seen) == ([b""], [])


async def test_operations_answer_reaches_the_caller_as_it_is(world: World, books: Operations) -> None:
    answer = await world.send("GET", CUSTOMER)

    assert (answer.status, answer.json, answer.headers["etag"]) == (200, {"id": "17"}, '"1"')
    assert answer.headers["content-length"] == str(len(answer.body))
    assert len(books.requests) == 1


async def test_head_is_a_get_to_the_operation_and_has_no_body_to_the_caller(world: World, books: Operations) -> None:
    answer = await world.send("HEAD", CUSTOMER)

    assert (books.requests[0].scope["method"], answer.body, answer.headers["content-length"]) == ("GET", b"", "11")


async def test_operation_gets_the_body_that_the_edge_has_read(world: World, books: Operations) -> None:
    await world.send("POST", CUSTOMERS, body=b'{"name": "Alder"}', parts=3)

    assert books.bodies == [b'{"name": "Alder"}']


async def test_same_operation_of_another_connection_is_another_one(world: World, books: Operations) -> None:
    answer = await world.send("GET", CUSTOMER.replace("books", "ledger"))

    assert (answer.json, books.requests) == ({"number": 1}, [])


@pytest.mark.parametrize(("method", "target"), [("GET", "/health/live"), ("GET", "/docs")])
async def test_page_is_the_frameworks(world: World, books: Operations, method: str, target: str) -> None:
    answer = await world.send(method, target, token=None)

    assert (answer.json, books.requests) == ({"number": 1}, [])
