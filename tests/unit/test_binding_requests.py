"""What a function gets of a request, and what its caller is told when the request breaks the contract."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import msgspec
import pytest
from litestar.enums import HttpMethod
from litestar.exceptions import ServiceUnavailableException
from litestar.handlers import HTTPRouteHandler
from sqlalchemy.exc import OperationalError, ProgrammingError

from gateway.caller import INSTALLATION
from gateway.errors import Refused, Uncertain
from openapi.common.types import Address, Candidate, Code, Money, OwnerQueue, Problem, Reason
from openapi.system.erp.v1 import NewCustomer
from tests.sample_api import BASE, CUSTOMER, Things, bound, client

ADDRESS = {"street": "1 Market Street", "city": "Valencia", "country": "ES"}
NEW = {"business_key": "cus_1", "legal_entity": "ES01", "name": "Alder", "country": "ES", "billing_address": ADDRESS}
IF_MATCH = {"If-Match": '"v%201"'}


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
async def api(things: Things) -> AsyncIterator[httpx.AsyncClient]:
    async with client(bound(things)) as it:
        yield it


def problem_of(response: httpx.Response) -> Problem:
    assert response.headers["content-type"] == "application/problem+json"
    problem = msgspec.json.decode(response.content, type=Problem)
    assert problem.status == response.status_code
    return problem


def told(response: httpx.Response) -> list[tuple[str, str]]:
    errors = problem_of(response).errors
    assert isinstance(errors, list)
    return [(error.code, error.pointer) for error in errors]


async def test_query_arrives_typed_with_defaults(api: httpx.AsyncClient, things: Things) -> None:
    response = await api.get(f"{BASE}/things")

    assert response.status_code == 200
    assert things.asked == [
        {"caller": INSTALLATION, "queue": None, "size": None, "day": None, "at": None, "share": None}
        | {"fresh": False, "limit": 20}
    ]


async def test_query_arrives_as_the_contract_says(api: httpx.AsyncClient, things: Things) -> None:
    query = "queue=Finance%20Ops&size=s&day=2026-11-25&at=2026-11-25T10:00:00Z&share=0.5&fresh=true&limit=100"

    response = await api.get(f"{BASE}/things?{query}")

    assert response.status_code == 200
    asked = things.asked[0]
    assert asked["queue"] is OwnerQueue.Finance_Ops
    assert (asked["size"], asked["day"], asked["share"]) == ("s", date(2026, 11, 25), 0.5)
    assert (asked["at"], asked["fresh"], asked["limit"]) == (datetime(2026, 11, 25, 10, tzinfo=UTC), True, 100)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=1.0",
        "limit=1e1",
        "limit=+5",
        "limit=05",
        "limit=",
        "limit=5&limit=6",
        "limit=99999999999999999999",
        "limit=%00",
        "fresh=TRUE",
        "fresh=1",
        "queue=Nobody",
        "size=m",
        "day=2026-13-01",
        "at=2026-11-25T10:00:00",
        "share=1.1",
        "share=.5",
        "share=NaN",
    ],
)
async def test_query_that_breaks_the_contract_is_refused(api: httpx.AsyncClient, things: Things, query: str) -> None:
    response = await api.get(f"{BASE}/things?{query}")

    name = query.partition("=")[0]
    assert (response.status_code, [pointer for _, pointer in told(response)]) == (400, [f"#query/{name}"])
    assert things.asked == []


@pytest.mark.parametrize("query", ["a=%zz", "a=%ff", "&".join(f"a{number}=1" for number in range(65))])
async def test_query_that_cannot_be_read_is_refused(api: httpx.AsyncClient, query: str) -> None:
    response = await api.get(f"{BASE}/things?{query}")

    assert (response.status_code, told(response)) == (400, [("request.parameter_invalid", "#query")])


async def test_all_violations_of_a_query_are_in_one_answer(api: httpx.AsyncClient) -> None:
    response = await api.get(f"{BASE}/things?limit=0&fresh=maybe&color=red")

    assert told(response) == [
        ("request.parameter_invalid", "#query/fresh"),
        ("request.parameter_invalid", "#query/limit"),
        ("request.parameter_unknown", "#query/color"),
    ]


async def test_body_arrives_typed_and_its_answer_has_version_and_location(
    api: httpx.AsyncClient, things: Things
) -> None:
    response = await api.post(f"{BASE}/things", json=NEW, headers={"Prefer": "wait=10"})

    assert response.status_code == 201
    assert response.headers["etag"] == '"v%201"'
    assert response.headers["location"] == f"{BASE}/things/A%252F1%2520b"
    assert response.json()["id"] == CUSTOMER.id
    assert isinstance(things.asked[0]["body"], NewCustomer)
    assert things.asked[0]["wait_s"] == 10
    assert things.asked[0]["correlation_id"]


async def test_type_returned_picks_the_status(api: httpx.AsyncClient, things: Things) -> None:
    things.answer = lambda: Money(amount="1.00", currency="EUR")

    response = await api.post(f"{BASE}/things", json=NEW)

    assert (response.status_code, response.json()) == (202, {"amount": "1.00", "currency": "EUR"})
    assert "etag" not in response.headers


async def test_id_and_version_come_back_as_they_were_given_out(api: httpx.AsyncClient, things: Things) -> None:
    made = await api.post(f"{BASE}/things", json=NEW)

    headers = {"If-Match": made.headers["etag"]}
    response = await api.delete(made.headers["location"], headers=headers)

    assert (response.status_code, response.content) == (204, b"")
    assert things.asked[1] == {"thing_id": CUSTOMER.id, "if_match": CUSTOMER.version, "body": None}


async def test_body_that_is_not_required_may_come(api: httpx.AsyncClient, things: Things) -> None:
    response = await api.request("DELETE", f"{BASE}/things/17", json=ADDRESS, headers=IF_MATCH)

    assert response.status_code == 204
    assert things.asked[0]["body"] == Address(**ADDRESS)


async def test_change_without_version_is_asked_for_it(api: httpx.AsyncClient) -> None:
    response = await api.delete(f"{BASE}/things/17")

    assert problem_of(response).code is Code.precondition_required


async def test_malformed_version_is_a_violation_like_others(api: httpx.AsyncClient) -> None:
    response = await api.request("DELETE", f"{BASE}/things/%41", json={"street": 1}, headers={"If-Match": "W/1"})

    pointers = [pointer for _, pointer in told(response)]
    assert (response.status_code, pointers[0]) == (400, "#header/If-Match")
    assert sorted(pointers[1:]) == ["#/city", "#/country", "#/street"]


@pytest.mark.parametrize("segment", ["%25ff", "50%25"])
async def test_id_in_another_spelling_is_a_violation(api: httpx.AsyncClient, segment: str) -> None:
    response = await api.delete(f"{BASE}/things/{segment}", headers=IF_MATCH)

    assert (response.status_code, told(response)) == (400, [("request.parameter_invalid", "#path/thing_id")])


@pytest.mark.parametrize(
    ("change", "violations"),
    [
        ({"color": "red"}, [("request.unknown_field", "#/color")]),
        ({"a/b~ä": 1}, [("request.unknown_field", "#/a~1b~0%C3%A4")]),
        ({"name": 1.5}, [("request.body_invalid", "#/name")]),
        ({"name": "a\0"}, [("request.nul_character", "#/name"), ("request.body_invalid", "#/name")]),
        ({"country": None, "name": ""}, [("request.body_invalid", "#/name"), ("request.body_invalid", "#/country")]),
        ({"billing_address": {}}, [("request.body_invalid", f"#/billing_address/{name}") for name in ADDRESS]),
        ({"billing_address": []}, [("request.body_invalid", "#/billing_address")]),
        ({"business_key": "a\n"}, [("request.body_invalid", "#/business_key")]),
    ],
)
async def test_every_violation_of_a_body_is_named(
    api: httpx.AsyncClient, things: Things, change: dict[str, Any], violations: list[tuple[str, str]]
) -> None:
    response = await api.post(f"{BASE}/things", json=NEW | change)

    assert (response.status_code, problem_of(response).code) == (400, Code.request_malformed)
    assert sorted(set(told(response))) == sorted(set(violations))
    assert things.asked == []


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        (b"{", ("request.malformed", "#")),
        (b'{"name": "\xff"}', ("request.malformed", "#")),
        (b'{"name": NaN}', ("request.malformed", "#")),
        (b"[" * 1_900, ("request.too_deep", "#")),
        (b"", ("request.body_invalid", "#")),
    ],
)
async def test_body_that_is_no_json_is_refused(api: httpx.AsyncClient, body: bytes, violation: tuple[str, str]) -> None:
    response = await api.post(f"{BASE}/things", content=body, headers={"Content-Type": "application/json"})

    assert (response.status_code, told(response)) == (400, [violation])


async def test_key_that_comes_twice_is_refused_with_everything_else(api: httpx.AsyncClient) -> None:
    text = msgspec.json.encode(NEW | {"color": 1}).replace(b'"name":', b'"name":"first","name":')

    response = await api.post(f"{BASE}/things", content=text, headers={"Content-Type": "application/json"})

    assert told(response) == [("request.duplicate_key", "#"), ("request.unknown_field", "#/color")]


async def test_values_are_not_repeated_in_violations(api: httpx.AsyncClient) -> None:
    response = await api.post(f"{BASE}/things", json=NEW | {"tax_id": "s3cret!", "country": "s3cret"})

    assert "s3cret" not in response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {},
    ],
)
async def test_body_in_another_media_type_is_refused(api: httpx.AsyncClient, headers: dict[str, str]) -> None:
    response = await api.post(f"{BASE}/things", content=msgspec.json.encode(NEW), headers=headers)

    assert problem_of(response).code is Code.request_media_type
    assert response.headers["accept"] == "application/json"


async def test_accept_that_leaves_no_json_is_refused(api: httpx.AsyncClient, things: Things) -> None:
    response = await api.post(f"{BASE}/things", json=NEW, headers={"Accept": "text/html"})

    assert (problem_of(response).code, things.asked) == (Code.request_not_acceptable, [])


async def test_body_that_says_it_is_too_large_is_refused(api: httpx.AsyncClient) -> None:
    response = await api.post(f"{BASE}/things", json=NEW | {"name": "n" * 2_000})

    assert problem_of(response).code is Code.request_too_large


async def test_body_that_turns_out_too_large_is_not_read_to_its_end(api: httpx.AsyncClient) -> None:
    sent = []

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            sent.append(1_000)
            yield b" " * 1_000

    response = await api.post(f"{BASE}/things", content=chunks(), headers={"Content-Type": "application/json"})

    assert problem_of(response).code is Code.request_too_large
    assert sum(sent) <= 3_000


async def test_body_where_the_contract_has_none_is_refused(api: httpx.AsyncClient) -> None:
    response = await api.request("GET", f"{BASE}/things", json={})

    assert (response.status_code, told(response)) == (400, [("request.body_invalid", "#")])


@pytest.mark.parametrize(("path", "status"), [(f"{BASE}/things", 401), (f"{BASE}/open", 200)])
async def test_only_what_is_public_is_answered_to_strangers(path: str, status: int) -> None:
    async with client(bound(), caller=None) as stranger:
        response = await stranger.get(path)

    assert response.status_code == status
    assert response.headers.get("www-authenticate") == ('Bearer realm="tiebeam"' if status == 401 else None)


async def test_refusal_becomes_a_problem_with_everything_it_knows(api: httpx.AsyncClient, things: Things) -> None:
    candidate = Candidate(external_id="17", name="Alder", score=97, reasons=[Reason.name_alike])
    refusal = Refused(Code.customer_duplicate_candidate, "Link it.", candidates=[candidate], process_id="pin_1")
    things.answer = lambda: raise_(refusal)

    problem = problem_of(await api.post(f"{BASE}/things", json=NEW))

    assert (problem.code, problem.status, problem.detail) == (Code.customer_duplicate_candidate, 409, "Link it.")
    assert (problem.candidates, problem.process_id) == ([candidate], "pin_1")


async def test_failure_is_internal_and_its_words_stay_inside(
    api: httpx.AsyncClient, things: Things, caplog: pytest.LogCaptureFixture
) -> None:
    url = "postgresql://user:s3cret@host"
    things.answer = lambda: raise_(RuntimeError(url))

    response = await api.post(f"{BASE}/things", json=NEW)

    assert (response.status_code, problem_of(response).code) == (500, Code.internal)
    assert url not in response.text + caplog.text
    assert "RuntimeError" in caplog.text
    assert problem_of(response).correlation_id in caplog.text


async def test_status_that_the_contract_does_not_list_is_reported(
    api: httpx.AsyncClient, things: Things, caplog: pytest.LogCaptureFixture
) -> None:
    things.answer = lambda: raise_(Uncertain(Code.upstream_timeout_uncertain, "Ask again."))

    with caplog.at_level(logging.ERROR):
        response = await api.post(f"{BASE}/things", json=NEW)

    assert response.status_code == 504
    assert "create_thing answered 504, which its contract does not list" in caplog.text


async def test_path_and_method_that_do_not_exist_are_problems(api: httpx.AsyncClient) -> None:
    missing, method = await api.get("/nowhere"), await api.put(f"{BASE}/things")

    assert problem_of(missing).code is Code.resource_not_found
    assert problem_of(method).code is Code.request_method_not_allowed
    assert method.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_failure_of_the_framework_is_a_problem() -> None:
    async def broken() -> None:
        raise ServiceUnavailableException(detail="s3cret")

    page = HTTPRouteHandler("/broken", http_method=HttpMethod.GET)(broken)
    async with client(bound(), page) as api:
        response = await api.get("/broken")

    assert problem_of(response).code is Code.internal
    assert "s3cret" not in response.text


LOCKED = OperationalError("SELECT", None, Exception("database is locked"))
BROKEN = ProgrammingError("SELECT", None, Exception("no such column"))


@pytest.mark.parametrize(
    ("method", "error", "told"),
    [
        ("GET", LOCKED, (503, Code.gateway_overloaded)),
        ("GET", BROKEN, (500, Code.internal)),
        ("POST", LOCKED, (500, Code.internal)),  # It may have been committed: `outcome` says that nobody knows.
    ],
)
async def test_read_that_the_database_does_not_answer_may_be_asked_again(
    api: httpx.AsyncClient, things: Things, method: str, error: Exception, told: tuple[int, Code]
) -> None:
    things.answer = lambda: raise_(error)

    response = await api.request(method, f"{BASE}/things", json=NEW if method == "POST" else None)

    assert (response.status_code, problem_of(response).code) == told
    assert ("retry-after" in response.headers) == (told[0] == 503)


def raise_(error: Exception) -> None:
    raise error
