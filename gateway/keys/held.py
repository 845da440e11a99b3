"""The keys of one issuer that are trusted just now; each one that is withdrawn learns of it."""

from collections.abc import Mapping

from gateway.keys.jwk import Key


class Held:
    """Keys by name."""

    def __init__(self) -> None:
        self._keys: Mapping[str, Key] = {}

    @property
    def kids(self) -> tuple[str, ...]:
        """Return the names."""
        return tuple(self._keys)

    def find(self, kid: str) -> Key | None:
        """Return the key of that name."""
        return self._keys.get(kid)

    def replace(self, keys: Mapping[str, Key]) -> None:
        """Hold these from now on; one that was held before and is the same goes on, the others end."""
        kept = {}
        for kid, key in keys.items():
            before = self._keys.get(kid)
            kept[kid] = before if before is not None and before.content == key.content else key
        for kid, key in self._keys.items():
            key.held = kept.get(kid) is key
        self._keys = kept
