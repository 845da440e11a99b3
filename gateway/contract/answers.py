"""What a handler returned, as a response: its type picks the status, the contract says which header fields it has."""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

import msgspec
from msgspec import Struct

from gateway.contract.document import Document, Node
from gateway.contract.entity_tags import entity_tag
from gateway.contract.generated import NoType, named_type
from gateway.contract.media_types import JSON
from gateway.contract.path_segments import encode_segment
from gateway.contract.reply import Reply

BODY = "$response.body#/"

Locate = Callable[[object], str]


class Answer(Struct, frozen=True, kw_only=True):
    """One successful answer of an operation."""

    status: int
    kind: type
    """The type that picks it; NoneType where the answer has no body."""
    tagged: bool
    """Whether the body's `version` is the entity tag."""
    locate: Locate | None
    """What makes `Location` of the body."""
    fields: tuple[tuple[bytes, bytes], ...]
    """Header fields that say the same each time."""

    def reply(self, value: Any) -> Reply:  # noqa: ANN401 - of the answer's own type.
        """Return the response that carries the value."""
        headers = [*self.fields]
        if self.tagged:
            headers.append((b"etag", entity_tag(str(value.version)).encode("latin-1")))
        if self.locate:
            headers.append((b"location", self.locate(value).encode("latin-1")))
        return Reply(self.status, headers, b"" if value is None else msgspec.json.encode(value))


def compiled(document: Document, status: str, response: Node, paths: Mapping[str, str]) -> Answer:
    """Return the answer; `paths` are the templates of the API's operations. Raises NoType with what does not fit."""
    response = document.resolved(response)
    content = response.get("content", {})
    kind = named_type(content[JSON]["schema"]) if JSON in content else NoneType
    fields = getattr(kind, "__struct_fields__", ())
    tagged = "ETag" in response.get("headers", {})
    if tagged and "version" not in fields:
        raise NoType("it has an ETag, and its body no `version`")
    link = response.get("links", {}).get("location")
    return Answer(
        status=int(status),
        kind=kind,
        tagged=tagged,
        locate=_locate(link, paths, fields) if link else None,
        fields=() if kind is NoneType else ((b"content-type", JSON.encode()),),
    )


def _locate(link: Node, paths: Mapping[str, str], fields: tuple[str, ...]) -> Locate:
    template = paths.get(link.get("operationId", ""))
    if template is None:
        raise NoType(f"its link leads to the operation {link.get('operationId')}, which is not in the contract")
    sources: dict[str, str] = {name: str(text).removeprefix(BODY) for name, text in link.get("parameters", {}).items()}
    wanted = {part[1:-1] for part in template.split("/") if part.startswith("{")}
    if wanted != set(sources) or not set(sources.values()) <= set(fields):
        raise NoType(f"its link does not fill {template} from fields of the body")

    def locate(value: object) -> str:
        ids: dict[str, Any] = {name: encode_segment(str(getattr(value, field))) for name, field in sources.items()}
        return template.format(**ids)

    return locate
