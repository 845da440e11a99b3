"""Whatever is wrong is answered with a problem that names it, and no system behind is called."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.demo import orders
from gateway import main
from openapi.common.types import Code
from tests.e2e.product import Product, product

ONBOARDINGS = "/process/project-onboarding/v1/onboardings"
CUSTOMERS = "/system/books/erp/v1/customers"
STATUSES = "/process/status/v1/project-statuses"
KEY = {"Idempotency-Key": '"0b8f7c1e-aaaa-bbbb-cccc-000000000001"', "Content-Type": "application/json"}
ORDER = orders.statement_of_work("0065", orders.HARBOUR, "Data platform", "CONS")
TEXT = json.dumps(ORDER)
FLOAT = TEXT.replace('"48000.00"', "48000.00")
UNKNOWN = TEXT.replace('"account": "A-1001"', '"vip": true, "account": "A-1001"', 1)
TWICE = TEXT.replace('"account": "A-1001"', '"account": "A-1", "account": "A-1001"', 1)


HOLDS = "/process/billing-holds/v1/holds"
RELEASES, MILESTONES = "/process/invoice-release/v1/releases", "/process/invoice-release/v1/milestones"
REQUESTS = "/process/invoice-release/v1/requests"
RUNS, RECALLS = "/process/time-transfer/v1/runs", "/process/time-transfer/v1/recalls"
ENTRIES, BILLING = "/process/time-transfer/v1/entries", "/process/status/v1/billing-statuses"
ULID = "01KB0Q3V8X5N7E9RZ2M4T6W8YD"
MONEY: dict[str, tuple[str, dict[str, Any]]] = {
    "start_run": (RUNS, {"connection": "delivery"}),
    "recall_entry": (RECALLS, {"connection": "delivery", "entry_id": "4711", "reason": "Wrong task."}),
    "start_release": (RELEASES, {"legal_entity": "ES01", "note": "November", "contracts": [f"con_{ULID}"]}),
    "approve_request": (f"{REQUESTS}/ivr_{ULID}/approve", {"reason": "Two weekends of migration"}),
    "approve_milestone": (
        f"{MILESTONES}/con_{ULID}-1-1/approve",
        {"achieved_on": "2026-11-20", "evidence": "Protocol"},
    ),
    "place_hold": (
        HOLDS,
        {"reason_code": "dispute", "note": "Asks.", "scope": {"type": "project", "id": f"prj_{ULID}"}},
    ),
    "lift_hold": (f"{HOLDS}/hld_{ULID}/lift", {"reason": "Answered."}),
    "override_hold": (
        f"/process/billing-holds/v2/holds/hld_{ULID}/overrides",
        {"business_key": "inv_ES01_1", "reason": "Agreed."},
    ),
}
"""What the path of money takes: where it is sent, and a body that follows the contract."""


@pytest.fixture(scope="module")
async def serving(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """The composed product, with systems that only count."""
    folder: Path = tmp_path_factory.mktemp("product")
    async with product(folder) as composed:
        yield composed


@pytest.fixture(autouse=True)
async def nobody_was_called(serving: Product) -> AsyncIterator[None]:
    """Check that nothing behind the gateway was reached, whatever the test sent."""
    yield
    assert serving.upstream.received == []


def told(answer: httpx.Response, status: int, code: Code) -> dict[str, Any]:
    """Return the problem, which is this one and well formed."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["x-correlation-id"] == problem["correlation_id"]
    return problem


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (FLOAT, "#/lines/0/value/amount", Code.money_float_not_allowed),
        (UNKNOWN, "#/customer/vip", Code.request_unknown_field),
        (TWICE, "#", Code.request_duplicate_key),
        (TEXT.replace("Data platform", "a\\u0000b"), "", Code.request_nul_character),
        ("[" * 10_000 + "]" * 10_000, "", None),
        (TEXT[:-1], "", None),
        ("", "", None),
    ],
    ids=["float", "unknown", "duplicate", "nul", "deep", "cut", "empty"],
)
async def test_body_that_is_wrong_is_named_with_its_place(
    serving: Product, body: str, pointer: str, code: Code | None
) -> None:
    async with serving.client() as crm:
        problem = told(await crm.post(ONBOARDINGS, content=body, headers=KEY), 400, Code.request_malformed)

    assert problem["errors"]
    if code:
        assert code in {error["code"] for error in problem["errors"]}
        assert any(error["pointer"].startswith(pointer) for error in problem["errors"])


