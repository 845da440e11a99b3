"""`tiebeam serve` as a parent of two processes: the web server, and a worker that is started again when it dies."""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

log = logging.getLogger(__name__)

STOPPED_WITHIN_S: Final = 25.0
"""The worker lets the step that it is in come to its end, and the web server the calls that it has."""
LOOK_EVERY_S: Final = 0.2
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0
STEADY_AFTER_S: Final = 60.0
"""A worker that lived so long was well: the next death counts as the first."""

Start = Callable[[Sequence[str]], subprocess.Popen[bytes]]


class Supervisor:
    """Runs `tiebeam serve --no-worker` and `tiebeam worker` until it is told to stop, or the web server ends."""

    def __init__(self, config: str, start: Start = subprocess.Popen, *, drain_s: float = 0.0) -> None:
        self._command = [sys.executable, "-m", "gateway.cli"]
        self._config, self._start = ["--config", config], start
        self._web_within_s = drain_s + STOPPED_WITHIN_S
        self._stopping = False

    def run(self) -> int:
        """Return the web server's exit code, once both have ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        web = self._start([*self._command, "serve", "--no-worker", *self._config])
        worker = Restarted(lambda: self._start([*self._command, "worker", *self._config]))
        while not self._stopping and web.poll() is None:
            worker.look()
            time.sleep(LOOK_EVERY_S)
        _ask(web)  # Both at once: whoever waits for us to end does not wait for ever.
        worker.stop()
        return _end(web, self._web_within_s)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True


class Restarted:
    """One child process that is started again when it dies, each time after a longer wait."""

    def __init__(
        self, start: Callable[[], subprocess.Popen[bytes]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._start, self._clock = start, clock
        self._wait_s, self._not_before = FIRST_WAIT_S, 0.0
        self._child: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    def look(self) -> None:
        """Start the child where there is none, or its wait is over."""
        if self._child is not None and self._child.poll() is not None:
            self._died(self._child.returncode)
        if self._child is None and self._clock() >= self._not_before:
            self._started_at, self._child = self._clock(), self._start()

    def _died(self, code: int) -> None:
        if self._clock() - self._started_at >= STEADY_AFTER_S:
            self._wait_s = FIRST_WAIT_S
        log.warning("The worker ended with %s; another one is started in %.1f s.", code, self._wait_s)
        self._child, self._not_before = None, self._clock() + self._wait_s
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def stop(self) -> None:
        """End the child, once it has come to the end of what it does."""
        if self._child is not None:
            _ask(self._child)
            _end(self._child, STOPPED_WITHIN_S)


def _ask(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)


def _end(child: subprocess.Popen[bytes], within_s: float) -> int:
    try:
        return child.wait(within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
