"""One request on its way to a vendor: no more than is sent, because each is made once and read by few."""

from urllib.parse import unquote, unquote_plus, urlsplit

from msgspec import Struct


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
    parts = urlsplit(url)
    return {
        "host": parts.hostname or "",
        "path": unquote(parts.path),
        "parameters": sorted({unquote_plus(item.partition("=")[0]) for item in parts.query.split("&") if item}),
    }
