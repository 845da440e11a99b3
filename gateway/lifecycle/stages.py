"""Where a version stands at an instant, and what that means for a call. Pure: the clock is the caller's."""

from datetime import datetime
from enum import StrEnum

from gateway.lifecycle.document import Version


class Stage(StrEnum):
    """Where a version stands."""

    active = "active"
    announced = "announced"
    """It will be deprecated."""
    deprecated = "deprecated"
    brown_out = "brown_out"
    """It answers as it will after its sunset, for a while."""
    sunset = "sunset"


def stage_of(version: Version, now: datetime) -> Stage:
    """Return where the version stands, for a client without an extension."""
    if version.sunset_at and now >= version.sunset_at:
        return Stage.sunset
    if version.deprecated_at is None:
        return Stage.active
    if now < version.deprecated_at:
        return Stage.announced
    if any(each.since <= now < each.until for each in version.brown_outs):
        return Stage.brown_out
    return Stage.deprecated
