"""A call on its way through its plan: what the edge read of it, and the answer that comes back."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NoReturn
from uuid import uuid4

import msgspec
from msgspec import Struct

from gateway.caller import Caller
from gateway.lifecycle import Course
from gateway.policy.operation import Operation


class Answer:
    """A whole answer; policies add header fields to it on its way back."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
        self.status, self.headers, self.body = status, list(headers), body

    def header(self, name: bytes) -> bytes | None:
        """Return the first field of the name (lower case), or None."""
        for field, value in self.headers:
            if field == name:
                return value
        return None

    def add(self, name: bytes, value: bytes) -> None:
        """Add a field; a list may come in several."""
        self.headers.append((name, value))


class Call(Struct, eq=False):
    """One request. `path` is the normalised one, `caller` is there once the token was accepted.

    `generations` are those of the topics that the plan's kinds asked for, in their order; None while nobody can tell.
    """

    operation: Operation
    scope: MutableMapping[str, Any]
    _read: Callable[["Call"], Awaitable[bytes]]
    correlation_id: str = ""
    path: str = ""
    partition: str = ""
    visibility: str = ""
    generations: tuple[int, ...] | None = None
    decided_before: bool = False
    course: Course | None = None
    """What a known caller is told of a version that goes."""
    known_caller: Caller | None = None
    """Who calls, or None for a stranger."""
    looked: Any = None
    """What `find` of a kind came upon, for its `apply`; None while it was not asked."""
    address: str | None = None
    """Where a call comes from whose token was not known before, as quotas name it."""
    fields: dict[bytes, bytes] = msgspec.field(default_factory=dict)
    """The header fields by their names (lower case); several are joined, as RFC 9110 §5.2 has it."""
    _body: bytes | None = None
    _decision_id: str | None = None

    def __post_init__(self) -> None:
        """Read the fields: every call is asked for some."""
        self.fields = _joined(self.scope["headers"])

    __repr__ = object.__repr__  # What it carries, a token among it, is for nobody's log.

    @property
    def query(self) -> bytes:
        """Return the query as it was sent."""
        return bytes(self.scope["query_string"])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the header fields, their names in lower case."""
        fields: list[tuple[bytes, bytes]] = self.scope["headers"]
        return fields

    @property
    def caller(self) -> Caller:
        """Return who calls; asking before `authenticate` is a mistake of the plan, and stops the call."""
        return self.known_caller or _too_early()

    @property
    def decision_id(self) -> str:
        """Return what names this occurrence, in a problem's `instance` and in the audit; made when first asked for."""
        if self._decision_id is None:
            self._decision_id = str(uuid4())
        return self._decision_id

    def repeat(self, decision_id: str) -> None:
        """Name the earlier decision that holds for this call too, and is written down already."""
        self._decision_id, self.decided_before = decision_id, True

    async def body(self) -> bytes:
        """Return the whole body, read when first asked for: nobody buffers what a stranger sends."""
        if self._body is None:
            self._body = await self._read(self)
        return self._body

    @property
    def body_read(self) -> bytes:
        """Return the body as far as anybody has read it; empty where nobody has."""
        return self._body or b""

    def header(self, name: bytes) -> bytes | None:
        """Return the field of the name (lower case), or None."""
        return self.fields.get(name)

    def all(self, name: bytes) -> list[bytes]:
        """Return every field of the name (lower case)."""
        return [value for field, value in self.headers if field == name]


Proceed = Callable[[Call], Awaitable[Answer]]
"""The rest of the plan, the framework at its end."""


def _joined(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    fields = dict(headers)
    if len(fields) < len(headers):
        fields = {name: b", ".join(value for field, value in headers if field == name) for name in fields}
    return fields


def _too_early() -> NoReturn:
    raise RuntimeError("The caller was asked for before the token was verified.")
