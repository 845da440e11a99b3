"""The circuit: when a system is left alone, who may try it, and what closes it again."""

from collections.abc import AsyncIterator

import pytest

from gateway.deadline import deadline
from gateway.egress.circuit import Circuit
from gateway.egress.terms import Breaker
from gateway.egress.upstreams import Upstreams
from gateway.errors import ApiError, Unavailable
from openapi.common.types import Code
from tests.egress_world import BOOKS, Time, upstreams
from tests.scripted_server import ScriptedServer, answer, close, scripted_server


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def egress(time: Time) -> AsyncIterator[Upstreams]:
    async with upstreams(time, failures=3, open_s=10, read_retries=0) as egress:
        yield egress


@pytest.fixture
def circuit(time: Time) -> Circuit:
    return Circuit(Breaker(failures=2, open_s=10), time)


async def ask(egress: Upstreams, server: ScriptedServer, *, write: bool = False, times: int = 1) -> None:
    for _ in range(times):
        await egress.http(BOOKS).call("POST", server.url, operation="call", write=write)


async def opened(egress: Upstreams, server: ScriptedServer) -> None:
    server.then(close, answer(503), answer(504))
    for _ in range(3):
        with pytest.raises(ApiError):
            await ask(egress, server)


async def test_system_that_failed_so_often_in_a_row_is_not_asked(egress: Upstreams, server: ScriptedServer) -> None:
    await opened(egress, server)

    for write in (True, False):
        with pytest.raises(Unavailable) as raised:
            await ask(egress, server, write=write)

        assert (raised.value.code, raised.value.retry_after_s) == (Code.upstream_unavailable, 10)
    assert len(server.received) == 3


async def test_answer_between_failures_keeps_it_closed(egress: Upstreams, server: ScriptedServer) -> None:
    for _ in range(4):
        server.then(answer(503), answer(503), answer(404))
        for _ in range(2):
            with pytest.raises(Unavailable):
                await ask(egress, server)
        await ask(egress, server)

    assert len(server.received) == 12


@pytest.mark.parametrize("status", [500, 501, 429])
async def test_answer_that_speaks_of_one_call_does_not_open_it(
    egress: Upstreams, server: ScriptedServer, status: int
) -> None:
    server.then(*[answer(status)] * 9)

    for _ in range(9):
        with pytest.raises(Unavailable):
            await ask(egress, server)

    await ask(egress, server)
    assert len(server.received) == 10


async def test_read_that_is_answered_after_the_pause_closes_it(
    egress: Upstreams, server: ScriptedServer, time: Time
) -> None:
    await opened(egress, server)
    time.passed += 10

    with pytest.raises(Unavailable):  # A write is no probe.
        await ask(egress, server, write=True)
    await ask(egress, server)
    await ask(egress, server, write=True)

    assert len(server.received) == 5


async def test_caller_without_time_does_not_speak_against_the_system(server: ScriptedServer) -> None:
    server.then(*[server.hang] * 3)
    async with upstreams(Time(), failures=1) as egress:
        for _ in range(3):
            with pytest.raises(Unavailable) as raised, deadline(0.01):
                await ask(egress, server)

        assert raised.value.args == ("The other system did not answer.",)
    assert len(server.received) == 3


async def test_caller_whose_time_is_up_sends_nothing(server: ScriptedServer) -> None:
    async with upstreams(Time()) as egress:
        with pytest.raises(Unavailable), deadline(0):
            await ask(egress, server, write=True)

    assert server.received == []


def test_only_one_read_at_a_time_tries_an_open_circuit(circuit: Circuit, time: Time) -> None:
    circuit.failed()
    circuit.failed()
    time.passed += 10
    circuit.check(write=False)
    circuit.admit(write=False)

    with pytest.raises(Unavailable):
        circuit.admit(write=False)


def test_read_that_never_came_back_keeps_others_waiting_no_longer_than_the_pause(circuit: Circuit, time: Time) -> None:
    circuit.failed()
    circuit.failed()
    time.passed += 10
    circuit.admit(write=False)

    time.passed += 10
    circuit.admit(write=False)

    assert circuit.is_open
    circuit.answered()
    assert not circuit.is_open
