"""Usage through the real edge: who calls what, and which fields that go stand in bodies, lists and nested objects."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.counters import CountersAway
from gateway.lifecycle import Version
from gateway.lifecycle.document import Extension, FieldRetirement
from gateway.store import usage
from gateway.store.denials import Denial, DenialKind
from gateway.store.usage import UsedPlace
from tests.edge_world import CUSTOMER, CUSTOMERS, ISSUER, ONBOARDINGS, STATUS, Seen, World, open_edge_store
from tests.fakes.clock import Clock

ERP, ONBOARDING, PROJECT_STATUS = "system/erp/v1", "process/project_onboarding/v1", "process/status/v1"
OLD = "process/status/v0"
START, GET_STATUS = "start_onboarding", "get_project_status"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
STAYS = Version(
    owner="PMO", contact="pmo@example.com", service_level="99.9 %", data_class="internal", review_on=date(2027, 1, 1)
)
DEPRECATED = msgspec.structs.replace(STAYS, deprecated_at=NOW + timedelta(days=1), sunset_at=NOW + timedelta(days=10))
DAY = 86_400


def going(operation: str, place: Any, pointer: str, sunset_at: datetime | None = None) -> FieldRetirement:  # noqa: ANN401 - one of three words.
    """Return a field that goes."""
    return FieldRetirement(
        operation=operation, place=place, pointer=pointer, deprecated_at=NOW, sunset_at=sunset_at, instead="Leave it."
    )


REQUEST = [going(START, "request", pointer) for pointer in ("/note", "/team/lead", "/lines/*/note", "/rates/*/*/from")]
RESPONSE = [
    going(GET_STATUS, "response", pointer) for pointer in ("/health", "/milestones/*/due", "/budget/*/planned/*")
]
QUERY = [going(GET_STATUS, "query", "verbose")]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Return an edge at which fields go."""
    clock = Clock()
    store = await open_edge_store(f"sqlite:///{tmp_path}/edge.sqlite", clock)
    world = World(tmp_path, store, clock)
    fields_of_status = msgspec.structs.replace(STAYS, fields=(*RESPONSE, *QUERY))
    live(world, {ONBOARDING: msgspec.structs.replace(STAYS, fields=tuple(REQUEST)), PROJECT_STATUS: fields_of_status})
    yield world
    await store.close()


def live(world: World, versions: dict[str, Version], gone: dict[str, tuple[str, None]] | None = None) -> None:
    """Put the versions in force; `gone` are served no more."""
    world.edge.use(msgspec.structs.replace(world.edge.policies, lifecycle=versions, gone=gone or {}))


def answers(world: World, document: object, status: int = 200, content_type: str = "application/json") -> None:
    """Let the framework answer the document."""

    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        return status, {"content-type": content_type}, json.dumps(document).encode()

    world.framework.respond = respond


async def counted(world: World) -> dict[tuple[str, str, str], int]:
    """Return how often each operation and each field was used by whomever, by its operation, place and pointer."""
    await world.kit.usage.flush()
    uses: Counter[tuple[str, str, str]] = Counter()
    for one in await usage.listing(world.store, contracts=[ERP, ONBOARDING, PROJECT_STATUS]):
        uses[one.operation, one.place.value, one.pointer] += one.count
    return uses


async def fields(world: World, place: UsedPlace) -> dict[str, int]:
    """Return how often each field at the place was used."""
    return {pointer: count for (_, at, pointer), count in (await counted(world)).items() if at == place.value}


