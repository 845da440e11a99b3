"""The life of versions at the edge, to the second: who is told, who is refused, and that nothing of it is kept."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest
from sqlalchemy import select

from gateway.lifecycle.document import BrownOut, Extension
from gateway.store import audit
from tests.edge_lifecycle import DEPRECATED, ERP, FIELDS, KEY, NOW, ONBOARDING, STATUSES, SUNSET, Life
from tests.edge_world import CUSTOMER, CUSTOMERS, ONBOARDINGS, STATUS, Seen, World

ABOUT: Final = "/process/status/v1/about"
LINKS: Final = (
    '</process/status/v2>; rel="successor-version", '
    '</docs/process/status/v1#lifecycle>; rel="deprecation"; type="text/html", '
    '</docs/process/status/v1#lifecycle>; rel="sunset"; type="text/html"'
)


@pytest.fixture
def life(world: World) -> Life:
    return Life(world)


@pytest.mark.parametrize("seconds", [-1, 0, 1, 86_400])
async def test_version_ends_with_the_very_second_of_its_sunset(life: Life, seconds: int) -> None:
    life.goes()
    life.at(SUNSET, seconds)

    reply = await life.get()

    assert (reply.status, reply.code) == ((200, None) if seconds < 0 else (410, "version.sunset"))
    assert life.served == (1 if seconds < 0 else 0)


async def test_microsecond_before_the_sunset_is_before_it(life: Life) -> None:
    life.goes()
    life.at(SUNSET, -0.000001)

    assert (await life.get()).status == 200


async def test_every_answer_tells_the_end_and_the_successor(life: Life) -> None:
    life.goes(successor="process/status/v2")

    replies = [await life.get(), await life.get(), await life.world.send("HEAD", STATUS)]
    life.at(SUNSET)
    replies.append(await life.get())

    assert [reply.status for reply in replies] == [200, 200, 200, 410]
    assert [[reply.headers[name] for name in FIELDS] for reply in replies] == 4 * [
        [
            "@1792918800",
            "Wed, 25 Nov 2026 09:00:00 GMT",
            LINKS,
        ]
    ]
    assert replies[-1].json["detail"] == (
        "process/status/v1 ended at 2026-11-25T09:00:00Z. Use process/status/v2 at /process/status/v2 instead. "
        "See /docs/process/status/v1#lifecycle."
    )


async def test_kept_answer_is_told_anew_and_is_refused_across_the_sunset(life: Life) -> None:
    life.goes()
    life.at(SUNSET, -1)
    first = await life.get()
    kept = await life.get()
    life.at(SUNSET)
    ended = await life.get()
    life.at(SUNSET, 1)
    life.stays()
    again = await life.get()

    assert (first.json, kept.json, again.json) == ({"number": 1}, {"number": 1}, {"number": 1})
    assert kept.headers["cache-status"] == '"tiebeam"; hit; ttl=10'
    assert all(name in kept.headers for name in FIELDS)
    assert ended.code == "version.sunset"
    assert again.headers["cache-status"].startswith('"tiebeam"; hit')
    assert not any(name in again.headers for name in FIELDS), "What was told was kept."


async def test_unchanged_answer_is_told_and_refused_like_any_other(life: Life) -> None:
    async def tagged(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        return 200, {"content-type": "application/json", "etag": '"1"'}, b"{}"

    life.world.framework.respond = tagged
    life.goes()
    await life.get()
    unchanged = await life.get(headers=[("If-None-Match", '"1"')])
    life.at(SUNSET)
    ended = await life.get(headers=[("If-None-Match", '"1"')])

    assert (unchanged.status, unchanged.headers["sunset"]) == (304, "Wed, 25 Nov 2026 09:00:00 GMT")
    assert ended.status == 410


async def test_replay_of_a_write_is_told_and_then_refused_and_nothing_of_it_is_kept(life: Life) -> None:
    life.goes(ONBOARDING)
    send: Callable[[], Any] = lambda: life.world.send("POST", ONBOARDINGS, headers=KEY, body=b"{}")  # noqa: E731
    life.at(SUNSET, -1)
    first, again = await send(), await send()
    life.at(SUNSET)
    ended = await send()
    life.stays()
    later = await send()

    assert [reply.status for reply in (first, again, ended, later)] == [202, 202, 410, 202]
    assert again.headers["idempotency-replayed"] == later.headers["idempotency-replayed"] == "true"
    assert all(name in again.headers for name in FIELDS)
    assert not any(name in later.headers for name in FIELDS), "What was told was kept."
    assert life.served == 1


async def test_version_without_dates_tells_nothing(life: Life) -> None:
    life.goes(deprecated_at=None, sunset_at=None, successor="process/status/v2")

    reply = await life.get()

    assert not any(name in reply.headers for name in FIELDS)


async def test_announced_version_tells_so_and_asks_nobody_who_is_new(life: Life) -> None:
    life.known.clients.clear()
    life.goes(deprecated_at=NOW + timedelta(seconds=1), sunset_at=None)

    announced = await life.get()
    life.world.clock.forward(1)
    refused = await life.get()

    assert (announced.status, announced.headers["deprecation"]) == (200, f"@{int(NOW.timestamp()) + 1}")
    assert "sunset" not in announced.headers
    assert (refused.status, refused.code) == (403, "version.closed_to_new")
    assert refused.headers["link"] == '</docs/process/status/v1#lifecycle>; rel="deprecation"; type="text/html"'


@pytest.mark.parametrize(
    ("seconds", "status", "wait"), [(-1, 200, None), (0, 410, "3600"), (3599.5, 410, "1"), (3600, 200, None)]
)
async def test_brown_out_refuses_from_its_first_second_to_its_last(
    life: Life, seconds: float, status: int, wait: str | None
) -> None:
    begin = NOW + timedelta(hours=2)
    life.goes(brown_outs=(BrownOut(since=begin, until=begin + timedelta(hours=1)),))
    life.at(begin, seconds)

    reply = await life.get()

    assert (reply.status, reply.headers.get("retry-after")) == (status, wait)
    assert reply.code == ("version.brown_out" if status == 410 else None)


async def test_extension_spares_its_client_both_until_its_own_end(life: Life) -> None:
    until, off = SUNSET + timedelta(days=9), BrownOut(since=NOW, until=NOW + timedelta(hours=1))
    life.goes(brown_outs=(off,), extensions=(Extension(client_id="portal", until=until, reason="A late release."),))

    statuses = []
    for moment, seconds in ((NOW, 0), (SUNSET, 0), (until, -1), (until, 0)):
        life.at(moment, seconds)
        replies = [await life.get(token=life.world.token(client)) for client in ("crm", "portal")]
        statuses.append([reply.status for reply in replies])

    assert statuses == [[410, 200], [410, 200], [410, 200], [410, 410]]
    assert [reply.headers["sunset"] for reply in replies] == [
        "Wed, 25 Nov 2026 09:00:00 GMT",
        "Fri, 04 Dec 2026 09:00:00 GMT",
    ]


async def test_new_client_is_refused_and_one_with_an_extension_is_not(life: Life) -> None:
    late = Extension(client_id="late", until=SUNSET + timedelta(days=1), reason="It was promised.")
    life.goes(extensions=(late,), successor="process/status/v2")

    replies = [await life.get(token=life.world.token(client)) for client in ("crm", "late", "new")]

    assert [reply.code for reply in replies] == [None, None, "version.closed_to_new"]
    assert "Use process/status/v2 at /process/status/v2 instead." in replies[-1].json["detail"]
    assert replies[-1].headers["link"].startswith('</process/status/v2>; rel="successor-version"')
    assert life.served == 2


async def test_client_of_whom_nobody_knows_is_looked_up_and_waits_where_that_fails(life: Life) -> None:
    life.known.at_once = False
    life.goes()

    known = await life.get()
    life.known.away = True
    away = await life.get()

    assert (known.status, away.status) == (200, 503)
    assert life.known.looked == 2 * [("crm", STATUSES, DEPRECATED)]
    assert life.served == 1


async def test_open_operation_is_told_and_ends_too(life: Life) -> None:
    life.goes()

    told = await life.get(ABOUT, token=None)
    life.at(SUNSET)
    ended = await life.get(ABOUT, token=None)

    assert (told.status, told.headers["sunset"]) == (200, "Wed, 25 Nov 2026 09:00:00 GMT")
    assert (ended.status, ended.headers["sunset"]) == (410, "Wed, 25 Nov 2026 09:00:00 GMT")


async def test_who_may_not_call_is_told_that_first(life: Life) -> None:
    life.goes(sunset_at=NOW)

    stranger = await life.get(token=None)
    forbidden = await life.get(token=life.world.token(scopes=()))

    assert (stranger.status, "sunset" in stranger.headers) == (401, False)
    assert (forbidden.code, "sunset" in forbidden.headers) == ("auth.scope_missing", True)


async def test_refused_calls_count_and_are_limited_like_others(life: Life) -> None:
    life.goes(sunset_at=NOW)

    replies = [await life.get() for _ in range(101)]

    assert [reply.status for reply in replies] == [410] * 100 + [429]
    assert replies[0].headers["ratelimit"].startswith('"client";r=99;')
    assert "sunset" in replies[-1].headers


async def test_refusal_is_written_down(life: Life) -> None:
    life.goes(ERP, sunset_at=NOW)

    reply = await life.get(CUSTOMER)
    await life.world.send("POST", CUSTOMERS, body=b"{}")

    async with life.world.store.begin() as connection:
        rows = (await connection.execute(select(audit.TABLE).order_by(audit.TABLE.c.at))).mappings().all()
    assert sorted((row["operation"], row["status"], row["code"], row["client_id"]) for row in rows) == [
        ("system/erp/v1:create_customer@books", 410, "version.sunset", "crm"),
        ("system/erp/v1:get_customer@books", 410, "version.sunset", "crm"),
    ]
    assert reply.json["instance"].rpartition(":")[2] in {row["id"] for row in rows}
    assert reply.headers["link"].startswith("</docs/system/books/erp/v1#lifecycle>")
