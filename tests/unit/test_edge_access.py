"""Who gets in, what they are told if not, and what is written down of it."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from gateway.caller import Caller
from gateway.store.audit import GENESIS, TABLE
from gateway.token_minting import Grant, mint
from tests.edge_world import CUSTOMER, CUSTOMERS, ISSUER, STATUS, World


async def test_missing_token_is_401_without_an_error_in_the_challenge(world: World) -> None:
    reply = await world.send("GET", STATUS, token=None)

    assert (reply.status, reply.code) == (401, "auth.token_missing")
    assert reply.headers["www-authenticate"] == 'Bearer realm="tiebeam"'


@pytest.mark.parametrize("field", ["Basic dXNlcjpwdw==", "Bearer", "Token abc", ""])
async def test_another_scheme_is_no_token(world: World, field: str) -> None:
    assert (
        await world.send("GET", STATUS, token=None, headers=[("authorization", field)])
    ).code == "auth.token_missing"


async def test_bad_token_is_401_invalid_token(world: World) -> None:
    reply = await world.send("GET", STATUS, token="a.b.c")

    assert (reply.status, reply.code) == (401, "auth.invalid_token")
    assert reply.headers["www-authenticate"].endswith('error="invalid_token"')


async def test_scheme_is_read_in_any_case(world: World) -> None:
    reply = await world.send("GET", STATUS, token=None, headers=[("authorization", f"bEARER {world.token()}")])

    assert reply.status == 200


@pytest.mark.parametrize("query", ["access_token=x", "a=b&access_token=x", "access_token"])
async def test_token_in_the_query_is_400(world: World, query: str) -> None:
    reply = await world.send("GET", f"{STATUS}?{query}")

    assert (reply.status, reply.code) == (400, "auth.malformed")
    assert reply.headers["www-authenticate"].endswith('error="invalid_request"')


async def test_two_tokens_are_400(world: World) -> None:
    reply = await world.send("GET", STATUS, headers=[("authorization", f"Bearer {world.token()}")])

    assert (reply.status, reply.code) == (400, "auth.malformed")


async def test_token_for_another_audience_of_the_issuer_is_401(world: World) -> None:
    grant = Grant(client_id="crm", scopes=("status:read",), legal_entities="*")
    token = mint(world.folder, grant, issuer=ISSUER, audience="billing", now=world.seconds())

    assert (await world.send("GET", STATUS, token=token)).code == "auth.invalid_token"


async def test_missing_scope_is_403_and_named(world: World) -> None:
    reply = await world.send("GET", STATUS, token=world.token(scopes=("onboardings:start",)))

    assert (reply.status, reply.code) == (403, "auth.scope_missing")
    assert 'error="insufficient_scope", scope="status:read"' in reply.headers["www-authenticate"]


@pytest.mark.parametrize("limits", [{"customers": ("17",)}, {"projects": ("prj_1",)}, {"customers": ()}])
async def test_portals_have_no_access_to_system_apis(world: World, limits: dict[str, Any]) -> None:
    portal = world.token(**limits)

    assert (await world.send("GET", CUSTOMER, token=portal)).code == "auth.system_api_closed"
    assert (await world.send("GET", STATUS, token=portal)).status == 200


@pytest.mark.parametrize(
    ("limits", "entities"),
    [
        ({"legal_entities": None}, frozenset()),
        ({"legal_entities": ("ES01",)}, {"ES01"}),
        ({"legal_entities": "*"}, "*"),
    ],
)
async def test_entities_that_are_not_claimed_are_not_seen(
    world: World, limits: dict[str, Any], entities: object
) -> None:
    await world.send("GET", STATUS, token=world.token(**limits))

    caller = world.framework.seen[0].caller
    assert isinstance(caller, Caller)
    assert caller.legal_entities == entities


async def test_policy_that_names_an_issuer_shuts_the_others_out(world: World) -> None:
    other = World(
        world.folder,
        world.store,
        world.clock,
        "[{kind: authenticate, audience: other, issuers: ['https://login.*']}, {kind: authorize}, "
        "{kind: idempotency, keep_days: 7}]",
    )

    assert (await other.send("GET", STATUS, token=world.token())).code == "auth.invalid_token"


async def test_refusals_and_writes_are_written_down_and_reads_counted(here: World) -> None:
    refused = await here.send("GET", CUSTOMER, token=here.token(scopes=()), headers=[("X-Correlation-ID", "opp-4711")])
    await here.send("POST", CUSTOMERS, body=b"{}")
    await here.send("GET", STATUS)
    await here.send("GET", STATUS)

    async with here.store.begin() as connection:
        rows = (await connection.execute(select(TABLE).order_by(TABLE.c.sequence))).mappings().all()
    found = [(row["client_id"], row["operation"], row["status"], row["code"], row["outcome"]) for row in rows]
    assert found == [
        ("crm", "system/erp/v1:get_customer@books", 403, "auth.scope_missing", "none"),
        ("crm", "system/erp/v1:create_customer@books", 202, None, "applied"),
    ]
    assert refused.json["instance"] == f"urn:tiebeam:decision:{rows[0]['id']}"
    assert (rows[0]["path"], rows[0]["correlation_id"]) == (CUSTOMER, "opp-4711")
    assert rows[0]["prev_hash"] == GENESIS
    assert rows[1]["prev_hash"] == rows[0]["hash"]
    assert here.kit.auditor.reads == {"process/status/v1:get_project_status": 2}


async def test_failure_before_anybody_is_waited_for_is_written_down(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_question: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(world.counters, "ask_now", fails)
    reply = await world.send("GET", STATUS)

    async with world.store.begin() as connection:
        row = (await connection.execute(select(TABLE))).mappings().one()
    assert (reply.status, reply.code, row["status"], row["code"]) == (500, "internal", 500, "internal")
    assert "a bug of ours" not in reply.body.decode()
    assert "RuntimeError" in caplog.text


async def test_strangers_are_written_down_too(world: World) -> None:
    await world.send("GET", "/system/guess/erp/v1/customers", token=None)

    async with world.store.begin() as connection:
        row = (await connection.execute(select(TABLE))).mappings().one()
    assert (row["client_id"], row["operation"], row["code"]) == (None, "unmatched", "auth.token_missing")


async def test_framework_problem_is_a_refusal_under_its_own_code(world: World) -> None:
    async def respond(seen: object) -> tuple[int, dict[str, str], bytes]:
        body = {"code": "upstream.timeout_uncertain", "outcome": "uncertain", "seen": str(type(seen))}
        return 504, {"content-type": "application/problem+json"}, msgspec.json.encode(body)

    world.framework.respond = respond
    await world.send("POST", CUSTOMERS)

    async with world.store.begin() as connection:
        row = (await connection.execute(select(TABLE))).mappings().one()
    assert (row["code"], row["outcome"]) == ("upstream.timeout_uncertain", "uncertain")


async def test_failure_that_is_no_problem_is_written_down_without_a_code(world: World) -> None:
    async def respond(_seen: object) -> tuple[int, dict[str, str], bytes]:
        return 502, {}, b"Bad Gateway"

    world.framework.respond = respond
    await world.send("POST", CUSTOMERS)

    async with world.store.begin() as connection:
        assert (await connection.execute(select(TABLE.c.status, TABLE.c.code))).one() == (502, None)


async def test_failure_of_ours_is_written_down_with_who_called(world: World) -> None:
    async def respond(_seen: object) -> tuple[int, dict[str, str], bytes]:
        raise ZeroDivisionError

    world.framework.respond = respond
    reply = await world.send("POST", CUSTOMERS)

    async with world.store.begin() as connection:
        row = (await connection.execute(select(TABLE))).mappings().one()
    assert (row["status"], row["code"], row["outcome"], row["client_id"]) == (500, "internal", "uncertain", "crm")
    assert reply.json["instance"] == f"urn:tiebeam:decision:{row['id']}"


@pytest.mark.parametrize(
    ("target", "field", "code"),
    [
        ("/system//guess", "", "request.path_malformed"),
        ("/docs/%2e%2e/system", "", "request.path_malformed"),
        ("/process/" + "a" * 9_000, "", "request.uri_too_long"),
        (STATUS, "a" * 40_000, "request.headers_too_large"),
    ],
)
async def test_call_that_is_out_of_bounds_is_written_down(world: World, target: str, field: str, code: str) -> None:
    reply = await world.send("GET", target, headers=[("x-field", field)])

    async with world.store.begin() as connection:
        row = (await connection.execute(select(TABLE))).mappings().one()
    assert (row["operation"], row["code"], row["client_id"], row["path"]) == ("unmatched", code, None, target[:8192])
    assert (reply.code, reply.json["instance"]) == (code, f"urn:tiebeam:decision:{row['id']}")


@pytest.mark.parametrize(
    ("method", "target"), [("DELETE", "/system/guess"), ("HEAD", "/system/guess"), ("PUT", STATUS)]
)
async def test_method_is_written_down_as_it_was_sent(world: World, method: str, target: str) -> None:
    await world.send(method, target, token=None)

    async with world.store.begin() as connection:
        assert (await connection.execute(select(TABLE.c.method))).scalar_one() == method


async def test_audit_that_cannot_be_written_lets_no_further_write_begin(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async with world.store.begin() as connection:
        await connection.run_sync(TABLE.drop)
    happened = await world.send("POST", CUSTOMERS)
    refused = await world.send("POST", CUSTOMERS)
    read, stranger = await world.send("GET", STATUS), await world.send("GET", STATUS, token=None)
    async with world.store.begin() as connection:
        await connection.run_sync(TABLE.create)
    world.clock.forward(1)
    again = await world.send("POST", CUSTOMERS)

    assert "Audit rows could not be written" in caplog.text
    assert (happened.status, read.status, stranger.status, again.status) == (202, 200, 401, 202)
    assert (refused.status, refused.code) == (503, "audit.unavailable")
    assert refused.headers["retry-after"] == "2"
    assert [seen.method for seen in world.framework.seen] == ["POST", "GET", "POST"]
    async with world.store.begin() as connection:
        rows = await connection.execute(select(TABLE.c.status).order_by(TABLE.c.sequence))
    assert list(rows.scalars()) == [202, 503, 401, 202]
