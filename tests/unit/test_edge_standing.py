"""What stands for all calls and may move: who is denied, the issuers' keys, which set of policies is in force."""

import asyncio
from collections.abc import Awaitable, Sequence

import pytest
from sqlalchemy import select

from gateway.counters import CountersAway, Question, Told
from gateway.counters.memory import MemoryCounters
from gateway.edge.standing import AGAIN_S, DENIALS, KEYS, POLICIES, Standing
from gateway.errors import Unavailable
from gateway.identity.denials import UNKNOWN
from gateway.store.audit import TABLE
from gateway.store.denials import Denial, DenialKind
from openapi.common.types import Code
from tests.edge_world import STATUS, World

COUNTED = """
- {kind: authenticate, audience: tiebeam, issuers: ["*"]}
- {kind: authorize}
- {kind: idempotency, keep_days: 7}
- {kind: rate_limit, per: client, limit: 1000, window_s: 100, when_unavailable: allow}
"""


class Away(MemoryCounters):
    """Nobody counts."""

    def ask_now(self, question: Question) -> Told:
        raise CountersAway(str(question))


class Follower:
    """A verifier and a set of policies that note what they are asked to do."""

    def __init__(self) -> None:
        self.denials = self.keys = UNKNOWN - 1
        self.done: list[str] = []
        self.fail: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()

    def denials_moved(self, generation: int) -> bool:
        return generation != self.denials

    async def reload_denials(self, generation: int) -> None:
        await self.open.wait()
        if self.fail:
            raise self.fail
        if self.denials_moved(generation):
            self.done.append(DENIALS)
            self.denials = generation

    def keys_moved(self, generation: int) -> bool:
        return generation != self.keys

    def flush_keys(self, generation: int) -> Awaitable[None]:
        self.keys = generation
        return self.refresh()

    async def refresh(self) -> None:
        self.done.append(KEYS)
        if self.fail:
            raise self.fail

    async def reload(self) -> None:
        self.done.append(POLICIES)
        if self.fail:
            raise self.fail


@pytest.fixture
def follower() -> Follower:
    return Follower()


@pytest.fixture
def standing(follower: Follower) -> Standing:
    return Standing(follower, follower.reload)  # type: ignore[arg-type]  # What it asks of a verifier.


async def settled(follower: Follower) -> Sequence[str]:
    """Return what was done, once nothing is under way; and forget it."""
    for _ in range(5):
        await asyncio.sleep(0)
    done, follower.done = follower.done, []
    return sorted(done)


async def test_first_call_reads_everything_and_the_next_nothing(standing: Standing, follower: Follower) -> None:
    assert not standing.holds((0, 0, 0))
    await standing.follow((0, 0, 0))

    assert standing.holds((0, 0, 0))
    assert await settled(follower) == [DENIALS, KEYS, POLICIES]


@pytest.mark.parametrize(
    ("moved", "done"),
    [
        ((1, 0, 0), [DENIALS]),
        ((0, 1, 0), [KEYS]),
        ((0, 0, 1), [POLICIES]),
        ((1, 1, 1), [DENIALS, KEYS, POLICIES]),
        ((0, 0, 7), [POLICIES]),
    ],
)
async def test_what_moved_is_followed_and_nothing_else(
    standing: Standing, follower: Follower, moved: tuple[int, int, int], done: list[str]
) -> None:
    await standing.follow((0, 0, 0))
    await settled(follower)

    assert not standing.holds(moved)
    await standing.follow(moved)

    assert await settled(follower) == done
    assert standing.holds(moved)


async def test_counters_that_were_flushed_are_followed_back(standing: Standing, follower: Follower) -> None:
    await standing.follow((5, 5, 5))
    await settled(follower)

    await standing.follow((0, 0, 0))

    assert await settled(follower) == [DENIALS, KEYS, POLICIES]


async def test_many_calls_at_once_follow_once(standing: Standing, follower: Follower) -> None:
    await standing.follow((0, 0, 0))
    await settled(follower)
    follower.open.clear()
    calls = [asyncio.create_task(standing.follow((1, 1, 1))) for _ in range(50)]
    await asyncio.sleep(0)
    assert follower.done == []
    follower.open.set()
    await asyncio.gather(*calls)

    assert await settled(follower) == [DENIALS, KEYS, POLICIES]


async def test_call_waits_for_denials_and_not_for_the_rest(standing: Standing, follower: Follower) -> None:
    await standing.follow((1, 1, 1))

    assert follower.done == [DENIALS]
    assert await settled(follower) == [DENIALS, KEYS, POLICIES]


async def test_denials_that_cannot_be_read_stop_the_call_and_the_next_tries_again(
    standing: Standing, follower: Follower
) -> None:
    follower.fail = Unavailable(Code.auth_unavailable, "away")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await standing.follow((1, 0, 0))
        assert not standing.holds((1, 0, 0))
    follower.fail = None

    await standing.follow((1, 0, 0))

    assert standing.holds((1, 0, 0))


