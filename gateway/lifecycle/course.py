"""What calls get while their version goes: fields of the answer that say so, and from an instant on a refusal. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from math import ceil
from typing import Final

from gateway.caller import Client
from gateway.errors import ApiError, Refused
from gateway.lifecycle.addresses import base_of, page_of
from gateway.lifecycle.document import BrownOut, Extension, FieldRetirement, Version
from gateway.lifecycle.retiring import Retiring, gone
from gateway.lifecycle.succession import successors
from openapi.common.types import Code, Violation

HeaderField = tuple[bytes, bytes]
FIELDS: Final = {Code.version_brown_out: "brown_outs", Code.version_closed_to_new: "deprecated_at"}
"""By which field of a version a refusal is decided, where nothing else can have done so."""
NOTHING: Final = "Nothing takes its place"


class Course:
    """What one client's calls of one operation get; made once for both, and asked at each call.

    An extension lifts the sunset, brown-outs and what goes before the version, until its own end.
    """

    __slots__ = (
        "_brown_outs",
        "_connection",
        "_instead",
        "_page",
        "_successors",
        "_told",
        "_version",
        "_what",
        "contract",
        "deprecated_at",
        "extension",
        "retirement",
        "retiring",
        "sunset_at",
    )

    def __init__(
        self,
        contract: str,
        connection: str | None,
        version: Version,
        *,
        operation_id: str = "",
        client: Client | None = None,
        versions: Mapping[str, Version] = {},
    ) -> None:
        self.contract, self._connection, self._version = contract, connection, version
        self.extension = _extension(version, client)
        self.retirement = version.operations.get(operation_id)
        """The operation's own, where it goes before its version."""
        fields = [each for each in version.fields if each.operation == operation_id]
        self.retiring = Retiring(fields) if fields else None
        """The operation's fields and parameters that callers shall not use any more."""
        own = self.retirement
        self.deprecated_at = _earliest(version.deprecated_at, own.deprecated_at if own else None)
        self.sunset_at = (
            self.extension.until if self.extension else _earliest(version.sunset_at, own.sunset_at if own else None)
        )
        self._brown_outs = () if self.extension else tuple(_joined(version.brown_outs))
        self._page = page_of(base_of(contract, connection))
        self._successors = tuple(successors(versions, version, client))
        self._what, self._instead = contract, ""
        if own and own.sunset_at is not None and own.sunset_at == self.sunset_at:
            self._what, self._instead = f"{contract}:{operation_id}", f"{own.instead} {_see(self._page)}"
        self._told = {each: tuple(self._fields(each)) for each in (*(one.contract for one in self._successors), None)}

    @property
    def goes(self) -> bool:
        """Tell whether the whole of it goes, and not only fields."""
        return self.deprecated_at is not None

    def told(self, now: datetime) -> tuple[HeaderField, ...]:
        """Return Deprecation, Sunset and Link, for every answer; never kept with one."""
        return self._told[self._successor(now)]

    def _successor(self, now: datetime) -> str | None:
        """Return the version to go to: one that has ended itself helps nobody."""
        return next((each.contract for each in self._successors if each.lives(now)), None)

    @property
    def link(self) -> HeaderField:
        """Return the one field for an answer to a call that uses what is to go, where nothing else is."""
        return b"link", _link(self._page, "deprecation")

    def refusal(self, now: datetime) -> Refused | None:
        """Return the refusal by the clock alone: after the sunset, or in a brown-out."""
        if self.sunset_at is not None and now >= self.sunset_at:
            return Refused(Code.version_sunset, f"{self._what} ended at {said(self.sunset_at)}. {self._way_out(now)}")
        off = next((each for each in self._brown_outs if each.since <= now < each.until), None)
        if off is None:
            return None
        detail = f"{self.contract} is off until {said(off.until)}, as it will be after its sunset. {self._way_out(now)}"
        return Refused(Code.version_brown_out, detail, retry_after_s=ceil((off.until - now).total_seconds()))

    def refusal_of(self, used: Iterable[FieldRetirement], now: datetime) -> Refused | None:
        """Return the refusal of a call that uses a field or parameter that is gone."""
        lost = [] if self.extension else gone(used, now)
        if not lost:
            return None
        detail = f"Send it without what `errors` names, which is gone. {_see(self._page)}"
        return Refused(Code.version_sunset, detail, *(_violation(each) for each in lost))

    def known_before(self, now: datetime) -> datetime | None:
        """Return before when a client must have called the version to go on; None where nobody must have."""
        since = self._version.deprecated_at
        return since if since is not None and now >= since and self.extension is None else None

    def newcomer(self, now: datetime) -> Refused:
        """Return the refusal of a client that comes new to a deprecated version."""
        detail = f"{self.contract} is deprecated, and this client did not call it before that. {self._way_out(now)}"
        return Refused(Code.version_closed_to_new, detail)

    def decided_by(self, refused: ApiError | None) -> str:
        """Return the field of the version that says so, whether it refuses or not."""
        if refused is not None and refused.violations:
            return "fields"
        if refused is not None and refused.code in FIELDS:
            return FIELDS[refused.code]
        if self.extension:
            return "extensions"
        own = self.retirement
        if own and own.deprecated_at == self.deprecated_at and (refused is None or own.sunset_at == self.sunset_at):
            return "operations"
        if self.deprecated_at is None:
            return "fields"
        return "sunset_at" if self.sunset_at is not None else "deprecated_at"

    @property
    def standing(self) -> str:
        """Return in words what goes and when."""
        if self.deprecated_at is None:
            names = ", ".join(each.pointer for each in self.retiring.all) if self.retiring else ""
            return f"Fields of it are to go: {names}."
        end = f" and ends at {said(self.sunset_at)}" if self.sunset_at is not None else ""
        whose = f" for {self.extension.client_id}, by its extension" if self.extension else ""
        return f"{self._what} is deprecated from {said(self.deprecated_at)} on{end}{whose}."

    def _way_out(self, now: datetime) -> str:
        """Return in words what to use instead."""
        if self._instead:
            return self._instead
        successor = self._successor(now)
        told = f"Use {successor} at {base_of(successor, self._connection)} instead" if successor else NOTHING
        return f"{told}. {_see(self._page)}"

    def _fields(self, successor: str | None) -> Iterator[HeaderField]:
        """Yield the fields of RFC 9745, 8594 and 8288; of a field that goes, only the call that uses it tells."""
        if self.deprecated_at is None:
            return
        yield b"deprecation", b"@%d" % int(self.deprecated_at.timestamp())
        links = [_link(base_of(successor, self._connection), "successor-version")] if successor else []
        links.append(_link(self._page, "deprecation"))
        if self.sunset_at is not None:
            yield b"sunset", format_datetime(self.sunset_at.astimezone(UTC), usegmt=True).encode()
            links.append(_link(self._page, "sunset"))
        yield b"link", b", ".join(links)


