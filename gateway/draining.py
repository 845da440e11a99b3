"""The end of a web process, so that no call is cut: it says that it ends, goes on listening, and stops after that.

Whoever sends calls here learns of it from `/health/ready`, or from a `Connection: close`, and goes elsewhere. What has
come by the time that the process stops to listen is answered to its end.
"""

import os
import signal
from collections.abc import Awaitable
from contextlib import suppress
from types import FrameType
from typing import Final

from granian.server.mp import MPServer

from gateway.edge.answers import App, Message, Scope, Send
from gateway.edge.limits import Receive

SIGNAL: Final = signal.SIGUSR1
"""Sent by the process that watches to the one that serves: others may come in its place."""
CLOSE: Final = (b"connection", b"close")


class Draining:
    """Whether this process is about to end. Begins with SIGNAL, or `begin`."""

    def __init__(self) -> None:
        self._begun = False

    def listen(self) -> None:
        """Begin when the signal comes; for the process that serves, in its main thread."""
        signal.signal(SIGNAL, self._signalled)

    def _signalled(self, _number: int, _frame: FrameType | None) -> None:
        self.begin()

    def begin(self) -> None:
        """Say from now on that nothing more should come."""
        self._begun = True

    async def accepts(self) -> bool:
        """Tell whether calls may be sent here: a check of `/health/ready`."""
        return not self._begun

    def before(self, application: App) -> App:
        """Return the application, whose answers hang up once this process is about to end."""

        def served(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if self._begun and scope["type"] == "http":
                return application(scope, receive, _hanging_up(send))
            return application(scope, receive, send)  # Passed on, not awaited: every call comes through here.

        return served


def _hanging_up(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], CLOSE]
        await send(message)

    return sent


class Server(MPServer):
    """Granian, that tells the process that serves to drain before it stops it.

    What Granian does by itself on SIGTERM: it takes no more connections, lets each open one answer what it has been
    asked, and closes it. That alone cuts whoever is just about to ask.
    """

    drain_s: float = 0.0
    """How long it listens on."""

    def startup(self, spawn_target: object, target_loader: object) -> None:
        """Start; until the application is built the signal means nothing, and it must not kill."""
        signal.signal(SIGNAL, signal.SIG_IGN)
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # Granian has none there.

    def shutdown(self, exit_code: int = 0) -> None:
        """Drain, and stop. A second signal to stop ends the draining."""
        if self.interrupt_signal and self.drain_s:
            self._drain()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # As above.

    def _drain(self) -> None:
        self.main_loop_interrupt.clear()
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker.inner.pid, SIGNAL)
        self.main_loop_interrupt.wait(self.drain_s)
