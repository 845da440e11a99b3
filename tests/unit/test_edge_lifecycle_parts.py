"""What goes of a version before it does, and what is left of one that is served no more: at the edge, to the second."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from gateway.lifecycle.document import FieldRetirement, Retirement
from tests.edge_lifecycle import DEPRECATED, KEY, NOW, ONBOARDING, STATUSES, SUNSET, Life
from tests.edge_world import ONBOARDINGS, STATUS, World

NEWEST = "/process/status/v1/project-statuses/newest"


@pytest.fixture
def life(world: World) -> Life:
    return Life(world)


async def test_operation_goes_before_its_version(life: Life) -> None:
    own = Retirement(deprecated_at=DEPRECATED, sunset_at=NOW, instead="Ask for one project.")
    life.goes(operations={"get_newest": own})

    gone, stays = await life.get(NEWEST), await life.get()

    assert (gone.status, stays.status) == (410, 200)
    assert gone.json["detail"].startswith(
        "process/status/v1:get_newest ended at 2026-11-24T09:00:00Z. Ask for one project."
    )
    assert gone.headers["sunset"] == "Tue, 24 Nov 2026 09:00:00 GMT"
    assert stays.headers["sunset"] == "Wed, 25 Nov 2026 09:00:00 GMT"


async def test_parameter_that_is_gone_is_refused_also_where_the_answer_is_kept(life: Life) -> None:
    at = SUNSET - timedelta(hours=1)
    old = FieldRetirement(
        operation="get_project_status",
        place="query",
        pointer="fresh",
        deprecated_at=DEPRECATED,
        sunset_at=at,
        instead="Wait.",
    )
    life.goes(deprecated_at=None, sunset_at=None, fields=(old,))
    life.at(at, -1)
    used, without = await life.get(f"{STATUS}?fresh=true"), await life.get()
    life.at(at)
    gone, kept = await life.get(f"{STATUS}?fresh=true"), await life.get()

    assert [reply.status for reply in (used, without, gone, kept)] == [200, 200, 410, 200]
    assert used.headers["link"] == '</docs/process/status/v1#lifecycle>; rel="deprecation"; type="text/html"'
    assert "link" not in without.headers
    assert "deprecation" not in used.headers
    assert gone.json["errors"] == [
        {
            "code": "version.sunset",
            "pointer": "#query/fresh",
            "detail": "It ended at 2026-11-25T08:00:00Z. Wait.",
        }
    ]


async def test_field_that_is_gone_is_refused_before_its_key_is_noted(life: Life) -> None:
    old = FieldRetirement(
        operation="start_onboarding", place="request", pointer="/lines/*/note",
        deprecated_at=DEPRECATED, sunset_at=NOW, instead="Say it in `text`.",
    )  # fmt: skip
    life.goes(ONBOARDING, deprecated_at=None, sunset_at=None, fields=(old,))
    send: Callable[[Any], Any] = lambda body: life.world.send(  # noqa: E731
        "POST", ONBOARDINGS, headers=KEY, body=json.dumps(body).encode()
    )

    gone = await send({"lines": [{"text": "a"}, {"note": "b"}]})
    mended = await send({"lines": [{"text": "a"}]})

    assert (gone.status, [one["pointer"] for one in gone.json["errors"]]) == (410, ["#/lines/*/note"])
    assert (mended.status, mended.headers.get("idempotency-replayed")) == (202, None)


async def test_field_of_an_answer_is_told_where_the_answer_has_it(life: Life) -> None:
    old = FieldRetirement(
        operation="get_project_status", place="response", pointer="/number", deprecated_at=DEPRECATED, instead="Count."
    )
    life.goes(deprecated_at=None, sunset_at=None, fields=(old,))

    shown, other = await life.get(), await life.get(NEWEST)

    assert shown.headers["link"] == '</docs/process/status/v1#lifecycle>; rel="deprecation"; type="text/html"'
    assert "link" not in other.headers


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
async def test_version_that_is_served_no_more_says_so_at_every_path_below(life: Life, method: str) -> None:
    gone = {
        "/process/old-things/v1": (STATUSES, None),
        "/system/books/erp/v0": (STATUSES, "books"),
    }
    life.goes(sunset_at=NOW, gone=gone, successor="process/status/v2")

    replies = [
        await life.world.send(method, path)
        for path in ("/process/old-things/v1", "/process/old-things/v1/things/17", "/system/books/erp/v0/x")
    ]
    elsewhere = await life.world.send(method, "/process/old-things/v2/things")
    stranger = await life.world.send(method, "/process/old-things/v1/things", token=None)

    assert [reply.status for reply in replies] == [410, 410, 410]
    assert all(reply.headers["link"].count("successor-version") == 1 for reply in replies)
    assert replies[0].headers["deprecation"].startswith("@")
    assert (elsewhere.status, stranger.status) == (404, 401)