def course_of(
    versions: Mapping[str, Version], operation: str, connection: str | None, client: Client | None
) -> Course | None:
    """Return the course of a client at an operation (`<contract>:<operationId>`); None where nothing goes."""
    contract, _, operation_id = operation.partition(":")
    version = versions.get(contract)
    if version is None:
        return None
    course = Course(contract, connection, version, operation_id=operation_id, client=client, versions=versions)
    return course if course.goes or course.retiring else None


def said(moment: datetime) -> str:
    """Return an instant as details say it."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _earliest(*instants: datetime | None) -> datetime | None:
    return min((each for each in instants if each is not None), default=None)


def _joined(times: Iterable[BrownOut]) -> Iterator[BrownOut]:
    """Yield the times in order; of those that meet each other one, so that who waits for its end is let in."""
    joined: BrownOut | None = None
    for each in sorted(times, key=lambda time: time.since):
        if joined is not None and each.since <= joined.until:
            joined = BrownOut(since=joined.since, until=max(joined.until, each.until))
            continue
        if joined is not None:
            yield joined
        joined = each
    if joined is not None:
        yield joined


def _extension(version: Version, client: Client | None) -> Extension | None:
    return next((each for each in version.extensions if client and each.is_for(client)), None)


def _see(page: str) -> str:
    return f"See {page}."


def _link(target: str, relation: str) -> bytes:
    kind = "" if relation == "successor-version" else '; type="text/html"'
    return f'<{target}>; rel="{relation}"{kind}'.encode()


def _violation(gone_one: FieldRetirement) -> Violation:
    pointer = f"#query/{gone_one.pointer}" if gone_one.place == "query" else f"#{gone_one.pointer}"
    ended = said(gone_one.sunset_at) if gone_one.sunset_at else ""
    return Violation(code=Code.version_sunset, pointer=pointer, detail=f"It ended at {ended}. {gone_one.instead}")
