"""What goes away, and who still calls it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.edge.in_force import InForce
from gateway.lifecycle import Version, living, reporting, stage_of
from gateway.lifecycle.addresses import base_of
from gateway.lifecycle.document import FieldRetirement
from gateway.lifecycle.reporting import UsedThing
from gateway.listing import Listing
from gateway.platform.governance.access import require_whole
from gateway.policy.consumers import Consumers
from gateway.policy.plan import PolicySet
from gateway.store import usage
from gateway.store.database import Store
from gateway.store.usage import Calling
from gateway.store.usage_pages import After, Wanted, page
from openapi.platform.governance.v1 import (
    BrownOut,
    DataClass,
    Lifecycle,
    LifecycleStage,
    LifeExtension,
    RetiringField,
    RetiringOperation,
    Usage,
    UsagePage,
    UsedPlace,
    VersionLife,
)

USAGE: Final = "platform/governance/v1:list_usage"


async def list_lifecycle(*, store: Store, policies: InForce, caller: Caller, contract: str | None) -> Lifecycle:
    """Return each version's life, what ends first in front."""
    require_whole(caller)
    at_work, now = policies.edge.policies, store.now()
    shown = sorted(_named(at_work.lifecycle, contract), key=lambda name: reporting.urgency_of(at_work.lifecycle[name]))
    await policies.edge.kit.usage.flush()  # This process's last calls are among it.
    calling = await usage.calling(store, contracts=shown, since=now - reporting.STILL)
    items = [_life(at_work, name, calling.get(name, usage.NOBODY), now) for name in shown]
    return Lifecycle(policy_set=at_work.id, items=items)


async def list_usage(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    policies: InForce,
    caller: Caller,
    cursors: Cursors,
    contract: str | None,
    client_id: str | None,
    going_away: bool | None,
    since: datetime | None,
    limit: int,
    cursor: str | None,
) -> UsagePage:
    """Return what is used, what ends first in front."""
    require_whole(caller)
    at_work = policies.edge.policies
    asked = {
        "going_away": None if going_away is None else str(going_away),
        "since": since.isoformat() if since else None,
    }
    listing = Listing(cursors, USAGE, caller, contract=contract, client_id=client_id, **asked)
    wanted = Wanted(contracts=_named(at_work.lifecycle, contract), client_id=client_id, going=going_away, since=since)
    after = listing.after(cursor)
    await policies.edge.kit.usage.flush()
    found = await page(
        *(store, reporting.endings(at_work.lifecycle), wanted),
        after=None if after is None else msgspec.json.decode(after, type=After),
        limit=limit,
    )
    shown = reporting.things(living(at_work.lifecycle, store.now()), found[:limit])
    more = msgspec.json.encode(shown[-1].after).decode() if len(found) > limit else None
    return UsagePage(items=[_usage(thing, at_work.consumers) for thing in shown], next_cursor=listing.next_cursor(more))


def _named(versions: Mapping[str, Version], contract: str | None) -> list[str]:
    return [name for name in versions if contract in {None, name}]


def _life(at_work: PolicySet, contract: str, calling: Calling, now: datetime) -> VersionLife:
    version = at_work.lifecycle[contract]
    return VersionLife(
        contract=contract,
        base_paths=_bases(at_work, contract),
        owner=version.owner,
        contact=version.contact,
        service_level=version.service_level,
        data_class=DataClass(version.data_class),
        review_on=version.review_on,
        stage=LifecycleStage(stage_of(version, now)),
        deprecated_at=version.deprecated_at,
        sunset_at=version.sunset_at,
        successor=version.successor,
        brown_outs=[BrownOut(from_=time.since, until=time.until) for time in version.brown_outs],
        extensions=[
            LifeExtension(client_id=one.client_id, issuer=one.issuer, until=one.until, reason=one.reason)
            for one in version.extensions
        ],
        operations=[
            RetiringOperation(
                operation=name, deprecated_at=one.deprecated_at, sunset_at=one.sunset_at, instead=one.instead
            )
            for name, one in version.operations.items()
        ],
        fields=[_field(one) for one in version.fields],
        next_change_at=reporting.next_change(version, now),
        consumers_still_calling=calling.clients,
        last_seen=calling.last_seen,
    )


def _bases(at_work: PolicySet, contract: str) -> list[str]:
    """Return where the version is served."""
    operations = [plan.operation for plan in at_work.plans.values()]
    served = {each.connection for each in operations if each.name.partition(":")[0] == contract}
    return sorted(base_of(contract, connection) for connection in served)


def _field(retiring: FieldRetirement) -> RetiringField:
    return RetiringField(
        operation=retiring.operation,
        place=UsedPlace(retiring.place),
        pointer=retiring.pointer,
        deprecated_at=retiring.deprecated_at,
        sunset_at=retiring.sunset_at,
        instead=retiring.instead,
    )


def _usage(thing: UsedThing, consumers: Consumers) -> Usage:
    used, known = thing.used, consumers.find(thing.used.client_id, thing.used.issuer)
    return Usage(
        client_id=used.client_id,
        issuer=used.issuer,
        owner=known.policy.owner if known else None,
        tier=known.policy.tier if known else None,
        contract=used.contract,
        operation=used.operation,
        place=UsedPlace[used.place.name],
        pointer=used.pointer or None,
        deprecated_at=thing.deprecated_at,
        sunset_at=thing.sunset_at,
        instead=thing.instead,
        count=used.count,
        first_seen=used.first_seen,
        last_seen=used.last_seen,
    )
