"""One request on its way to a vendor: no more than is sent, because each is made once and read by few."""

from functools import lru_cache
from urllib.parse import unquote, unquote_plus, urlsplit

from msgspec import Struct

from gateway.telemetry.logs import redacted


class Request(Struct, kw_only=True):
    """What is sent."""

    method: str
    url: str
    """Percent-encoded, with its query."""
    operation: str
    """What the connector calls it, in logs and spans; nothing of it is sent."""
    headers: dict[str, str]
    """Names in lower case. Whoever passes the request on may add to them."""
    content: bytes | None = None


def shown(url: str) -> dict[str, object]:
    """Return what a log may say of an address: of its query the names only, of who calls nothing."""
    address, _, query = url.partition("?")
    host, path = _place(address)
    names = {item.partition("=")[0] for item in query.partition("#")[0].split("&") if item}
    return {"host": host, "path": path, "parameters": sorted([redacted(unquote_plus(name)) for name in names])}


@lru_cache(maxsize=1_000)
def _place(address: str) -> tuple[str, str]:
    """Return host and path: few, since most is asked of lists."""
    parts = urlsplit(address)
    return redacted(parts.hostname or ""), redacted(unquote(parts.path))
