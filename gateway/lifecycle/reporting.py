"""Who still uses what is going away, and when what changes next: usage and life of versions, side by side. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from msgspec import Struct

from gateway.lifecycle.course import Course, course_of
from gateway.lifecycle.document import FieldRetirement, Retirement, Version
from gateway.store.usage import Used, UsedPlace

STILL: Final = timedelta(days=30)
"""Who called in this time calls still; not everybody calls every day."""


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
    def urgency(self) -> tuple[str, ...]:
        """Return what it is sorted by; there is only one such thing."""
        used = self.used
        named = (used.client_id, used.contract, used.operation, used.place.value, used.pointer)
        return (*urgency(self.sunset_at, self.deprecated_at), *named)


def urgency(sunset_at: datetime | None, deprecated_at: datetime | None) -> tuple[str, str]:
    """Return text that sorts what ends first in front, then what was deprecated first, and at last what stays."""
    moments = (sunset_at, deprecated_at)
    ends, began = (each.astimezone(UTC).isoformat(timespec="microseconds") if each else "~" for each in moments)
    return ends, began


def urgency_of(version: Version) -> tuple[str, str]:
    """Return the same for a version: it is as urgent as whatever of it ends first."""
    parts = _parts(version)
    sunset_at = min((one.sunset_at for one in parts if one.sunset_at), default=None)
    return urgency(sunset_at, min((one.deprecated_at for one in parts if one.deprecated_at), default=None))


def things(versions: Mapping[str, Version], used: Iterable[Used]) -> list[UsedThing]:
    """Return what is used with what becomes of it, the most urgent first."""
    extended = {(contract, one.client_id) for contract, version in versions.items() for one in version.extensions}

    @cache  # All clients without an extension have one course: there are many rows of few operations.
    def course(contract: str, operation: str, client_id: str | None) -> Course | None:
        return course_of(versions, f"{contract}:{operation}", None, client_id)

    found = []
    for one in used:
        client_id = one.client_id if (one.contract, one.client_id) in extended else None
        found.append(_thing(versions, one, course(one.contract, one.operation, client_id)))
    return sorted(found, key=lambda thing: thing.urgency)


def callers(used: Iterable[Used], contract: str, now: datetime) -> set[str]:
    """Return the clients that still call the version."""
    return {one.client_id for one in used if one.contract == contract and one.last_seen >= now - STILL}


def last_seen(used: Iterable[Used], contract: str) -> datetime | None:
    """Return when the version was called last."""
    return max((one.last_seen for one in used if one.contract == contract), default=None)


def next_change(version: Version, now: datetime) -> datetime | None:
    """Return when callers of the version meet something new next; None where nothing is announced."""
    return min((moment for moment in _moments(version) if moment > now), default=None)


def _thing(versions: Mapping[str, Version], used: Used, course: Course | None) -> UsedThing:
    if course and used.place is not UsedPlace.call:
        return _field(course, versions[used.contract], used)
    if course is None or not course.header_fields:
        return UsedThing(used=used)
    instead = course.retirement.instead if course.retirement else versions[used.contract].successor
    return UsedThing(used=used, deprecated_at=course.deprecated_at, sunset_at=course.sunset_at, instead=instead)


def _field(course: Course, version: Version, used: Used) -> UsedThing:
    """Return a field that is used: it goes by itself, or with its operation, whichever comes first."""
    named = (used.operation, used.place.value, used.pointer)
    own = next((one for one in version.fields if (one.operation, one.place, one.pointer) == named), None)
    if own is None:  # It was announced once, and no longer is.
        return UsedThing(used=used)
    sunsets = [course.sunset_at, None if course.extension else own.sunset_at]
    return UsedThing(
        used=used,
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