def broken(body: dict[str, Any]) -> dict[str, tuple[str, Code | None]]:
    """Return the body, broken in each way that a text can be broken."""
    text, (field, value) = json.dumps(body), next(iter(body.items()))
    one = f'"{field}": {json.dumps(value)}'
    return {
        "float": (text.replace(one, f'"{field}": 1.5', 1), Code.request_body_invalid),
        "number": (text.replace(one, f'"{field}": 4711', 1), Code.request_body_invalid),
        "null": (text.replace(one, f'"{field}": null', 1), Code.request_body_invalid),
        "unknown": (text.replace(one, f'"vip": true, {one}', 1), Code.request_unknown_field),
        "twice": (text.replace(one, f"{one}, {one}", 1), Code.request_duplicate_key),
        "nul": (text.replace(one, f'"{field}": "a\\u0000b"', 1), Code.request_nul_character),
        "lone surrogate": (text.replace(one, f'"{field}": "\\ud800"', 1), None),
        "list": (f"[{text}]", None),
        "deep": ("[" * 10_000 + "]" * 10_000, None),
        "cut": (text[:-1], None),
        "empty": ("", None),
    }


@pytest.mark.parametrize("operation", MONEY)
async def test_body_on_the_path_of_money_is_refused_however_it_is_broken(serving: Product, operation: str) -> None:
    path, body = MONEY[operation]
    async with serving.client() as finance:
        for way, (text, code) in broken(body).items():
            problem = told(await finance.post(path, content=text, headers=KEY), 400, Code.request_malformed)

            assert problem["errors"], way
            assert code in {None, *(error["code"] for error in problem["errors"])}, (way, problem["errors"])


@pytest.mark.parametrize(
    ("operation", "change", "pointer"),
    [
        ("start_run", {"sweep": "yes"}, "#/sweep"),
        ("start_run", {"connection": "../books"}, "#/connection"),
        ("recall_entry", {"withdraw": 1}, "#/withdraw"),
        ("recall_entry", {"reason": "two\nlines"}, "#/reason"),
        ("start_release", {"through": "2026-11-31"}, "#/through"),
        ("start_release", {"through": "2026-11-30T00:00:00Z"}, "#/through"),
        ("start_release", {"contracts": []}, "#/contracts"),
        ("start_release", {"contracts": [f"con_{ULID}"] * 101}, "#/contracts"),
        ("start_release", {"projects": [f"con_{ULID}"]}, "#/projects/0"),
        ("start_release", {"allow_incomplete": "true"}, "#/allow_incomplete"),
        ("approve_request", {"reason": ""}, "#/reason"),
        ("approve_milestone", {"achieved_on": "20.11.2026"}, "#/achieved_on"),
        ("approve_milestone", {"evidence": ""}, "#/evidence"),
        ("place_hold", {"scope": {"type": "project", "id": "P-0001"}}, "#/scope/id"),
        ("place_hold", {"scope": {"type": "invoice", "id": f"prj_{ULID}"}}, "#/scope/type"),
        ("place_hold", {"reason_code": "mood"}, "#/reason_code"),
        ("place_hold", {"note": "x" * 401}, "#/note"),
        ("place_hold", {"until": "2020-01-01"}, "#/until"),
        ("lift_hold", {"reason": ""}, "#/reason"),
        ("override_hold", {"business_key": "inv/1"}, "#/business_key"),
    ],
)
async def test_value_on_the_path_of_money_that_is_wrong_is_named(
    serving: Product, operation: str, change: dict[str, Any], pointer: str
) -> None:
    path, body = MONEY[operation]
    async with serving.client() as finance:
        problem = told(await finance.post(path, json=body | change, headers=KEY), 400, Code.request_malformed)

    assert pointer in {error["pointer"] for error in problem["errors"]}


