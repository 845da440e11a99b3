"""Where a list goes on, sealed: a cursor is good for the list, the filters and the view that it was made for."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import NoReturn

import msgspec

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.secret import Secret
from openapi.common.types import Code, Violation

VERSION = "1"
MAC_BYTES = 16
"""128 bits: a forged cursor shows nothing that the caller's own queries would not."""


class Cursors:
    """Seals and opens cursors with the installation's key."""

    def __init__(self, key: Secret) -> None:
        self._keyed = hmac.new(key.reveal().encode(), digestmod=hashlib.sha256)

    def seal(self, operation: str, caller: Caller, filters: Mapping[str, object], after: str) -> str:
        """Return the cursor that says where the next page starts."""
        position = after.encode()
        return f"{VERSION}.{_text(position)}.{_text(self._mac(operation, caller, filters, position))}"

    def open(self, operation: str, caller: Caller, filters: Mapping[str, object], cursor: str) -> str:
        """Return where the page starts; a cursor of another list, filter or caller is refused like a made-up one."""
        version, _, rest = cursor.partition(".")
        position_text, _, mac_text = rest.partition(".")
        try:
            position, mac = _bytes(position_text), _bytes(mac_text)
            after = position.decode()
        except (binascii.Error, ValueError):
            _refuse()
        if version != VERSION or not hmac.compare_digest(mac, self._mac(operation, caller, filters, position)):
            _refuse()
        return after

    def _mac(self, operation: str, caller: Caller, filters: Mapping[str, object], position: bytes) -> bytes:
        bound = msgspec.json.encode([VERSION, operation, caller.visibility, sorted(filters.items())])
        message = len(bound).to_bytes(8, "big") + bound + position
        mac = self._keyed.copy()  # The key is taken in once.
        mac.update(message)
        return mac.digest()[:MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(raw) != text:  # One cursor, one spelling.
        raise ValueError(text)
    return raw


def _refuse() -> NoReturn:
    detail = "Start again without `cursor`; one is good only for the list, the filters and the caller it was given to."
    violation = Violation(code=Code.request_cursor_invalid, pointer="#query/cursor", detail=detail)
    raise Refused(Code.request_malformed, "The cursor does not fit this call.", violation)
