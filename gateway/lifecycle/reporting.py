"""Who still uses what is going away, and when what changes next: usage and life of versions, side by side. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from msgspec import Struct

from gateway.caller import Client
from gateway.lifecycle.course import Course, course_of
from gateway.lifecycle.document import Extension, FieldRetirement, Retirement, Version
from gateway.store.usage import KEY, Used, UsedPlace
from gateway.store.usage_pages import STAYS, After, Ending, Urgency

STILL: Final = timedelta(days=30)
"""Who called in this time calls still; not everybody calls every day."""


class End(Struct, frozen=True, kw_only=True):
    """When something goes, and what takes its place."""

    deprecated_at: datetime | None = None
    sunset_at: datetime | None = None
    instead: str | None = None

    @property
    def urgency(self) -> Urgency:
        """Return what it is sorted by."""
        return urgency(self.sunset_at, self.deprecated_at)


class UsedThing(Struct, frozen=True, kw_only=True):
    """What a client uses, and when it goes for this client; all three are None for what stays."""

    used: Used
    deprecated_at: datetime | None = None
    sunset_at: datetime | None = None
    instead: str | None = None

    @property
    def goes(self) -> bool:
        """Tell whether it goes, or has gone."""
        return self.deprecated_at is not None or self.sunset_at is not None

    @property
    def after(self) -> After:
        """Return what it is sorted by; there is only one such thing."""
        return After(urgency(self.sunset_at, self.deprecated_at), tuple(str(getattr(self.used, name)) for name in KEY))


def urgency(sunset_at: datetime | None, deprecated_at: datetime | None) -> Urgency:
    """Return text that sorts what ends first in front, then what was deprecated first, and at last what stays."""
    moments = (sunset_at, deprecated_at)
    ends, began = (each.astimezone(UTC).isoformat(timespec="microseconds") if each else "~" for each in moments)
    return ends, began


def urgency_of(version: Version) -> Urgency:
    """Return the same for a version: it is as urgent as whatever of it ends first."""
    parts = _parts(version)
    sunset_at = min((one.sunset_at for one in parts if one.sunset_at), default=None)
    return urgency(sunset_at, min((one.deprecated_at for one in parts if one.deprecated_at), default=None))


def things(versions: Mapping[str, Version], used: Iterable[Used]) -> list[UsedThing]:
    """Return what is used with what becomes of it, in the same order."""
    extended = {(contract, one.client_id) for contract, version in versions.items() for one in version.extensions}

    @cache  # All clients without an extension have one course: there are many rows of few operations.
    def course(contract: str, operation: str, client: Client | None) -> Course | None:
        return course_of(versions, f"{contract}:{operation}", None, client)

    found = []
    for one in used:
        client = Client(one.issuer, one.client_id) if (one.contract, one.client_id) in extended else None
        end = _end(versions, course(one.contract, one.operation, client), one.contract, _use(one))
        found.append(UsedThing(used=one, deprecated_at=end.deprecated_at, sunset_at=end.sunset_at, instead=end.instead))
    return found


def endings(versions: Mapping[str, Version]) -> list[Ending]:
    """Return the same as conditions, for a database that sorts the uses: the first that fits one holds."""
    return [
        ending
        for contract, version in versions.items()
        for extension in (*version.extensions, None)
        for ending in _endings(versions, contract, extension)
        if extension or ending.urgency != STAYS
    ]


def next_change(version: Version, now: datetime) -> datetime | None:
    """Return when callers of the version meet something new next; None where nothing is announced."""
    return min((moment for moment in _moments(version) if moment > now), default=None)


Use = tuple[str, UsedPlace, str]
"""An operation's id, and what of it is used."""


def _use(used: Used) -> Use:
    return used.operation, used.place, used.pointer


def _endings(versions: Mapping[str, Version], contract: str, extension: Extension | None) -> Iterator[Ending]:
    """Yield when things end for one client, or for all others: what is of a named operation in front."""
    version = versions[contract]
    fields = [(one.operation, UsedPlace(one.place), one.pointer) for one in version.fields]
    operations = sorted({*version.operations, *(one.operation for one in version.fields)})
    uses: list[Use] = [*fields, *((name, UsedPlace.call, "") for name in operations), ("", UsedPlace.call, "")]
    client = Client(extension.issuer or "", extension.client_id) if extension else None
    for operation, place, pointer in uses:
        course = course_of(versions, f"{contract}:{operation}", None, client)
        yield Ending(
            urgency=_end(versions, course, contract, (operation, place, pointer)).urgency,
            contract=contract,
            client_id=extension.client_id if extension else None,
            issuer=extension.issuer if extension else None,
            operation=operation or None,
            place=place,
            pointer=pointer,
        )


def _end(versions: Mapping[str, Version], course: Course | None, contract: str, use: Use) -> End:
    """Return when something used of a contract goes, on the course of who uses it."""
    if course and use[1] is not UsedPlace.call:
        return _field_end(course, versions[contract], use)
    if course is None or not course.goes:
        return End()
    instead = course.retirement.instead if course.retirement else versions[contract].successor
    return End(deprecated_at=course.deprecated_at, sunset_at=course.sunset_at, instead=instead)


def _field_end(course: Course, version: Version, use: Use) -> End:
    """Return when a field goes: by itself, or with its operation, whichever comes first."""
    own = next((one for one in version.fields if (one.operation, one.place, one.pointer) == use), None)
    if own is None:  # It was announced once, and no longer is.
        return End()
    sunsets = [course.sunset_at, None if course.extension else own.sunset_at]
    return End(
        deprecated_at=own.deprecated_at,
        sunset_at=min((moment for moment in sunsets if moment), default=None),
        instead=own.instead,
    )


def _moments(version: Version) -> Iterator[datetime]:
    goings: tuple[Version | Retirement | FieldRetirement, ...] = (
        version,
        *version.operations.values(),
        *version.fields,
    )
    for going in goings:
        yield from (moment for moment in (going.deprecated_at, going.sunset_at) if moment)
    for time in version.brown_outs:
        yield from (time.since, time.until)
    yield from (extension.until for extension in version.extensions)


def _parts(version: Version) -> list[Version | Retirement | FieldRetirement]:
    """Return everything of the version that may go by itself, the version among it."""
    return [version, *version.operations.values(), *version.fields]
