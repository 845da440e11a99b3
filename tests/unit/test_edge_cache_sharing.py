"""Who shares what is kept: callers of one class, where the row says so; and processes, which share what ends it."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.counters import CountersAway, Question, Told
from gateway.counters.memory import MemoryCounters
from gateway.edge import news
from tests.edge_elsewhere import counters_at
from tests.edge_world import CUSTOMER, CUSTOMERS, ONBOARDINGS, POLICIES, STATUS, World
from tests.servers_valkey import Valkey, valkey

KEY = [("Idempotency-Key", '"0123456789"')]
SHARED = POLICIES.replace("fresh_s: 10", "fresh_s: 10, shared_by: visibility")
TRUSTING = POLICIES.replace("when_unavailable: bypass", "when_unavailable: serve_fresh")
WINDOWS = "fresh_s: 10, stale_while_revalidate_s: 10, stale_if_error_s: 60"


async def test_callers_of_one_class_share_where_the_row_says_so(world: World) -> None:
    shared = World(world.folder, world.store, world.clock, SHARED)
    tokens = [
        shared.token(),
        shared.token("portal"),
        shared.token(subject="somebody"),
        shared.token(scopes=("status:read",)),
        shared.token(legal_entities=("ES01",)),
        shared.token(customers=("17",)),
        shared.token(projects=("17",)),
        shared.token("portal", projects=("17",), subject="somebody else"),
    ]
    replies = [await shared.send("GET", STATUS, token=token) for token in tokens]

    assert [reply.json["number"] for reply in replies] == [1, 1, 1, 2, 3, 4, 5, 5]


async def test_tags_of_equal_bodies_differ_by_class(world: World) -> None:
    async def respond(_seen: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {"content-type": "application/json"}, b"{}"

    world.framework.respond = respond
    tokens = (world.token(), world.token(legal_entities=("ES01",)))
    one, other = [(await world.send("GET", STATUS, token=token)).headers["etag"] for token in tokens]
    reply = await world.send("GET", STATUS, token=tokens[1], headers=[("If-None-Match", one)])

    assert one != other
    assert reply.status == 200


async def test_write_ends_what_another_process_keeps(world: World) -> None:
    other = World(world.folder, world.store, world.clock, counters=world.counters)
    for edge in (world, other):
        await edge.send("GET", CUSTOMER)
        await edge.send("GET", STATUS)
    await other.send("POST", CUSTOMERS)
    await other.send("POST", ONBOARDINGS, headers=KEY)

    assert (await world.send("GET", CUSTOMER)).headers["cache-status"] == '"tiebeam"; fwd=stale; stored'
    assert (await world.send("GET", STATUS)).headers["cache-status"] == '"tiebeam"; fwd=stale; stored'
    assert (await world.send("GET", CUSTOMER)).headers["cache-status"] == '"tiebeam"; hit; ttl=10'


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as running:
        yield running


@pytest.mark.parametrize("kind", ["file", "valkey"])
async def test_write_in_a_real_other_process_ends_what_is_kept_here(
    world: World, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = str(tmp_path / "counters.sqlite")
    if kind == "valkey":
        where = request.getfixturevalue("server").url.reveal()
    here = World(world.folder, world.store, world.clock, counters=counters_at(where))
    await here.send("GET", CUSTOMER)
    before = await here.send("GET", CUSTOMER)
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.edge_elsewhere", where, str(tmp_path), "POST", CUSTOMERS,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    written, _ = await other.communicate()
    after = await here.send("GET", CUSTOMER)
    again = await here.send("GET", CUSTOMER)
    await here.counters.close()

    assert written == b"202"
    assert before.headers["cache-status"] == '"tiebeam"; hit; ttl=10'
    assert after.headers["cache-status"] == '"tiebeam"; fwd=stale; stored'
    assert again.headers["cache-status"] == '"tiebeam"; hit; ttl=10'


class Fickle(MemoryCounters):
    """Counters that can be away."""

    away = False

    def ask_now(self, question: Question) -> Told:
        """Return the answer, or raise."""
        if self.away:
            raise CountersAway
        return super().ask_now(question)

    async def move(self, names: Sequence[str]) -> None:
        """Move, or raise."""
        if self.away:
            raise CountersAway
        await super().move(names)


def fickle(world: World, policies: str) -> tuple[World, Fickle]:
    counters = Fickle(world.seconds)
    return World(world.folder, world.store, world.clock, policies, counters), counters


async def test_while_nobody_can_tell_what_changed_everything_is_asked_for(world: World) -> None:
    here, counters = fickle(world, POLICIES)
    await here.send("GET", CUSTOMER)
    counters.away = True
    replies = [await here.send("GET", CUSTOMER) for _ in range(2)]
    counters.away = False
    back = await here.send("GET", CUSTOMER)

    assert [reply.headers["cache-status"] for reply in replies] == ['"tiebeam"; fwd=bypass'] * 2
    assert {"etag", "cache-control"} <= replies[0].headers.keys()
    assert (back.json, back.headers["cache-status"]) == ({"number": 1}, '"tiebeam"; hit; ttl=10')


async def test_what_is_fresh_is_trusted_meanwhile_where_the_row_says_so(world: World) -> None:
    here, counters = fickle(world, TRUSTING.replace("fresh_s: 10", WINDOWS))
    await here.send("GET", CUSTOMER)
    counters.away = True
    trusted = await here.send("GET", CUSTOMER)
    here.clock.forward(10)
    stale = await here.send("GET", CUSTOMER)
    kept = await here.send("GET", CUSTOMER)
    counters.away = False
    back = await here.send("GET", CUSTOMER)

    assert trusted.headers["cache-status"] == '"tiebeam"; hit; ttl=10'
    assert stale.headers["cache-status"] == '"tiebeam"; fwd=stale; stored'
    assert kept.headers["cache-status"] == '"tiebeam"; hit; ttl=10'
    assert back.headers["cache-status"] == '"tiebeam"; fwd=stale; stored'  # Nobody knows what happened meanwhile.


async def test_own_write_ends_what_is_kept_though_it_cannot_be_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "AGAIN_S", 0.0)
    here, counters = fickle(world, TRUSTING)
    await here.send("GET", CUSTOMER)
    counters.away = True
    await here.send("POST", CUSTOMERS)
    meanwhile = await here.send("GET", CUSTOMER)
    counters.away = False
    back = await here.send("GET", CUSTOMER)

    assert [meanwhile.json, back.json] == [{"number": 3}, {"number": 4}]


async def test_write_before_the_counters_went_away_still_counts(world: World) -> None:
    here, counters = fickle(world, TRUSTING)
    await here.send("GET", CUSTOMER)
    await here.send("POST", CUSTOMERS)
    counters.away = True

    assert (await here.send("GET", CUSTOMER)).json == {"number": 3}


async def test_figures_are_shown_with_the_metrics(world: World) -> None:
    for _ in range(3):
        await world.send("GET", CUSTOMER)
    shown = world.kit.metrics.snapshot()

    assert (shown["tiebeam_cache_hits_total"], shown["tiebeam_cache_misses_total"]) == (2, 1)
    assert shown["tiebeam_cache_entries"] == 1
    assert shown["tiebeam_cache_bytes"] > 1_000