@pytest.mark.parametrize("moved", [(0, 1, 0), (0, 0, 1)])
async def test_what_fails_in_the_background_is_logged(
    standing: Standing, follower: Follower, moved: tuple[int, int, int], caplog: pytest.LogCaptureFixture
) -> None:
    await standing.follow((0, 0, 0))
    await settled(follower)
    follower.fail = ZeroDivisionError("told")

    await standing.follow(moved)
    await settled(follower)

    assert "could not be followed" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_live_set_that_could_not_be_read_is_followed_by_a_later_call(follower: Follower) -> None:
    slept, over = list[float](), asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await over.wait()

    standing = Standing(follower, follower.reload, sleep)  # type: ignore[arg-type]  # What it asks of a verifier.
    follower.fail, follower.denials, follower.keys = ZeroDivisionError("told"), 0, 0
    await standing.follow((0, 0, 1))
    assert (await settled(follower), standing.holds((0, 0, 1)), slept) == ([POLICIES], True, [AGAIN_S])
    over.set()
    assert (await settled(follower), standing.holds((0, 0, 1))) == ([], False)
    follower.fail = None

    await standing.follow((0, 0, 1))

    assert (await settled(follower), standing.holds((0, 0, 1)), slept) == ([POLICIES], True, [AGAIN_S])


def denial(world: World, kind: DenialKind, name: str) -> Denial:
    """Return the denial of a token or a client."""
    return Denial(id="den_1", kind=kind, name=name, reason="stolen", denied_by="ops", denied_at=world.clock())


async def test_denied_client_is_refused_on_the_very_next_call_and_its_kept_answer_too(world: World) -> None:
    token = world.token()
    before = [await world.send("GET", STATUS, token=token) for _ in range(2)]
    assert "hit" in before[1].headers["cache-status"]

    world.denied.append(denial(world, DenialKind.client, "crm"))
    await world.counters.move([DENIALS])
    after = await world.send("GET", STATUS, token=token)
    renewed = await world.send("GET", STATUS, token=world.token())

    assert (after.status, after.code) == (401, "auth.invalid_token")
    assert renewed.status == 401
    assert after.headers["www-authenticate"].endswith('error="invalid_token"')
    assert len(world.framework.seen) == 1
    assert (await world.send("GET", STATUS, token=world.token("shop"))).status == 200


async def test_denied_token_is_refused_and_another_of_its_client_is_not(world: World) -> None:
    token = world.token()
    await world.send("GET", STATUS, token=token)
    jti = world.verifier.remembered(token.encode())
    assert jti

    world.denied.append(denial(world, DenialKind.token, jti.jti))
    await world.counters.move([DENIALS])

    assert (await world.send("GET", STATUS, token=token)).status == 401
    assert (await world.send("GET", STATUS, token=world.token())).status == 200


async def test_denial_that_was_lifted_lets_the_client_in_with_its_next_call(world: World) -> None:
    token = world.token()
    await world.send("GET", STATUS, token=token)
    world.denied.append(denial(world, DenialKind.client, "crm"))
    await world.counters.move([DENIALS])
    assert (await world.send("GET", STATUS, token=token)).status == 401

    world.denied.clear()
    await world.counters.move([DENIALS])

    assert (await world.send("GET", STATUS, token=token)).status == 200
    assert (await world.send("GET", STATUS, token=world.token())).status == 200


async def test_denied_client_that_calls_on_has_nothing_read_that_did_not_move(world: World) -> None:
    world.denied.append(denial(world, DenialKind.client, "crm"))

    assert [(await world.send("GET", STATUS)).status for _ in range(5)] == [401] * 5
    assert world.denials_read == 1


async def test_denial_that_was_lifted_while_nobody_counts_is_gone_within_a_second(world: World) -> None:
    blind = World(world.folder, world.store, world.clock, COUNTED, Away())
    token = blind.token()
    blind.denied.append(denial(blind, DenialKind.client, "crm"))
    assert (await blind.send("GET", STATUS, token=token)).status == 401

    blind.denied.clear()
    blind.clock.forward(1)

    assert (await blind.send("GET", STATUS, token=token)).status == 200


async def test_client_that_was_just_denied_is_named_in_the_audit(world: World) -> None:
    token = world.token()
    await world.send("GET", STATUS, token=token)
    world.denied.append(denial(world, DenialKind.client, "crm"))
    await world.counters.move([DENIALS])
    await world.send("GET", STATUS, token=token)

    async with world.store.begin() as connection:
        rows = (await connection.execute(select(TABLE.c.code, TABLE.c.client_id))).all()
    assert rows == [("auth.invalid_token", "crm")]


