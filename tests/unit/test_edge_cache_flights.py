"""Many who ask for the same thing at once: who waits for whom, and what becomes of them when the first one fails."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.policy.caching import flights
from tests.edge_world import CUSTOMER, CUSTOMERS, OWN, Reply, Seen, World

COLLAPSED = '"tiebeam"; fwd=uri-miss; collapsed'
ALONE = '"tiebeam"; fwd=uri-miss; collapsed=?0'
Answered = tuple[int, dict[str, str], bytes]


class Slow:
    """A framework whose answers come when the test says so."""

    def __init__(self, world: World) -> None:
        self._world, self._gates = world, list[asyncio.Event]()
        self.then: list[Callable[[Seen], Awaitable[Answered]]] = []
        world.framework.respond = self.respond

    async def respond(self, seen: Seen) -> Answered:
        """Return the next answer, or what the framework counts, once the gate is open."""
        number, gate = len(self._gates), asyncio.Event()
        self._gates.append(gate)
        await gate.wait()
        answer = self.then[number] if number < len(self.then) else self._world.framework.count
        return await answer(seen)

    async def asked(self, times: int) -> None:
        """Return once so many reads have come this far, and everybody else waits."""
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(self._gates) == times

    def open(self, number: int = -1) -> None:
        """Let an answer go."""
        self._gates[number].set()


async def failing(_seen: Seen) -> Answered:
    return 503, {"content-type": "application/problem+json"}, b'{"status": 503, "code": "upstream.unavailable"}'


async def raising(_seen: Seen) -> Answered:
    raise ConnectionResetError


async def missing(_seen: Seen) -> Answered:
    return 404, {"content-type": "application/problem+json"}, b'{"status": 404, "code": "resource.not_found"}'


def several(world: World, number: int, **more: str) -> list["asyncio.Task[Reply]"]:
    return [asyncio.create_task(world.send("GET", CUSTOMER, headers=list(more.items()))) for _ in range(number)]


async def three_of_which_the_first_fails(
    world: World, then: list[Callable[[Seen], Awaitable[Answered]]]
) -> list[Reply]:
    """Return what three who ask at once get, where two wait for the first in vain."""
    slow = Slow(world)
    slow.then = then
    reads = several(world, 3)
    await slow.asked(1)
    slow.open()
    await slow.asked(3)
    slow.open(1)
    slow.open(2)
    return await asyncio.gather(*reads)


async def test_hundred_reads_at_once_are_one(world: World) -> None:
    slow = Slow(world)
    reads = several(world, 100)
    await slow.asked(1)
    slow.open()
    replies = await asyncio.gather(*reads)

    assert {reply.body for reply in replies} == {b'{"number": 1}'}
    assert sorted(reply.headers["cache-status"] for reply in replies) == [COLLAPSED] * 99 + [
        '"tiebeam"; fwd=uri-miss; stored'
    ]
    assert world.kit.responses.collapsed == 99
    assert [reply.headers["age"] for reply in replies[1:]] == ["0"] * 99
    assert len({reply.headers["x-correlation-id"] for reply in replies}) == 100


@pytest.mark.parametrize(("first", "status"), [(failing, 503), (raising, 500), (missing, 404)])
async def test_who_waited_for_one_that_failed_asks_for_itself(
    world: World, first: Callable[[Seen], Awaitable[Answered]], status: int
) -> None:
    replies = await three_of_which_the_first_fails(world, [first])

    assert [reply.status for reply in replies] == [status, 200, 200]
    assert [reply.headers["cache-status"] for reply in replies[1:]] == [ALONE + "; stored"] * 2


async def test_each_gets_its_own_error(world: World) -> None:
    replies = await three_of_which_the_first_fails(world, [raising] * 3)

    assert [reply.status for reply in replies] == [500] * 3
    assert len({reply.json["instance"] for reply in replies}) == 3


async def test_first_that_is_cancelled_hands_over_to_the_next(world: World) -> None:
    slow = Slow(world)
    first, *others = several(world, 4)
    await slow.asked(1)
    first.cancel()
    await slow.asked(2)
    slow.open()
    replies = await asyncio.gather(*others)

    assert first.cancelled()
    assert sorted(reply.headers["cache-status"] for reply in replies) == [
        COLLAPSED,
        COLLAPSED,
        '"tiebeam"; fwd=uri-miss; stored',
    ]
    assert {reply.body for reply in replies} == {b'{"number": 2}'}


async def test_one_of_those_who_wait_may_give_up(world: World) -> None:
    slow = Slow(world)
    first, second, third = several(world, 3)
    await slow.asked(1)
    second.cancel()
    await slow.asked(1)
    slow.open()
    replies = await asyncio.gather(first, third)

    assert [reply.status for reply in replies] == [200, 200]


async def test_who_has_waited_too_long_asks_for_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "WAIT_S", 0.0)
    slow = Slow(world)
    reads = several(world, 2)
    await slow.asked(2)
    slow.open(1)
    second = await reads[1]
    slow.open(0)

    assert second.headers["cache-status"] == ALONE + "; stored"
    assert (await reads[0]).status == 200


async def test_read_that_began_before_a_write_is_nobody_elses_after_it(world: World) -> None:
    slow = Slow(world)
    early = several(world, 1)
    await slow.asked(1)
    write = asyncio.create_task(world.send("POST", CUSTOMERS))
    await slow.asked(2)
    slow.open()
    await write
    late = several(world, 1)
    await slow.asked(3)
    slow.open(0)
    slow.open(2)
    replies = await asyncio.gather(*early, *late)

    assert [reply.json["number"] for reply in replies] == [3, 3]
    assert [reply.headers["cache-status"] for reply in replies] == ['"tiebeam"; fwd=uri-miss; stored'] * 2
    assert (await world.send("GET", CUSTOMER)).headers["cache-status"] == '"tiebeam"; hit; ttl=10'


@pytest.mark.parametrize("more", [{"Cache-Control": "no-cache"}, {"Cache-Control": "no-store"}])
async def test_who_asks_for_it_anew_waits_for_nobody(world: World, more: dict[str, str]) -> None:
    slow = Slow(world)
    reads = several(world, 1) + several(world, 1, **more)
    await slow.asked(2)
    slow.open(0)
    slow.open(1)

    assert [(await read).status for read in reads] == [200, 200]


async def test_nobody_waits_for_another_identity(world: World) -> None:
    slow = Slow(world)
    tokens = [OWN, world.token("portal"), world.token(legal_entities=("ES01",))]
    reads = [asyncio.create_task(world.send("GET", CUSTOMER, token=token)) for token in tokens]
    await slow.asked(3)
    for number in range(3):
        slow.open(number)

    assert {(await read).headers["cache-status"] for read in reads} == {'"tiebeam"; fwd=uri-miss; stored'}


async def test_who_says_something_that_the_answer_hangs_on_does_not_get_the_firsts(world: World) -> None:
    async def varying(seen: Seen) -> Answered:
        status, fields, body = await world.framework.count(seen)
        return status, fields | {"vary": "x-a"}, body

    slow = Slow(world)
    slow.then = [varying] * 3
    reads = several(world, 1, **{"X-A": "1"}) + several(world, 1, **{"X-A": "2"}) + several(world, 1, **{"X-A": "1"})
    await slow.asked(1)
    slow.open(0)
    await slow.asked(2)
    slow.open(1)
    replies = await asyncio.gather(*reads)

    assert [reply.headers["cache-status"] for reply in replies] == [
        '"tiebeam"; fwd=uri-miss; stored',
        ALONE + "; stored",
        COLLAPSED,
    ]


async def test_answer_too_large_to_be_kept_is_still_shared(world: World) -> None:
    async def huge(_seen: Seen) -> Answered:
        return 200, {"content-type": "application/json"}, b"[" + b" " * 2_000_000 + b"]"

    slow = Slow(world)
    slow.then = [huge]
    reads = several(world, 2)
    await slow.asked(1)
    slow.open()
    replies = await asyncio.gather(*reads)

    assert [reply.headers["cache-status"] for reply in replies] == ['"tiebeam"; fwd=uri-miss', COLLAPSED]
    assert world.kit.responses.bytes == 0