async def test_release_of_nothing_in_particular_is_refused(serving: Product) -> None:
    async with serving.client() as finance:
        problem = told(
            await finance.post(RELEASES, json={"legal_entity": "ES01"}, headers=KEY), 400, Code.request_malformed
        )

    assert [error["code"] for error in problem["errors"]] == [Code.request_body_invalid]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("recall_entry", Code.entry_not_known),
        ("start_release", Code.contract_not_found),
        ("place_hold", Code.hold_scope_unknown),
        ("approve_milestone", Code.resource_not_found),
        ("approve_request", Code.resource_not_found),
        ("lift_hold", Code.resource_not_found),
        ("override_hold", Code.resource_not_found),
    ],
)
async def test_what_is_well_formed_and_does_not_exist_is_told_so(serving: Product, operation: str, code: Code) -> None:
    path, body = MONEY[operation]
    async with serving.client() as finance:
        answer = await finance.post(path, json=body, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (404 if code is Code.resource_not_found else 422, code)


async def test_every_violation_is_named_at_once(serving: Product) -> None:
    async with serving.client() as crm:
        answer = await crm.post(ONBOARDINGS, json=orders.full_of_mistakes(), headers=KEY)

    errors = told(answer, 400, Code.request_malformed)["errors"]
    assert {error["pointer"] for error in errors} >= {
        "#/currency",
        "#/customer/country",
        "#/customer/vip",
        "#/project/manager",
        "#/lines/0/value/amount",
    }


async def test_broken_rules_are_named_at_once_and_nothing_is_looked_up(serving: Product) -> None:
    wrong = json.loads(TEXT)
    wrong["lines"][0]["schedule"][0]["amount"]["amount"] = "17999.99"
    wrong["lines"][1]["cap"]["currency"] = "USD"
    wrong["customer"]["tax_id"] = "ESB58818502"
    async with serving.client() as crm:
        answer = await crm.post(ONBOARDINGS, json=wrong, headers=KEY)

    assert answer.status_code == 422
    assert {error["code"] for error in answer.json()["errors"]} >= {
        Code.schedule_total_mismatch,
        Code.currency_mismatch,
        Code.customer_tax_id_invalid,
    }


async def test_bytes_that_are_no_utf8_are_refused(serving: Product) -> None:
    async with serving.client() as crm:
        broken = TEXT.encode().replace(b"Data platform", b"Data \xff\xfe")
        told(await crm.post(ONBOARDINGS, content=broken, headers=KEY), 400, Code.request_malformed)


async def test_ten_megabytes_are_refused_before_they_are_read(serving: Product) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(160):
            read += 65_536
            yield b"x" * 65_536

    async with serving.client() as crm:
        told(await crm.post(ONBOARDINGS, content=b"x" * 10_485_760, headers=KEY), 413, Code.request_too_large)
        told(await crm.post(ONBOARDINGS, content=endless(), headers=KEY), 413, Code.request_too_large)

    assert read < 1_048_576


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{ONBOARDINGS}?limit=0", Code.request_parameter_invalid),
        (f"{ONBOARDINGS}?limit=5&limit=6", Code.request_parameter_invalid),
        (f"{ONBOARDINGS}?limits=5", Code.request_parameter_unknown),
        (f"{ONBOARDINGS}?cursor=1.QUJD.QUJDREVGR0hJSktMTU5PUA", Code.request_cursor_invalid),
        (f"{STATUSES}?external_id=9", Code.request_parameter_invalid),
        (f"{CUSTOMERS}?tax_id=ESA08000143&name=Alder", Code.request_parameter_invalid),
        (f"{CUSTOMERS}?limit=101&name=Alder", Code.request_parameter_invalid),
        (f"{RUNS}?state=done", Code.request_parameter_invalid),
        (f"{RUNS}?cursor=1.QUJD.QUJDREVGR0hJSktMTU5PUA", Code.request_cursor_invalid),
        (f"{ENTRIES}?external_id=4711", Code.request_parameter_invalid),
        (f"{ENTRIES}?project=P-0001", Code.request_parameter_invalid),
        (f"{RELEASES}?contract=con_1", Code.request_parameter_invalid),
        (f"{RELEASES}?dry_run=true", Code.request_parameter_unknown),
        (f"{MILESTONES}?limit=1e1", Code.request_parameter_invalid),
        (f"{HOLDS}?scope_id=prj_{ULID}", Code.request_parameter_invalid),
        (f"{HOLDS}?in_force=1", Code.request_parameter_invalid),
        (f"{BILLING}", Code.request_parameter_invalid),
        (f"{BILLING}?entry=4711", Code.request_parameter_invalid),
        (f"{BILLING}?project=prj_{ULID}&invoice=2026-1", Code.request_parameter_invalid),
    ],
)
async def test_parameter_that_is_wrong_is_named(serving: Product, path: str, code: Code) -> None:
    async with serving.client() as crm:
        problem = told(await crm.get(path), 400, Code.request_malformed)

    assert code in {error["code"] for error in problem["errors"]}


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x.y.z", "Basic dTpw", "Bearer a b"])
async def test_without_a_good_token_nothing_is_told(serving: Product, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    async with serving.stranger(headers) as stranger:
        answer = await stranger.get(CUSTOMERS, params={"name": "Alder"})

    assert answer.status_code in {400, 401}
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_every_operation_refuses_a_stranger_and_a_token_without_its_scope(serving: Product) -> None:
    operations = [operation for api in main.apis_of(serving.parts) for operation in api.operations]
    async with serving.stranger() as stranger, serving.client(scopes=("nothing:read",)) as poor:
        for operation in operations:
            path = operation.path.replace("{", "").replace("}", "")
            assert (await stranger.request(operation.method, path)).status_code == 401, operation.name
            refused = await poor.request(operation.method, path)
            assert told(refused, 403, Code.auth_scope_missing), operation.name
            assert "insufficient_scope" in refused.headers["www-authenticate"]


async def test_another_entity_is_refused_by_name_and_its_objects_are_not_there(serving: Product) -> None:
    new = {"business_key": "k", "legal_entity": "ES01", "name": "X", "country": "ES"}
    new["billing_address"] = {"street": "S", "city": "C", "country": "ES"}  # type: ignore[assignment]  # A body.
    async with serving.client(entities=("DE01",)) as other:
        told(await other.post(CUSTOMERS, json=new), 403, Code.auth_entity_not_allowed)
        told(await other.post(ONBOARDINGS, json=ORDER, headers=KEY), 403, Code.auth_entity_not_allowed)
        assert (await other.get(CUSTOMERS, params={"name": "Alder"})).json()["items"] == []
        assert (await other.get(STATUSES)).json()["items"] == []


async def test_portals_have_no_access_to_system_apis(serving: Product) -> None:
    async with serving.client(customers=("cus_1",)) as portal:
        told(await portal.get(CUSTOMERS, params={"name": "Alder"}), 403, Code.auth_system_api_closed)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("DELETE", CUSTOMERS, {}, 405, Code.request_method_not_allowed),
        ("GET", f"{STATUSES}", {"Accept": "text/html"}, 406, Code.request_not_acceptable),
        ("POST", ONBOARDINGS, {**KEY, "Content-Type": "text/plain"}, 415, Code.request_media_type),
        ("POST", ONBOARDINGS, {**KEY, "Content-Encoding": "gzip"}, 415, Code.request_media_type),
        ("GET", f"{STATUSES}?code={'x' * 9000}", {}, 414, Code.request_uri_too_long),
        ("GET", STATUSES, {"X-Filler": "x" * 40_000}, 431, Code.request_headers_too_large),
        ("GET", "/system/books/erp/v1/nothing", {}, 404, Code.resource_not_found),
        ("POST", ONBOARDINGS, {"Content-Type": "application/json"}, 400, Code.idempotency_key_missing),
        ("PATCH", f"{CUSTOMERS}/17", {"Content-Type": "application/json"}, 428, Code.precondition_required),
    ],
)
async def test_http_itself_is_answered_with_a_problem(
    serving: Product, method: str, path: str, headers: dict[str, str], status: int, code: Code
) -> None:
    async with serving.client() as crm:
        bodies = {"POST": TEXT, "PATCH": '{"payment_terms": "immediate"}'}
        answer = await crm.request(method, path, headers=headers, content=bodies.get(method))

    told(answer, status, code)
    if status == 405:
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize(
    "path", [f"//{STATUSES}", f"{STATUSES}/..%2f", f"{STATUSES}/%2e%2e", f"{STATUSES}/%00", f"{STATUSES}/%zz"]
)
async def test_odd_path_is_refused_and_not_repaired(serving: Product, path: str) -> None:
    async with serving.client() as crm:
        request = crm.build_request("GET", "/")
        request.url = request.url.copy_with(raw_path=path.encode())
        told(await crm.send(request), 400, Code.request_path_malformed)


async def test_no_secret_and_no_value_of_the_caller_comes_back(serving: Product) -> None:
    async with serving.client() as crm:
        answer = await crm.post(ONBOARDINGS, content=TEXT.replace('"EUR"', '"hunter2-hunter2"'), headers=KEY)

    assert "hunter2" not in answer.text