async def test_denied_token_gets_no_verdict_while_denials_that_moved_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.denied.append(denial(world, DenialKind.client, "crm"))
    await world.send("GET", STATUS)

    async def unreadable(_generation: int) -> None:
        raise Unavailable(Code.auth_unavailable, "away")

    monkeypatch.setattr(world.verifier, "reload_denials", unreadable)
    await world.counters.move([DENIALS])
    reply = await world.send("GET", STATUS)

    assert (reply.status, reply.code) == (503, "auth.unavailable")


async def test_token_that_nobody_knows_yet_is_refused_under_a_denial_that_nobody_read_yet(world: World) -> None:
    await world.send("GET", STATUS, token=world.token("shop"))
    world.denied.append(denial(world, DenialKind.client, "crm"))
    await world.counters.move([DENIALS])

    assert (await world.send("GET", STATUS)).status == 401


async def test_only_the_next_call_reads_denials(world: World) -> None:
    for _ in range(5):
        await world.send("GET", STATUS)
    before = world.denials_read
    await world.counters.move([DENIALS])
    for _ in range(5):
        await world.send("GET", STATUS)

    assert (before, world.denials_read) == (1, 2)


async def test_hundred_calls_at_once_read_denials_once(world: World) -> None:
    token = world.token()
    await world.send("GET", STATUS, token=token)
    world.denied.append(denial(world, DenialKind.client, "crm"))
    await world.counters.move([DENIALS])

    replies = await asyncio.gather(*(world.send("GET", STATUS, token=token) for _ in range(90)))

    assert {reply.status for reply in replies} == {401}
    assert world.denials_read == 2


async def test_denied_caller_draws_on_no_other_quota(world: World) -> None:
    world.denied.append(denial(world, DenialKind.client, "crm"))
    await world.counters.move([DENIALS])

    for _ in range(5):
        await world.send("GET", STATUS)

    shop = await world.send("GET", STATUS, token=world.token("shop"))
    assert shop.headers["ratelimit"].startswith('"client";r=99;')


async def test_while_nobody_counts_denials_are_read_once_a_second(world: World) -> None:
    blind = World(world.folder, world.store, world.clock, COUNTED, Away())
    token = blind.token()
    read = []
    for _ in range(4):
        for _ in range(20):
            assert (await blind.send("GET", STATUS, token=token)).status == 200
        read.append(blind.denials_read)
        blind.clock.forward(1)

    assert read == [1, 2, 3, 4]


async def test_while_nobody_counts_a_denial_holds_within_a_second(world: World) -> None:
    blind = World(world.folder, world.store, world.clock, COUNTED, Away())
    token = blind.token()
    assert (await blind.send("GET", STATUS, token=token)).status == 200

    blind.denied.append(denial(blind, DenialKind.client, "crm"))
    blind.clock.forward(1)

    assert (await blind.send("GET", STATUS, token=token)).status == 401


async def test_neither_counters_nor_denials_let_nobody_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    blind = World(world.folder, world.store, world.clock, COUNTED, Away())

    async def unreadable(_generation: int) -> None:
        raise Unavailable(Code.auth_unavailable, "away")

    monkeypatch.setattr(blind.verifier, "reload_denials", unreadable)

    replies = [await blind.send("GET", STATUS) for _ in range(3)]

    assert [(reply.status, reply.code) for reply in replies] == [(503, "auth.unavailable")] * 3
    assert "retry-after" in replies[0].headers


async def test_set_in_force_is_read_in_the_background_and_the_next_calls_go_its_way(world: World) -> None:
    asked = []

    async def reload() -> None:
        asked.append(POLICIES)
        if len(asked) > 1:
            edge.edge.use(strict.policies)

    strict = World(world.folder, world.store, world.clock, COUNTED.replace("limit: 1000", "limit: 1"))
    edge = World(world.folder, world.store, world.clock, COUNTED, reload=reload)
    await edge.send("GET", STATUS)
    await edge.counters.move([POLICIES])
    moving = await edge.send("GET", STATUS)
    await asyncio.sleep(0)
    after = [await edge.send("GET", STATUS) for _ in range(2)]

    assert moving.headers["ratelimit-policy"] == '"client";q=1000;w=100'
    assert [reply.status for reply in after] == [200, 429]
    assert after[0].headers["ratelimit-policy"] == '"client";q=1;w=100'
    assert asked == [POLICIES] * 2


async def test_call_under_way_ends_under_the_set_that_it_began_with(world: World) -> None:
    free = World(world.folder, world.store, world.clock, COUNTED)
    strict = World(world.folder, world.store, world.clock, COUNTED.replace("limit: 1000", "limit: 1"))
    opened = asyncio.Event()

    async def respond(_seen: object) -> tuple[int, dict[str, str], bytes]:
        await opened.wait()
        return 200, {}, b""

    free.framework.respond = respond
    call = asyncio.create_task(free.send("GET", STATUS))
    await asyncio.sleep(0)
    free.edge.use(strict.policies)
    opened.set()

    assert (await call).headers["ratelimit-policy"] == '"client";q=1000;w=100'
