"""The body of a request: media type, size, decoding, and everything that is wrong with it."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from litestar.types import HTTPScope, Receive

from gateway.contract import scanner
from gateway.contract.media_types import header_values, is_json
from gateway.contract.schema_traits import has_defaults, traits_of
from gateway.contract.violations import Explainer, malformed, pointer_to, violation
from gateway.errors import Refused
from openapi.common.types import Code, Violation

MAX_BODY_BYTES = 256 * 1024
"""For operations that say nothing else with `x-max-body-bytes`."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class BodyReader:
    """Reads the bodies of one operation into its type."""

    def __init__(self, kind: type, schema: dict[str, Any], *, required: bool, max_bytes: int) -> None:
        self.kind, self.required, self.max_bytes = kind, required, max_bytes
        self._decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(kind)
        self._explainer = Explainer(schema)
        self._traits = traits_of(schema)
        self._fills_in = has_defaults(msgspec.json.schema(kind))

    async def read(self, scope: HTTPScope, receive: Receive) -> object:
        """Return the decoded body, or None where none came and none is required; raises Refused."""
        media_types = header_values(scope, b"content-type")
        if media_types and not is_json(",".join(media_types)):
            raise Refused(Code.request_media_type, "Send Content-Type: application/json.")
        if header_values(scope, b"content-encoding"):
            raise Refused(Code.request_media_type, "Send the body as it is, without Content-Encoding.")
        body = await read_bounded(scope, receive, self.max_bytes)
        if not body and self.required:
            raise malformed([violation(Code.request_body_invalid, "#", "The body is required.")])
        if not body:
            return None
        if not media_types:
            raise Refused(Code.request_media_type, "Say what the body is: Content-Type: application/json.")
        return self.decode(body)

    def decode(self, body: bytes) -> object:
        """Return the body as its type; raises Refused with every violation."""
        first = None
        try:
            decoded = self._decoded(body)
            if self._is_sound(body, decoded):
                return decoded
        except _UNREADABLE as error:
            first = str(error)
        raise malformed(self._violations(body, first))

    def _decoded(self, body: bytes) -> object:
        try:
            return self._decoder.decode(body)
        except msgspec.ValidationError:
            if scanner.too_deep(body):
                raise
            document = msgspec.json.decode(body)
            if not self._explainer.accepts(document):
                raise
            return msgspec.convert(_with_integers(document), self.kind)

    def _is_sound(self, body: bytes, decoded: object) -> bool:
        """Tell whether nothing is wrong that the decoder lets pass."""
        if scanner.has_nul(body) or (self._traits.free_form and scanner.too_deep(body)):
            return False
        if (self._fills_in or scanner.may_repeat(body, decoded)) and scanner.repeated_key(body) is not None:
            return False
        return not self._traits.beyond_types or self._explainer.accepts(msgspec.json.decode(body))

    def _violations(self, body: bytes, first: str | None) -> list[Violation]:
        if scanner.too_deep(body):
            return [violation(Code.request_too_deep, "#", f"Nest at most {scanner.MAX_DEPTH} levels.")]
        try:
            document = msgspec.json.decode(body)
        except _UNREADABLE as error:
            return [violation(Code.request_malformed, "#", f"This is no JSON: {_plain(error)}.")]
        return [*_passed_by_decoder(body, document), *self._explainer.explain(body, document, first)]


async def read_bounded(scope: HTTPScope, receive: Receive, limit: int) -> bytes:
    """Return the body; one that says or turns out to be larger than `limit` is refused, and not read to its end."""
    if any(not length.isdecimal() or int(length) > limit for length in header_values(scope, b"content-length")):
        raise _too_large(limit)
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(Code.request_malformed, "The connection ended before the body did.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _too_large(limit: int) -> Refused:
    return Refused(Code.request_too_large, f"Send at most {limit} bytes at once.")


async def unwanted(scope: HTTPScope, receive: Receive) -> list[Violation]:
    """Return the violation of a body where the contract has none; it is not read to its end."""
    try:
        await read_bounded(scope, receive, 0)
    except Refused:
        return [violation(Code.request_body_invalid, "#", "This operation takes no body.")]
    return []


def _passed_by_decoder(body: bytes, document: object) -> Iterable[Violation]:
    if scanner.has_nul(body):
        for place in _places_of_nul(document, ()):
            yield violation(Code.request_nul_character, pointer_to(place), "Remove the character U+0000.")
    if (name := scanner.repeated_key(body)) is not None:
        yield violation(Code.request_duplicate_key, "#", f"Send the key {name[:100]!r} once in its object.")


def _places_of_nul(node: object, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(node, str) and "\0" in node:
        yield path
    elif isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(key, str) and "\0" in key:
                yield path
            yield from _places_of_nul(value, (*path, key))


def _with_integers(node: Any) -> Any:  # noqa: ANN401 - a JSON document.
    """Return the document with 1 for 1.0: JSON Schema calls both integers, the decoder one."""
    if isinstance(node, dict):
        return {key: _with_integers(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_integers(item) for item in node]
    return int(node) if isinstance(node, float) and node.is_integer() else node


def _plain(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, msgspec.DecodeError) else "the text is not UTF-8"
