"""What `tiebeam lifecycle` does: it tells who still calls what is going away, and what to do about it."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from gateway import main
from gateway.columns import in_columns, minute
from gateway.commands import with_parts
from gateway.composition.parts import CannotStart, Parts
from gateway.composition.policies import compiler_of
from gateway.lifecycle import Stage, Version, living, reporting, stage_of
from gateway.lifecycle.reporting import UsedThing
from gateway.policy.consumers import Consumers
from gateway.policy.document import PolicyError
from gateway.policy.plan import PolicySet
from gateway.settings import Settings
from gateway.store import policy_sets, usage
from gateway.store.usage import Calling, Used

VERSIONS: Final = ("version", "stage", "deprecated", "ends", "left", "instead", "owner", "clients")
USES: Final = ("ends", "left", "client", "owner", "uses", "instead", "calls", "last seen")
NOTHING: Final = (
    "Nothing goes. To let a version go, write `deprecated_at` and `sunset_at` of it into lifecycle.yaml among the "
    "policies, then: tiebeam policies reload"
)
NEXT: Final = (
    "Tell each client's owner what to use instead, and until when. Who needs longer gets an extension in "
    "lifecycle.yaml among the policies, then: tiebeam policies reload"
)
NOBODY: Final = "Nobody uses what goes. It can end on its day; to bring that forward, write an earlier `sunset_at`."
NOT_THIS_ONE: Final = "This client uses nothing that goes. Ask without --client who does."


class Asked(Struct, frozen=True, kw_only=True):
    """What is shown: of one version, of one client, or also what stays."""

    contract: str | None = None
    client_id: str | None = None
    everything: bool = False


class Found(Struct, frozen=True, kw_only=True):
    """What the tables are made of."""

    versions: Mapping[str, Version]
    used: Sequence[Used]
    calling: Mapping[str, Calling]
    """Who calls the versions still, of all clients."""
    consumers: Consumers
    now: datetime
    client_id: str | None = None
    """Whose uses are shown; None: everybody's."""


def show(settings: Settings, asked: Asked) -> str:
    """Return who uses what goes, in tables, under the policies that are in force."""

    async def shown(parts: Parts) -> str:
        policies = await _policies(parts)
        versions, now = _named(policies, asked.contract), parts.store.now()
        found = Found(
            versions=versions,
            used=await usage.listing(parts.store, contracts=list(versions)),
            calling=await usage.calling(parts.store, contracts=list(versions), since=now - reporting.STILL),
            consumers=policies.consumers,
            now=now,
            client_id=asked.client_id,
        )
        return "\n".join(lines_of(found, everything=asked.everything))

    return with_parts(settings, shown)


def lines_of(found: Found, *, everything: bool = False) -> list[str]:
    """Return the tables, the most urgent first, and what to do next."""
    shown = [(name, version) for name, version in found.versions.items() if everything or goes(version)]
    versions = living(found.versions, found.now)
    used = [one for one in found.used if found.client_id in {None, one.client_id}]
    things = [one for one in reporting.things(versions, used) if everything or one.goes]
    things.sort(key=lambda one: one.after)
    if not shown:
        return [NOTHING]
    lines = in_columns(VERSIONS, [_version_row(found, name, versions[name]) for name, _ in sorted(shown, key=_urgency)])
    if things:
        ambiguous = _ambiguous(found.used)
        lines += ["", *in_columns(USES, [_use_row(found, thing, ambiguous) for thing in things])]
    return [*lines, "", _next(found, things)]


def goes(version: Version) -> bool:
    """Tell whether the version goes, or something of it."""
    return bool(version.deprecated_at or version.sunset_at or version.operations or version.fields)


def left(until: datetime | None, now: datetime) -> str:
    """Return how long it is until then, in the largest unit that is whole."""
    if until is None:
        return "-"
    rest = until - now
    if rest <= timedelta():
        return "over"
    for unit, length in (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if rest >= 2 * length:
            return f"{rest // length} {unit}"
    return f"{rest // timedelta(seconds=1)} s"


async def _policies(parts: Parts) -> PolicySet:
    """Return the set in force; before the first start, that of the files."""
    live = await policy_sets.live(parts.store)
    texts = live.files if live else parts.installation.policy_files
    try:
        return compiler_of(parts, main.apis_of(parts))(texts).policies
    except PolicyError as error:
        raise CannotStart(f"The set in force does not fit this release:\n{error}") from error


def _named(policies: PolicySet, contract: str | None) -> dict[str, Version]:
    if contract is None:
        return dict(policies.lifecycle)
    if contract not in policies.lifecycle:
        raise CannotStart(f"There is no version {contract}; there are {', '.join(sorted(policies.lifecycle))}.")
    return {contract: policies.lifecycle[contract]}


def _urgency(named: tuple[str, Version]) -> tuple[str, ...]:
    name, version = named
    return (*reporting.urgency_of(version), name)


def _version_row(found: Found, name: str, version: Version) -> tuple[str, ...]:
    stage = stage_of(version, found.now)
    return (
        name,
        "parts of it go" if stage is Stage.active and goes(version) else stage.replace("_", "-"),
        _moment(version.deprecated_at),
        _moment(version.sunset_at),
        left(version.sunset_at, found.now),
        version.successor or "-",
        version.owner,
        str(found.calling.get(name, usage.NOBODY).clients),
    )


def _use_row(found: Found, thing: UsedThing, ambiguous: Container[str]) -> tuple[str, ...]:
    used, known = thing.used, found.consumers.find(thing.used.client_id, thing.used.issuer)
    operation = f":{used.operation}" if used.operation else ""
    client = f"{used.client_id} of {used.issuer}" if used.client_id in ambiguous else used.client_id
    field = f" {used.place} {used.pointer}" if used.pointer else ""
    return (
        _moment(thing.sunset_at),
        left(thing.sunset_at, found.now),
        client,
        known.policy.owner if known else "unknown",
        f"{used.contract}{operation}{field}",
        thing.instead or "-",
        str(used.count),
        _moment(used.last_seen),
    )


def _ambiguous(used: Iterable[Used]) -> set[str]:
    """Return the names that clients of several issuers have."""
    named = Counter(client_id for client_id, _ in {(one.client_id, one.issuer) for one in used})
    return {client_id for client_id, issuers in named.items() if issuers > 1}


def _next(found: Found, things: Sequence[UsedThing]) -> str:
    if any(thing.goes for thing in things):
        return NEXT
    if not any(goes(version) for version in found.versions.values()):
        return NOTHING
    return NOT_THIS_ONE if found.client_id else NOBODY


def _moment(moment: datetime | None) -> str:
    return minute(moment) if moment else "-"
