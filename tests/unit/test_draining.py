"""A process that is about to end: what its probes and its callers are told."""

import os
import signal
from typing import Any

import pytest

from gateway.draining import SIGNAL, Draining, Server
from gateway.edge.answers import Message, Scope, Send
from gateway.edge.limits import Receive


async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"etag", b'"1"')]})
    await send({"type": "http.response.body", "body": b"ok"})


async def said(draining: Draining, kind: str = "http") -> list[Message]:
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        raise AssertionError("Nothing is read.")

    await draining.before(answer)({"type": kind}, receive, send)
    return messages


async def test_answers_hang_up_once_the_process_is_about_to_end() -> None:
    draining = Draining()
    before, accepted = await said(draining), await draining.accepts()
    draining.begin()
    after = await said(draining)

    assert accepted
    assert not await draining.accepts()
    assert before[0]["headers"] == [(b"etag", b'"1"')]
    assert after[0]["headers"] == [(b"etag", b'"1"'), (b"connection", b"close")]
    assert after[1] == before[1]


async def test_what_is_no_call_is_left_alone() -> None:
    draining = Draining()
    draining.begin()

    assert (await said(draining, "lifespan"))[0]["headers"] == [(b"etag", b'"1"')]


async def test_signal_begins_it() -> None:
    draining, kept = Draining(), signal.getsignal(SIGNAL)
    draining.listen()
    os.kill(os.getpid(), SIGNAL)
    signal.signal(SIGNAL, kept)

    assert not await draining.accepts()


class Told:
    """The parent's view of a process that serves."""

    def __init__(self, pid: int) -> None:
        self.inner = self
        self.pid = pid


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr("granian.server.mp.MPServer.shutdown", lambda *_: None)
    monkeypatch.setattr("granian.server.mp.MPServer.startup", lambda *_: None)
    return Server("nobody:application")


def test_server_tells_each_process_and_waits_no_longer_than_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[int, int]] = []
    waited: list[float] = []

    def kill(pid: int, number: int) -> None:
        told.append((pid, number))
        raise ProcessLookupError

    children: Any = [Told(7), Told(8)]
    server.wrks, server.drain_s, server.interrupt_signal = children, 3.0, True
    monkeypatch.setattr("os.kill", kill)
    monkeypatch.setattr(server.main_loop_interrupt, "wait", waited.append)
    server.shutdown()

    assert told == [(7, SIGNAL), (8, SIGNAL)]
    assert waited == [3.0]


@pytest.mark.parametrize(("drain_s", "interrupted"), [(0.0, True), (3.0, False)])
def test_server_whose_process_died_or_that_has_nothing_to_wait_for_stops_at_once(
    server: Server, drain_s: float, *, interrupted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.drain_s, server.interrupt_signal = drain_s, interrupted
    monkeypatch.setattr(server.main_loop_interrupt, "wait", lambda _: pytest.fail("It waited."))

    server.shutdown()


def test_signal_does_not_kill_before_the_application_is_built(server: Server) -> None:
    kept = signal.getsignal(SIGNAL)
    server.startup(None, None)
    ignored = signal.getsignal(SIGNAL)
    signal.signal(SIGNAL, kept)

    assert ignored is signal.SIG_IGN
