"""A creating call and its repetitions, one after another, at once, and after a crash; on SQLite and PostgreSQL."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from gateway import idempotency
from gateway.errors import Refused
from gateway.idempotency import fingerprint_of, key_of
from gateway.policy.kinds.idempotency import Idempotency
from gateway.store.database import Store
from gateway.store.idempotency_records import TABLE, IdempotencyRecords, Kept, Record, RecordKey
from openapi.common.types import Code
from tests.edge_world import CUSTOMERS, ONBOARDINGS, OPERATIONS, OWN, POLICIES, Reply, Seen, World
from tests.fakes.clock import Clock

KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
RECORD = RecordKey(issuer="https://login.example", client_id="crm", operation="start", idempotency_key="12345678")
DAY_S = 86_400.0
START = next(operation for operation in OPERATIONS if operation.takes_idempotency_key)


async def start(world: World, key: str = KEY, body: bytes = b'{"a": 1}', token: str = OWN) -> Reply:
    return await world.send("POST", ONBOARDINGS, token=token, headers=[("Idempotency-Key", key)], body=body)


async def test_first_answer_is_kept_and_replayed_for_a_week(here: World) -> None:
    first = await start(here)
    here.clock.forward(7 * DAY_S - 1)
    again = await start(here)

    assert (first.status, first.json, "idempotency-replayed" in first.headers) == (202, {"number": 1}, False)
    assert (again.status, again.json, again.headers["idempotency-replayed"]) == (202, {"number": 1}, "true")
    assert again.headers["x-correlation-id"] != first.headers["x-correlation-id"]
    assert len(here.framework.seen) == 1


async def test_key_is_free_after_the_week(here: World) -> None:
    await start(here)
    here.clock.forward(7 * DAY_S)

    assert (await start(here, body=b'{"a": 2}')).json == {"number": 2}


async def test_replay_has_the_answers_own_fields_and_no_others(world: World) -> None:
    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        own = {"content-type": "application/json", "location": "/x/1", "etag": '"1"'}
        return 202, own | {"date": "Wed, 25 Nov 2026 10:00:00 GMT", "set-cookie": "a=b"}, b"{}"

    world.framework.respond = respond
    await start(world)
    again = await start(world)

    assert (again.headers["location"], again.headers["etag"]) == ("/x/1", '"1"')
    assert "date" not in again.headers
    assert "set-cookie" not in again.headers
    assert [value for name, value in again.fields if name == "ratelimit"] == ['"client";r=98;t=2']


@pytest.mark.parametrize("body", [b'{"a": 2}', b'{"a":1}', b""])
async def test_key_under_another_body_is_422(world: World, body: bytes) -> None:
    await start(world)

    assert (await start(world, body=body)).code == "idempotency.key_reuse_mismatch"
    assert len(world.framework.seen) == 1


async def test_key_under_another_query_is_422(world: World) -> None:
    await start(world)
    other = await world.send("POST", f"{ONBOARDINGS}?x=1", headers=[("Idempotency-Key", KEY)], body=b'{"a": 1}')

    assert other.status == 422


async def test_kept_answer_is_not_shown_to_a_token_that_sees_something_else(world: World) -> None:
    await start(world, token=world.token(legal_entities=("ES01",)))
    other = await start(world, token=world.token(legal_entities=("DE01",)))

    assert other.code == "idempotency.key_reuse_mismatch"


async def test_clients_do_not_share_keys(world: World) -> None:
    await start(world)

    assert (await start(world, token=world.token("other"))).json == {"number": 2}


async def test_operations_do_not_share_keys(here: World) -> None:
    other = replace(START, name="process/project_onboarding/v1:preview", path=f"{ONBOARDINGS}/previews")
    both = World(here.folder, here.store, here.clock, operations=(*OPERATIONS, other))
    headers = [("Idempotency-Key", KEY)]
    targets = (ONBOARDINGS, f"{ONBOARDINGS}/previews") * 2
    replies = [await both.send("POST", target, headers=headers, body=b"{}") for target in targets]

    assert [reply.json for reply in replies] == [{"number": 1}, {"number": 2}] * 2
    assert ["idempotency-replayed" in reply.headers for reply in replies] == [False, False, True, True]


async def test_same_key_of_another_caller_in_flight_is_nobody_elses_business(here: World) -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def respond(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        here.framework.respond = here.framework.count
        began.set()
        await goes_on.wait()
        return await here.framework.count(seen)

    here.framework.respond = respond
    first = asyncio.create_task(start(here))
    await began.wait()
    other = await start(here, token=here.token("other"))
    goes_on.set()

    assert (other.status, (await first).status) == (202, 202)
    assert {"idempotency-replayed"}.isdisjoint(other.headers)


async def test_caller_with_other_rights_gets_no_replay(world: World) -> None:
    await start(world)
    narrower = await start(world, token=world.token(scopes=("onboardings:start",)))
    somebody = await start(world, token=world.token(subject="somebody"))

    assert [narrower.code, somebody.code] == ["idempotency.key_reuse_mismatch"] * 2


async def test_replay_is_byte_for_byte_what_was_answered(here: World) -> None:
    body = b'{"b": 1.50, "a":"\xc3\xa9"}\n'

    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        return 201, {"content-type": "application/json", "location": "/x/%C3%A9", "link": '</y>; rel="status"'}, body

    here.framework.respond = respond
    first, again = await start(here), await start(here)

    assert (again.status, again.body) == (201, body)
    own = {"content-type", "location", "link"}
    assert {name: again.headers[name] for name in own} == {name: first.headers[name] for name in own}


async def test_other_request_is_422_until_the_key_is_free_and_then_is_the_first(here: World) -> None:
    await start(here)
    here.clock.forward(7 * DAY_S - 1)
    before = await start(here, body=b'{"a": 2}')
    here.clock.forward(1)
    after = await start(here, body=b'{"a": 2}')
    replayed = await start(here, body=b'{"a": 2}')
    first = await start(here)

    assert (before.code, after.json) == ("idempotency.key_reuse_mismatch", {"number": 2})
    assert replayed.headers["idempotency-replayed"] == "true"
    assert first.code == "idempotency.key_reuse_mismatch"


async def test_missing_key_is_400_and_nothing_is_called(world: World) -> None:
    reply = await world.send("POST", ONBOARDINGS, body=b"{}")

    assert (reply.status, reply.code) == (400, "idempotency.key_missing")
    assert world.framework.seen == []


MALFORMED = {
    "without quotes": "8e03978e-40d5-43e8-bc93-6894a57f9324",
    "too short": '"1234567"',
    "too long": '"' + "a" * 129 + '"',
    "empty": "",
    "empty string": '""',
    "blank inside": '"a b c d e f"',
    "escaped quote": '"ab\\"cdefgh"',
    "escaped backslash": '"ab\\\\cdefgh"',
    "parameter": '"12345678";a=1',
    "list": '"12345678", "12345678"',
    "quote that is not closed": '"12345678',
    "quote inside": '"1234"5678"',
    "single quotes": "'12345678'",
    "token": "abcdefgh12",
    "byte sequence": ":MTIzNDU2Nzg=:",
    "integer": "1234567890",
    "not ASCII": '"1234567é"',
    "control character": '"1234567\x01"',
    "tab inside": '"1234\t5678"',
}


@pytest.mark.parametrize("key", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_key_is_400_and_nothing_is_called_or_looked_up(world: World, key: str) -> None:
    world.kit.records._store = None  # type: ignore[assignment]  # noqa: SLF001 - whoever looks anything up fails.
    reply = await start(world, key)

    assert (reply.status, reply.code) == (400, "idempotency.key_malformed")
    assert world.framework.seen == []


@pytest.mark.parametrize(
    "key", ['"12345678"', '"' + "a" * 128 + '"', '"!#$%&()*+,-./:;<=>?@[]^_`{|}~"', '  "12345678"\t']
)
async def test_key_within_its_bounds_is_taken(world: World, key: str) -> None:
    assert (await start(world, key)).status == 202
    assert (await start(world, key.strip())).headers["idempotency-replayed"] == "true"


async def test_two_fields_are_malformed_though_they_are_equal(world: World) -> None:
    headers = [("Idempotency-Key", KEY)] * 2
    reply = await world.send("POST", ONBOARDINGS, headers=headers, body=b"{}")

    assert (reply.status, reply.code) == (400, "idempotency.key_malformed")
    assert world.framework.seen == []


async def test_key_where_the_contract_takes_none_is_not_looked_at(world: World) -> None:
    replies = [await world.send("POST", CUSTOMERS, headers=[("Idempotency-Key", "?")], body=b"{}") for _ in range(2)]

    assert [reply.json for reply in replies] == [{"number": 1}, {"number": 2}]


def test_several_keys_are_malformed() -> None:
    with pytest.raises(Refused):
        key_of([KEY.encode(), KEY.encode()])


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_fingerprints_are_equal_only_where_every_part_is(one: list[bytes], other: list[bytes]) -> None:
    assert (fingerprint_of(*one) == fingerprint_of(*other)) is (one == other)


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 503])
async def test_failure_before_any_effect_frees_the_key(world: World, status: int) -> None:
    await answering(world, status)

    assert (await start(world, body=b'{"other": true}')).json == {"number": 2}


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_failure_of_unknown_effect_runs_again_for_the_same_request_alone(world: World, status: int) -> None:
    await answering(world, status)

    assert (await start(world, body=b'{"other": true}')).code == "idempotency.key_reuse_mismatch"
    assert (await start(world)).json == {"number": 2}
    assert (await start(world)).headers["idempotency-replayed"] == "true"


async def answering(world: World, status: int) -> None:
    """Let the framework fail once."""

    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        return status, {}, b""

    world.framework.respond = respond
    assert (await start(world)).status == status
    world.framework.respond = world.framework.count


async def test_exception_of_unknown_effect_leaves_the_key_to_the_same_request(world: World) -> None:
    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        raise ConnectionResetError

    world.framework.respond = respond
    assert (await start(world)).status == 500
    world.framework.respond = world.framework.count

    assert (await start(world)).json == {"number": 2}


async def test_repetition_is_409_while_the_first_is_in_flight(here: World) -> None:
    began, goes_on, replies = asyncio.Event(), asyncio.Event(), list[Reply]()

    async def respond(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        began.set()
        await goes_on.wait()
        return await here.framework.count(seen)

    async def repeat() -> None:
        await began.wait()
        replies.append(await start(here))
        replies.append(await start(here, body=b"{}"))
        goes_on.set()

    here.framework.respond = respond
    first, _ = await asyncio.gather(start(here), repeat())
    later = await start(here)

    assert (replies[0].status, replies[0].code) == (409, "idempotency.in_progress")
    assert replies[0].headers["retry-after"] == "1"
    assert replies[1].status == 422
    assert first.json == later.json == {"number": 1}


async def test_hundred_equal_calls_at_once_run_one(here: World) -> None:
    async def respond(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        await asyncio.sleep(0.01)
        return await here.framework.count(seen)

    here.framework.respond = respond
    replies = await asyncio.gather(*(start(here) for _ in range(100)))

    replayed = [reply for reply in replies if "idempotency-replayed" in reply.headers]
    assert len(here.framework.seen) == 1
    assert Counter(reply.status for reply in replies) == {202: 1 + len(replayed), 409: 99 - len(replayed)}
    assert {reply.code for reply in replies if reply.status == 409} == {"idempotency.in_progress"}
    assert {reply.body for reply in replies if reply.status == 202} == {b'{"number": 1}'}
    here.clock.forward(10)  # Its quota is used up.
    assert (await start(here)).headers["idempotency-replayed"] == "true"


async def test_hundred_equal_calls_at_once_in_several_processes_run_one(here: World) -> None:
    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        effects.append(1)
        await asyncio.sleep(0.01)
        return 202, {"content-type": "application/json"}, b"{}"

    effects: list[int] = []
    edges = [World(here.folder, here.store, here.clock) for _ in range(4)]
    for edge in edges:
        edge.framework.respond = respond
    replies = await asyncio.gather(*(start(edges[number % 4]) for number in range(100)))

    assert len(effects) == 1
    assert [reply.status for reply in replies if "idempotency-replayed" not in reply.headers].count(202) == 1
    assert {reply.status for reply in replies} <= {202, 409}


async def test_call_that_is_cancelled_leaves_the_key_to_the_same_request(here: World) -> None:
    began = asyncio.Event()

    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    here.framework.respond = respond
    first = asyncio.create_task(start(here))
    await began.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    here.framework.respond = here.framework.count

    assert (await start(here)).json == {"number": 2}


async def test_crash_between_effect_and_record_lets_the_same_request_go_on(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dead(*_arguments: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as crash:
        crash.setattr(IdempotencyRecords, "keep", dead)
        crash.setattr(IdempotencyRecords, "leave", dead)
        assert (await start(here)).status == 500
    soon = await start(here)
    here.clock.forward(30)
    other = await start(here, body=b"{}")
    again = await start(here)

    assert (soon.status, other.status) == (409, 422)
    assert (again.status, again.json) == (202, {"number": 2})
    assert (await start(here)).json == {"number": 2}


async def test_key_of_a_dead_process_is_taken_over_by_the_same_request(edge_store: Store) -> None:
    records, clock = IdempotencyRecords(edge_store), edge_store.now
    assert isinstance(clock, Clock)
    assert await records.take(RECORD, "f", "dead", lease_s=30, keep_s=DAY_S) is None

    clock.forward(29)
    in_flight = await records.take(RECORD, "f", "next", lease_s=30, keep_s=DAY_S)
    clock.forward(1)
    another = await records.take(RECORD, "other", "next", lease_s=30, keep_s=DAY_S)
    taken = await records.take(RECORD, "f", "next", lease_s=30, keep_s=DAY_S)

    assert in_flight is not None
    assert in_flight.kept is None
    assert another is not None
    assert taken is None


async def test_process_that_comes_back_from_the_dead_changes_nothing(edge_store: Store) -> None:
    records, clock = IdempotencyRecords(edge_store), edge_store.now
    assert isinstance(clock, Clock)
    await records.take(RECORD, "f", "zombie", lease_s=30, keep_s=DAY_S)
    clock.forward(31)
    await records.take(RECORD, "f", "next", lease_s=30, keep_s=DAY_S)
    answer = Kept(status=202, headers=(), body=b"next")

    await records.renew(RECORD, "zombie", lease_s=999)
    await records.keep(RECORD, "zombie", Kept(status=202, headers=(), body=b"zombie"))
    await records.release(RECORD, "zombie")
    await records.keep(RECORD, "next", answer)

    found = await records.take(RECORD, "f", "later", lease_s=30, keep_s=DAY_S)
    assert found is not None
    assert found.kept == answer


async def test_lease_is_renewed_while_the_call_is_in_flight(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed = asyncio.Event()
    renew = IdempotencyRecords.renew

    async def noted(self: IdempotencyRecords, key: RecordKey, holder: str, *, lease_s: float) -> None:
        await renew(self, key, holder, lease_s=lease_s)
        renewed.set()

    async def respond(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        await renewed.wait()
        return await here.framework.count(seen)

    monkeypatch.setattr(IdempotencyRecords, "renew", noted)
    short = World(here.folder, here.store, here.clock, POLICIES.replace("lease_s: 30", "lease_s: 3"))
    short.framework.respond = respond

    assert (await start(short)).status == 202


async def test_expired_records_go_when_new_ones_come(edge_store: Store) -> None:
    records, clock = IdempotencyRecords(edge_store), edge_store.now
    assert isinstance(clock, Clock)
    await records.take(RECORD, "f", "a", lease_s=30, keep_s=DAY_S)
    clock.forward(DAY_S)
    await records.take(replace(RECORD, idempotency_key="another-one"), "f", "b", lease_s=30, keep_s=DAY_S)

    async with edge_store.begin() as connection:
        keys = (await connection.execute(select(TABLE.c.idempotency_key))).scalars().all()
    assert keys == ["another-one"]


async def test_lease_that_cannot_be_renewed_once_is_tried_again(
    here: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried, twice = list[int](), asyncio.Event()

    async def failing(*_arguments: object, **_rest: object) -> None:
        tried.append(1)
        if len(tried) > 1:
            twice.set()
        raise OperationalError("UPDATE", {}, ConnectionError())

    async def respond(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        await twice.wait()
        return await here.framework.count(seen)

    monkeypatch.setattr(IdempotencyRecords, "renew", failing)
    monkeypatch.setattr(idempotency, "RENEWALS", 3_000)
    short = World(here.folder, here.store, here.clock, POLICIES.replace("lease_s: 30", "lease_s: 3"))
    short.framework.respond = respond

    assert (await start(short)).status == 202
    assert "could not be renewed" in caplog.text


async def away(*_arguments: object, **_rest: object) -> None:
    raise OperationalError("a statement", {}, ConnectionError())


async def test_call_whose_key_cannot_be_looked_up_is_503_and_is_not_made(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as outage:
        outage.setattr(IdempotencyRecords, "take", away)
        outage.setattr(IdempotencyRecords, "leave", away)
        refused = await start(here)

    assert (refused.status, refused.code) == (503, "idempotency.unavailable")
    assert (refused.json["outcome"], refused.headers["retry-after"], here.framework.seen) == ("none", "2", [])
    assert (await start(here)).status == 202


async def test_answer_that_cannot_be_kept_is_given_and_its_key_free_after_the_lease(
    here: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as outage:
        outage.setattr(IdempotencyRecords, "keep", away)
        first = await start(here)
    other, meanwhile = await start(here, body=b'{"a": 2}'), await start(here)
    here.clock.forward(30)

    assert (first.status, other.status, meanwhile.code) == (202, 422, "idempotency.in_progress")
    assert "could not be kept" in caplog.text
    assert (await start(here)).json == {"number": 2}


async def test_failure_is_told_though_its_key_cannot_be_left(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        raise Refused(Code.lock_held, "told")

    here.framework.respond = respond
    monkeypatch.setattr(IdempotencyRecords, "leave", away)

    assert (await start(here)).code == "lock.held"


async def test_caller_who_hangs_up_while_the_key_is_taken_leaves_it(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    took, take = asyncio.Event(), IdempotencyRecords.take

    async def slow(self: IdempotencyRecords, *arguments: Any, **rest: Any) -> Record | None:  # noqa: ANN401
        took.set()
        await asyncio.sleep(0)
        return await take(self, *arguments, **rest)

    with monkeypatch.context() as slowly:
        slowly.setattr(IdempotencyRecords, "take", slow)
        first = asyncio.create_task(start(here))
        await took.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

    assert here.framework.seen == []
    assert (await start(here, body=b'{"a": 1}')).json == {"number": 1}


def test_answers_are_kept_for_seven_days_at_least() -> None:
    assert Idempotency(keep_days=7).keep_days * DAY_S == timedelta(days=7).total_seconds()
