"""RFC 9111 as a table: what was kept, what is asked for then and when, and what comes of it. A new case is a new row.

Each row lets one read be kept (or not), time pass, and one more read come; what counts is the second read's status,
its `Age`, its `Cache-Status`, and how often the framework was asked in all.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store.database import Store
from tests.edge_world import CUSTOMER, Reply, Seen, World, open_edge_store
from tests.fakes.clock import Clock
from tests.policies.cache_table import CASES, Case

POLICIES = """
- {kind: audit}
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: cache, when_unavailable: bypass, %s}
"""


@pytest.fixture(scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    opened = await open_edge_store(f"sqlite:///{tmp_path_factory.mktemp('table')}/edge.sqlite", Clock())
    yield opened
    await opened.close()


def world_of(case: Case, store: Store, folder: Path) -> World:
    """Return an edge with the case's row, whose framework answers as the case has it."""
    world = World(folder, store, Clock(), POLICIES % case.row)

    async def respond(seen: Seen) -> tuple[int, dict[str, str], bytes]:
        if case.fails and len(world.framework.seen) > 1:
            return case.fails, {"content-type": "application/problem+json"}, b"{}"
        fields = {name.lower(): value for name, value in case.answer.items()}
        return 200, {"content-type": "application/json"} | fields, (await world.framework.count(seen))[2]

    world.framework.respond = respond
    return world


async def play(world: World, case: Case) -> tuple[Reply, Reply]:
    """Return both answers, once nothing is under way any more."""
    first = await world.send("GET", CUSTOMER + case.query, headers=list(case.first.items()))
    world.clock.forward(case.after_s)
    again = await world.send(case.method, CUSTOMER + case.query, headers=list(case.then.items()))
    await world.kit.responses.flights.settled()
    return first, again


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_second_read_gets_what_the_row_says(case: Case, store: Store, tmp_path: Path) -> None:
    world = world_of(case, store, tmp_path)
    _, again = await play(world, case)

    found = (again.status, again.headers.get("age"), again.headers.get("cache-status", ""), len(world.framework.seen))
    told = f'"tiebeam"; {case.cache_status}' if case.cache_status else ""
    assert found == (case.status, case.age, told, case.calls)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_answer_is_well_formed_whatever_the_row_says(case: Case, store: Store, tmp_path: Path) -> None:
    first, again = await play(world_of(case, store, tmp_path), case)

    for reply in (first, again):
        names = [name for name, _ in reply.fields]
        assert len(names) == len(set(names))
        assert ("content-length" in names) is (reply.status != 304)
        assert "cache-control" in names
    if again.status == 304:
        assert again.body == b""
        assert "content-type" not in again.headers
        assert again.headers["etag"] == first.headers["etag"]


def test_table_is_long_enough_and_names_each_case_once() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 60
