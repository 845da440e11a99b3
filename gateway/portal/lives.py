"""Where a version stands, as its readers see it: a badge, a banner with the time that is left, what is announced."""

from datetime import datetime
from html import escape
from typing import Final

from gateway.lifecycle import Stage, Version, stage_of
from gateway.lifecycle.addresses import base_of
from gateway.lifecycle.course import Course
from gateway.lifecycle.document import BrownOut, FieldRetirement, Retirement
from gateway.portal.html import facts, link, moment, table, text

WORDS: Final = {
    Stage.active: "Active",
    Stage.announced: "Deprecation announced",
    Stage.deprecated: "Deprecated",
    Stage.brown_out: "Off for a while",
    Stage.sunset: "Gone",
}
DAY_S: Final = 86_400


def badge(version: Version, now: datetime) -> str:
    """Return the stage, in words and in a colour."""
    stage = stage_of(version, now)
    return f'<span class="badge {stage}">{WORDS[stage]}</span>'


def banner(version: Version, now: datetime, connection: str | None) -> str:
    """Return what stands on top of the pages of a version that goes; empty for one that stays."""
    stage = stage_of(version, now)
    if stage is Stage.active:
        return ""
    said = {
        Stage.announced: "This version will be deprecated on {deprecated}.",
        Stage.deprecated: "This version is deprecated since {deprecated}.",
        Stage.brown_out: "This version is off for a while, as it will be after its end: calls are answered 410.",
        Stage.sunset: "This version is gone since {sunset}: calls are answered 410.",
    }[stage].format(
        deprecated=moment(version.deprecated_at) if version.deprecated_at else "",
        sunset=moment(version.sunset_at) if version.sunset_at else "",
    )
    said += _ends(version, now, stage) + _instead(version, connection)
    return f'<div class="banner {stage}" role="note">{said}</div>'


def countdown(version: Version, now: datetime) -> str:
    """Return the time that is left until the sunset; true when it was written, and kept true by the pages' script."""
    if version.sunset_at is None or now >= version.sunset_at:
        return ""
    at = f"{version.sunset_at:%Y-%m-%dT%H:%M:%S%z}"
    return f'<span class="left" data-until="{at}">{left((version.sunset_at - now).total_seconds())}</span>'


def left(seconds: float) -> str:
    """Return a time in words: days while there are some, then hours, minutes and seconds."""
    days, rest = divmod(int(seconds), DAY_S)
    if days:
        return f"{days} day{'s' if days > 1 else ''}"
    hours, rest = divmod(rest, 3600)
    minutes, over = divmod(rest, 60)
    return f"{hours} h {minutes} min {over} s" if hours else f"{minutes} min {over} s" if minutes else f"{over} s"


def section(contract: str, version: Version, now: datetime, connection: str | None) -> str:
    """Return the section that the links of `Deprecation` and `Sunset` lead to."""
    course = Course(contract, connection, version)
    told = {"Stage": badge(version, now)}
    if version.deprecated_at:
        told["Deprecated"] = moment(version.deprecated_at)
    if version.sunset_at:
        told["Ends"] = f"{moment(version.sunset_at)} {countdown(version, now)}"
    told |= {f"Off before that ({number})": _off(one) for number, one in enumerate(version.brown_outs, 1)}
    if version.successor:
        told["Successor"] = link(f"/docs{base_of(version.successor, connection)}", version.successor)
    told |= {
        "Owner": f"{escape(version.owner)}, {escape(version.contact)}",
        "Service level": text(version.service_level),
        "Data": escape(version.data_class),
        "Next review": f"{version.review_on:%d %B %Y}{' (overdue)' if version.review_on < now.date() else ''}",
    }
    return f'<h2 id="lifecycle">Lifecycle</h2>{facts(told)}{_told(course, now)}{_parts(version)}'


def _off(one: BrownOut) -> str:
    return f"{moment(one.since)} to {moment(one.until)}"


def _told(course: Course, now: datetime) -> str:
    """Return the header fields that callers see."""
    if not course.goes:
        return ""
    lines = "\n".join(f"{name.decode().title()}: {value.decode()}" for name, value in course.told(now))
    return f"<p>Every answer carries</p><pre><code>{escape(lines)}</code></pre>"


def _parts(version: Version) -> str:
    """Return what goes before the version does."""
    rows = [
        (f"<code>{escape(name)}</code>", "the operation", _ending(one), text(one.instead))
        for name, one in version.operations.items()
    ]
    rows += [
        (f"<code>{escape(each.operation)}</code>", _place(each), _ending(each), text(each.instead))
        for each in version.fields
    ]
    heads = ("Operation", "What goes", "When", "Instead")
    return f"<h3>What goes before the version</h3>{table('What goes before the version', heads, rows)}" if rows else ""


def _place(one: FieldRetirement) -> str:
    what = {"request": "sent", "response": "answered", "query": "parameter"}[one.place]
    return f"<code>{escape(one.pointer)}</code>, {what}"


def _ending(one: Retirement | FieldRetirement) -> str:
    since = f"deprecated {moment(one.deprecated_at)}"
    return f"{since}, gone {moment(one.sunset_at)}" if one.sunset_at else since


def _ends(version: Version, now: datetime, stage: Stage) -> str:
    if version.sunset_at is None or stage is Stage.sunset:
        return ""
    return f" It ends on {moment(version.sunset_at)}: <strong>{countdown(version, now)}</strong> left."


def _instead(version: Version, connection: str | None) -> str:
    to = version.successor
    return f" Use {link(f'/docs{base_of(to, connection)}', to)} instead." if to else ""