async def start(world: World, body: object, key: str = "one", **options: Any) -> int:  # noqa: ANN401 - of `send`.
    """Return the status of a call that starts an onboarding."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = [("idempotency-key", f'"{key * 16}"'), ("content-type", "application/json")]
    return (await world.send("POST", ONBOARDINGS, headers=fields, body=sent, **options)).status


async def test_every_call_of_a_client_counts_whatever_answers_it(world: World) -> None:
    for _ in range(3):
        await world.send("GET", STATUS)  # The second and third time, what is kept answers.
    await start(world, {})
    await start(world, {})  # A replay.
    await world.send("GET", CUSTOMER)
    await world.send("GET", CUSTOMER.replace("books", "ledger"))
    await world.send("HEAD", STATUS)

    assert await counted(world) == {
        (GET_STATUS, "", ""): 4,
        (START, "", ""): 2,
        ("get_customer", "", ""): 2,
    }
    assert len(world.framework.seen) == 5, "What was written let the kept status go."


async def test_each_client_has_rows_of_its_own(world: World) -> None:
    await world.send("GET", STATUS)
    world.clock.forward(5)
    await world.send("GET", STATUS, token=world.token("shop"))
    await world.kit.usage.flush()

    found = await usage.listing(world.store, contracts=[PROJECT_STATUS])

    assert [(one.client_id, one.first_seen) for one in found] == [("crm", NOW), ("shop", NOW + timedelta(seconds=5))]


async def test_who_may_not_call_uses_nothing(world: World) -> None:
    answers(world, {"health": 1})
    scopeless = await world.send("GET", f"{STATUS}?verbose=1", token=world.token(scopes=["customers:read"]))
    stranger = await world.send("GET", STATUS, token="none")
    elsewhere = await world.send("GET", "/process/status/v1/nothing-here")
    open_to_all = await world.send("GET", "/process/status/v1/about", token=None)

    assert [reply.status for reply in (scopeless, stranger, elsewhere, open_to_all)] == [403, 401, 404, 200]
    assert await counted(world) == {}


async def test_who_is_denied_uses_nothing(world: World) -> None:
    await world.send("GET", STATUS)
    denial = Denial(
        kind=DenialKind.client, name="crm", issuer=ISSUER, reason="x", id="den_1", denied_by="ops", denied_at=NOW
    )
    world.denied.append(denial)
    await world.counters.move(["denials"])
    refused = await world.send("GET", STATUS)

    assert refused.status == 401
    assert await counted(world) == {(GET_STATUS, "", ""): 1}


async def test_who_calls_too_often_calls_all_the_same(world: World) -> None:
    statuses = [(await world.send("GET", STATUS)).status for _ in range(101)]

    assert statuses[-1] == 429
    assert await counted(world) == {(GET_STATUS, "", ""): 101}


async def test_calls_count_while_the_shared_counters_are_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise CountersAway

    monkeypatch.setattr(world.counters, "ask_now", away)
    await world.send("GET", STATUS)

    assert await counted(world) == {(GET_STATUS, "", ""): 1}


async def test_calls_count_before_and_after_the_end_of_a_version(world: World) -> None:
    live(world, {PROJECT_STATUS: DEPRECATED})
    statuses = []
    for days in (0, 2, 10):
        world.clock.now = NOW + timedelta(days=days)
        statuses.append((await world.send("GET", STATUS)).status)
        statuses.append((await world.send("GET", STATUS, token=world.token("late" if days else "shop"))).status)
    figures = world.kit.usage.figures()

    assert statuses == [200, 200, 200, 403, 410, 410]
    assert await counted(world) == {(GET_STATUS, "", ""): 6}
    assert figures == {
        f'tiebeam_deprecated_calls_total{{client="crm",contract="{PROJECT_STATUS}",issuer="{ISSUER}"}}': 2,
        f'tiebeam_deprecated_calls_total{{client="late",contract="{PROJECT_STATUS}",issuer="{ISSUER}"}}': 2,
        "tiebeam_usage_uncounted_total": 0,
    }


async def test_calls_of_a_version_that_is_served_no_more_count(world: World) -> None:
    live(world, {OLD: DEPRECATED}, {"/process/status/v0": (OLD, None)})
    world.clock.forward(10 * DAY)
    told = await world.send("GET", "/process/status/v0/whatever")
    stranger = await world.send("GET", "/process/status/v0/whatever", token=None)
    await world.kit.usage.flush()
    (found,) = await usage.listing(world.store, contracts=[OLD])

    assert (told.status, stranger.status) == (410, 401)
    assert (found.client_id, found.operation, found.place, found.count) == ("crm", "", UsedPlace.call, 1)
    assert (
        f'tiebeam_deprecated_calls_total{{client="crm",contract="{OLD}",issuer="{ISSUER}"}}'
        in world.kit.usage.figures()
    )


async def test_a_client_that_called_before_goes_on_in_whatever_process(world: World) -> None:
    live(world, {PROJECT_STATUS: DEPRECATED})
    await world.send("GET", STATUS)
    await world.kit.usage.flush()
    world.clock.forward(2 * DAY)
    other = World(world.folder, world.store, world.clock)
    live(other, {PROJECT_STATUS: DEPRECATED})

    known, new = await other.send("GET", STATUS), await other.send("GET", STATUS, token=other.token("late"))

    assert (known.status, new.status, new.code) == (200, 403, "version.closed_to_new")


async def test_fields_of_a_request_are_found_in_objects_lists_and_maps(world: World) -> None:
    await start(world, {"note": None, "team": {}, "lines": [], "rates": {}}, "a")
    await start(world, {"team": {"lead": "x"}, "lines": [{}, {"note": ""}, {"note": 1}]}, "b")
    await start(world, {"rates": {"EUR": [{}, {"from": 1}], "USD": []}, "lines": [{"lines": [{"note": 1}]}]}, "c")
    await start(world, {"lead": 1, "team": [{"lead": 1}], "rates": [{"from": 1}]}, "d")

    assert await fields(world, UsedPlace.request) == {
        "/note": 1,
        "/team/lead": 1,
        "/lines/*/note": 1,  # Once a call, however many lines.
        "/rates/*/*/from": 1,
    }


async def test_fields_of_an_answer_are_found_in_objects_lists_and_maps(world: World) -> None:
    answers(
        world,
        {"health": None, "milestones": [{"name": "a"}, {"due": "x"}], "budget": {"EUR": {"planned": {"2026": 1}}}},
    )
    await world.send("GET", STATUS)

    assert await fields(world, UsedPlace.response) == {"/health": 1, "/milestones/*/due": 1, "/budget/*/planned/*": 1}


async def test_an_answer_without_the_field_uses_none(world: World) -> None:
    answers(world, {"milestones": [{}], "budget": {"EUR": {"planned": {}}}})
    reply = await world.send("GET", STATUS)

    assert await fields(world, UsedPlace.response) == {}
    assert "link" not in reply.headers


async def test_kept_answers_and_replays_count_too(world: World) -> None:
    answers(world, {"health": 1})
    replies = [await world.send("GET", STATUS) for _ in range(3)]
    for _ in range(3):
        await start(world, {"note": "x"})

    assert len(world.framework.seen) == 2
    assert await fields(world, UsedPlace.response) == {"/health": 3}
    assert await fields(world, UsedPlace.request) == {"/note": 3}
    assert {reply.headers["link"] for reply in replies} == {
        '</docs/process/status/v1#lifecycle>; rel="deprecation"; type="text/html"'
    }


async def test_a_parameter_counts_by_its_name(world: World) -> None:
    await world.send("GET", f"{STATUS}?verbose")
    await world.send("GET", f"{STATUS}?%76erbose=1&verbose=2")
    await world.send("GET", f"{STATUS}?terse=verbose")

    assert await fields(world, UsedPlace.query) == {"verbose": 2}


@pytest.mark.parametrize(
    ("status", "content_type"), [(404, "application/json"), (200, "text/csv"), (503, "application/problem+json")]
)
async def test_only_what_a_success_answers_as_json_counts(world: World, status: int, content_type: str) -> None:
    answers(world, {"health": 1}, status, content_type)
    await world.send("GET", STATUS)

    assert await counted(world) == {(GET_STATUS, "", ""): 1}


async def test_json_with_a_charset_counts(world: World) -> None:
    answers(world, {"health": 1}, content_type="application/json; charset=utf-8")
    await world.send("GET", STATUS)

    assert await fields(world, UsedPlace.response) == {"/health": 1}


async def test_who_only_asks_for_the_header_gets_no_fields(world: World) -> None:
    answers(world, {"health": 1})
    await world.send("HEAD", STATUS)

    assert await fields(world, UsedPlace.response) == {}


@pytest.mark.parametrize("body", [b"", b"{", b"note", b"\xff", b'{"note": 1', b"[" * 900])
async def test_a_body_that_is_no_json_has_no_fields(world: World, body: bytes) -> None:
    await start(world, body)

    assert await counted(world) == {(START, "", ""): 1}


async def test_bodies_of_operations_whose_fields_stay_are_not_looked_at(world: World) -> None:
    answers(world, {"health": 1, "note": 1})
    await world.send("POST", CUSTOMERS, body=b'{"note": 1}')

    assert await counted(world) == {("create_customer", "", ""): 1}


async def test_a_field_that_is_gone_is_refused_and_counted(world: World) -> None:
    gone = going(START, "request", "/lines/*/note", NOW + timedelta(days=1))
    extended = Extension(client_id="partner", until=NOW + timedelta(days=9), reason="Its release comes later.")
    live(world, {ONBOARDING: msgspec.structs.replace(STAYS, fields=(gone,), extensions=(extended,))})
    body = {"lines": [{}, {"note": "x"}]}
    before = await start(world, body, "a")
    world.clock.forward(DAY)
    after = await start(world, body, "b")
    without = await start(world, {"lines": [{}]}, "c")
    spared = await start(world, body, "d", token=world.token("partner"))

    assert (before, after, without, spared) == (202, 410, 202, 202)
    await world.kit.usage.flush()
    found = await usage.listing(world.store, contracts=[ONBOARDING])
    assert {(one.client_id, one.pointer): one.count for one in found} == {
        ("crm", ""): 3,
        ("crm", "/lines/*/note"): 2,
        ("partner", ""): 1,
        ("partner", "/lines/*/note"): 1,
    }
