"""Keys in a file, read again when it changes; if that fails, they stay as they were."""

import logging
from collections.abc import Callable
from pathlib import Path

from gateway.keys.held import Held
from gateway.keys.issuer import KeySetError, KeyState, TrustedIssuer
from gateway.keys.jwk import Key
from gateway.keys.key_set import keys_in, without_use

log = logging.getLogger(__name__)


class FileKeys:
    """The keys of an issuer with a `jwks_file`. A file that cannot be used stops the start."""

    def __init__(self, issuer: TrustedIssuer, path: Path, clock: Callable[[], float]) -> None:
        self._issuer, self._path, self._clock = issuer, path, clock
        self._held = Held()
        self._fault: str | None = None
        self._stamp, self._read_at = _stamp(path), clock()
        self._read()
        if not self._held.kids:
            raise without_use(issuer)

    @property
    def state(self) -> KeyState:
        """Return what is known of the keys."""
        age_s = self._clock() - self._read_at
        return KeyState(self._issuer.issuer, self._issuer.place, self._held.kids, age_s, self._fault)

    def find(self, kid: str) -> Key | None:
        """Return the key of that name."""
        return self._held.find(kid)

    def look(self) -> None:
        """Read the file again if it has changed."""
        if _stamp(self._path) != self._stamp:
            self._read_or_keep()

    async def seek(self, kid: str) -> Key | None:
        """Return the key of that name; there is nobody to ask for one that is not in the file."""
        return self._held.find(kid)

    async def refresh(self) -> None:
        """Read the file again."""
        self._read_or_keep()

    def _read_or_keep(self) -> None:
        self._stamp = _stamp(self._path)
        try:
            self._read()
        except KeySetError as error:
            self._fault = str(error)
            log.error("The keys of %s stay as they were. %s", self._issuer.issuer, error)  # noqa: TRY400 — it says it all.

    def _read(self) -> None:
        try:
            text = self._path.read_bytes()
        except OSError as error:
            raise KeySetError(f"{self._path}: this file cannot be read: {type(error).__name__}.") from error
        self._held.replace(keys_in(self._issuer, text))
        self._read_at, self._fault = self._clock(), None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
