"""What calls get while their version goes: fields of the answer that say so, and from an instant on a refusal. Pure."""

from collections.abc import Mapping
from datetime import datetime

from gateway.errors import Refused
from gateway.lifecycle.document import FieldRetirement, Version

Fields = tuple[tuple[bytes, bytes], ...]


class Course:
    """What one client's calls of one operation get; made once for both, and asked at each call."""

    __slots__ = ("contract", "fields", "retiring")

    contract: str
    fields: Fields
    """Deprecation, Sunset and Link, for every answer; never to be kept with one."""
    retiring: tuple[FieldRetirement, ...]
    """The operation's fields and parameters that callers shall not use any more."""

    def refusal(self, now: datetime) -> Refused | None:
        """Return the refusal by the clock alone: after the sunset, or in a brown-out."""
        raise NotImplementedError

    def known_before(self, now: datetime) -> datetime | None:
        """Return before when the client must have called the version; None where anybody may go on."""
        raise NotImplementedError

    def newcomer(self) -> Refused:
        """Return the refusal of a client that comes new to a deprecated version."""
        raise NotImplementedError


def course_of(
    versions: Mapping[str, Version], operation: str, connection: str | None, client_id: str | None
) -> Course | None:
    """Return the course of a client at an operation (`<contract>:<operationId>`); None where nothing goes."""
    raise NotImplementedError
