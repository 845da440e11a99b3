"""Every answer below a version's root tells of its life: also where no operation is, and where nobody can count."""

from datetime import timedelta

import pytest

from gateway.counters import CountersAway
from gateway.lifecycle.document import BrownOut, Extension
from gateway.store.denials import Denial, DenialKind
from tests.edge_lifecycle import ERP, FIELDS, NOW, STATUSES, SUNSET, Life
from tests.edge_world import CUSTOMER, ISSUER, POLICIES, STATUS, World

ROOT, ASTRAY = "/process/status/v1", "/process/status/v1/whatever"
ENDS = "Wed, 25 Nov 2026 09:00:00 GMT"
ODD_CALLS = [
    ("GET", ROOT, 404),
    ("GET", ASTRAY, 404),
    ("DELETE", f"{ASTRAY}/17", 404),
    ("POST", STATUS, 405),
    ("OPTIONS", STATUS, 204),
]


@pytest.fixture
def life(world: World) -> Life:
    return Life(world)


@pytest.mark.parametrize(("method", "path", "status"), ODD_CALLS)
async def test_path_or_method_that_is_none_tells_of_the_version_that_it_lies_under(
    life: Life, method: str, path: str, status: int
) -> None:
    life.goes()

    reply, usual = await life.world.send(method, path), await life.get()

    assert reply.status == status
    assert [reply.headers.get(name) for name in FIELDS] == [usual.headers[name] for name in FIELDS]


@pytest.mark.parametrize("path", ["/process/status/v10", "/process/status", "/process/project-onboarding/v1/whatever"])
async def test_path_beside_the_version_tells_nothing_of_it(life: Life, path: str) -> None:
    life.goes()

    reply = await life.get(path)

    assert (reply.status, {*FIELDS} & {*reply.headers}) == (404, set())


async def test_stranger_learns_nothing_below_the_root_either(life: Life) -> None:
    life.goes()

    reply = await life.get(ASTRAY, token=None)

    assert (reply.status, {*FIELDS} & {*reply.headers}) == (401, set())


async def test_each_connection_of_a_system_has_its_own_way_out(life: Life) -> None:
    life.goes(ERP)

    books = await life.get("/system/books/erp/v1/whatever")
    ledger = await life.get("/system/ledger/erp/v1/whatever")

    assert "</docs/system/books/erp/v1#lifecycle>" in books.headers["link"]
    assert "</docs/system/ledger/erp/v1#lifecycle>" in ledger.headers["link"]


@pytest.mark.parametrize(("method", "path"), [call[:2] for call in ODD_CALLS])
async def test_what_is_no_operation_ends_with_the_version(life: Life, method: str, path: str) -> None:
    later = SUNSET + timedelta(days=1)
    life.goes(
        brown_outs=(BrownOut(since=NOW, until=NOW + timedelta(hours=1)),),
        extensions=(Extension(client_id="shop", until=later, reason="Late."),),
    )

    off = await life.world.send(method, path)
    life.at(SUNSET)
    ended = await life.world.send(method, path)
    extended = await life.world.send(method, path, token=life.world.token("shop"))

    assert [reply.status for reply in (off, ended)] == [410, 410]
    assert [reply.headers["sunset"] for reply in (off, ended)] == [ENDS, ENDS]
    assert (extended.status, extended.headers["sunset"]) in [
        (status, "Thu, 26 Nov 2026 09:00:00 GMT") for status in (404, 405, 204)
    ]


async def test_who_goes_astray_below_a_version_that_is_served_uses_nothing(life: Life) -> None:
    life.goes()

    await life.get(ASTRAY)
    await life.world.send("POST", STATUS)

    assert life.world.kit.usage.figures() == {"tiebeam_usage_uncounted_total": 0}


@pytest.mark.parametrize("path", [STATUS, ASTRAY])
async def test_what_is_refused_while_nobody_counts_tells_of_the_version(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def away(*_: object) -> None:
        raise CountersAway

    life = Life(
        World(
            world.folder,
            world.store,
            world.clock,
            POLICIES.replace("when_unavailable: allow", "when_unavailable: refuse"),
        )
    )
    life.goes()
    monkeypatch.setattr(life.world.counters, "ask_now", away)

    reply = await life.get(path)

    assert (reply.status, reply.code, reply.headers["sunset"]) == (503, "limits.unavailable", ENDS)


async def test_what_is_refused_by_a_limit_tells_of_the_version(world: World) -> None:
    life = Life(World(world.folder, world.store, world.clock, POLICIES.replace("limit: 100", "limit: 1")))
    life.goes()
    await life.get(ASTRAY)

    replies = [await life.get(path) for path in (ASTRAY, STATUS)]

    assert [(reply.status, reply.headers["sunset"]) for reply in replies] == [(429, ENDS), (429, ENDS)]


async def test_client_that_is_denied_is_a_stranger(life: Life) -> None:
    life.goes()
    before = await life.get()
    life.world.denied.append(
        Denial(
            kind=DenialKind.client, name="crm", issuer=ISSUER, reason="x", id="den_1", denied_by="ops", denied_at=NOW
        )
    )
    await life.world.counters.move(["denials"])

    reply, astray = await life.get(), await life.get(ASTRAY)

    assert before.headers["sunset"] == ENDS
    assert [(one.status, {*FIELDS} & {*one.headers}) for one in (reply, astray)] == [(401, set()), (401, set())]


async def test_operation_at_its_place_answers_as_before(life: Life) -> None:
    life.goes(ERP)

    reply = await life.get(CUSTOMER)

    assert (reply.status, reply.headers["sunset"]) == (200, ENDS)
    assert STATUSES not in reply.headers["link"]
