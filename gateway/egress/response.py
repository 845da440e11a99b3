"""What a vendor answered: no more than is read of it, because each is made once and read by one connector."""

from collections.abc import Sequence

from msgspec import Struct


class Response(Struct, frozen=True, kw_only=True):
    """An answer, whatever its status."""

    status: int
    content: bytes = b""
    """Read to its end, and decoded from gzip."""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """As they came over the wire."""

    def header(self, name: bytes) -> str:
        """Return the field's value, several of one name as one list (RFC 9110 §5.3), "" where there is none."""
        return ", ".join([value.decode("latin-1") for named, value in self.headers if named.lower() == name])
