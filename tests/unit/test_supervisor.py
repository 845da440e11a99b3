"""A worker that dies is started again, later each time; the end of the web server is the end."""

import signal
import subprocess
from collections.abc import Callable, Sequence

import pytest

from gateway.supervisor import FIRST_WAIT_S, LONGEST_WAIT_S, STEADY_AFTER_S, STOPPED_WITHIN_S, Restarted, Supervisor


class Child:
    """A process as far as its parent looks at it."""

    def __init__(self, code: int | None = None) -> None:
        self.returncode, self.signals, self.killed = code, list[int](), False

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        self.signals.append(number)

    def wait(self, _timeout: float | None = None) -> int:
        self.returncode = self.returncode or 0
        return self.returncode

    def kill(self) -> None:
        self.killed = True


class Stubborn(Child):
    """One that does not end when asked."""

    def wait(self, timeout: float | None = None) -> int:
        if timeout is not None and not self.killed:
            raise subprocess.TimeoutExpired("worker", timeout)
        return super().wait()


class Nursery:
    """Starts children, and keeps the time."""

    def __init__(self) -> None:
        self.now, self.children = 0.0, list[Child]()

    def start(self) -> Child:
        self.children.append(Child())
        return self.children[-1]

    def worker(self) -> Restarted:
        return Restarted(self.start, lambda: self.now)  # type: ignore[arg-type]  # A child is a Popen to its parent.


def test_dead_worker_is_started_again_after_a_wait_that_doubles() -> None:
    nursery = Nursery()
    worker = nursery.worker()
    worker.look()
    for deaths, wait in enumerate((FIRST_WAIT_S, FIRST_WAIT_S * 2), 1):
        nursery.children[-1].returncode = -9
        worker.look()
        assert len(nursery.children) == deaths
        nursery.now += wait
        worker.look()
        assert len(nursery.children) == deaths + 1


def test_wait_has_an_end_and_a_steady_worker_starts_it_over() -> None:
    nursery = Nursery()
    worker = nursery.worker()
    for _ in range(12):
        worker.look()
        nursery.children[-1].returncode = 1
        worker.look()
        nursery.now += LONGEST_WAIT_S
    worker.look()
    nursery.now += STEADY_AFTER_S
    nursery.children[-1].returncode = 1
    worker.look()
    before = len(nursery.children)

    nursery.now += FIRST_WAIT_S
    worker.look()

    assert len(nursery.children) == before + 1


def test_stop_asks_first_and_kills_who_does_not_listen() -> None:
    child = Stubborn()
    worker = Restarted(lambda: child)  # type: ignore[arg-type, return-value]  # As above.
    worker.look()

    worker.stop()

    assert child.signals == [signal.SIGTERM]
    assert child.killed


def test_end_of_the_web_server_ends_the_worker_and_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    started = list[Sequence[str]]()
    children = [Child(3), Child()]

    def start(arguments: Sequence[str]) -> Child:
        started.append(arguments)
        return children[len(started) - 1]

    code = Supervisor("x.yaml", start).run()  # type: ignore[arg-type]  # As above.

    assert code == 3
    assert "--no-worker" in started[0]


def test_signal_to_stop_tells_both_at_once_and_leaves_the_web_server_time_to_drain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited = dict[str, float | None]()

    class Patient(Child):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def wait(self, timeout: float | None = None) -> int:
            assert all(child.signals == [signal.SIGTERM] for child in children)
            waited[self.name] = timeout
            return super().wait(timeout)

    handlers = dict[int, Callable[[int, None], None]]()
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    children, started = [Patient("web"), Patient("worker")], list[Sequence[str]]()

    def start(arguments: Sequence[str]) -> Child:
        started.append(arguments)
        if len(started) == len(children):
            handlers[signal.SIGTERM](signal.SIGTERM, None)
        return children[len(started) - 1]

    code = Supervisor("x.yaml", start, drain_s=7.0).run()  # type: ignore[arg-type]  # As above.

    assert code == 0
    assert waited == {"worker": STOPPED_WITHIN_S, "web": STOPPED_WITHIN_S + 7.0}
