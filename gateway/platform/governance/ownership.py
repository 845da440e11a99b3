"""Who answers for what the gateway runs."""

from collections.abc import Iterator, Mapping
from datetime import date

from gateway.caller import Caller
from gateway.edge.in_force import InForce
from gateway.lifecycle import Version
from gateway.ownership import APIS, OwnedThing
from gateway.platform.governance.access import require_whole
from gateway.store.database import Store
from openapi.platform.governance import v1


async def list_ownership(
    *,
    store: Store,
    policies: InForce,
    owned: tuple[OwnedThing, ...],
    caller: Caller,
    kind: v1.OwnedKind | None,
    overdue: bool | None,
) -> v1.Ownership:
    """Return each thing with who answers for it, those whose review comes first in front."""
    require_whole(caller)
    today = store.now().date()
    things = [*_apis(policies.edge.policies.lifecycle, today), *(_thing(one, today) for one in owned)]
    wanted = [one for one in things if kind in {None, one.kind} and overdue in {None, one.overdue}]
    return v1.Ownership(items=sorted(wanted, key=lambda one: (one.review_on, one.kind, one.name)))


def _apis(versions: Mapping[str, Version], today: date) -> Iterator[v1.OwnedThing]:
    for contract, version in versions.items():
        yield v1.OwnedThing(
            kind=v1.OwnedKind(APIS),
            name=contract,
            owner=version.owner,
            contact=version.contact,
            service_level=version.service_level,
            data_class=v1.DataClass(version.data_class),
            review_on=version.review_on,
            overdue=version.review_on < today,
        )


def _thing(thing: OwnedThing, today: date) -> v1.OwnedThing:
    return v1.OwnedThing(
        kind=v1.OwnedKind(thing.kind),
        name=thing.name,
        owner=thing.owner,
        contact=thing.contact,
        service_level=thing.service_level,
        data_class=v1.DataClass(thing.data_class),
        review_on=thing.review_on,
        overdue=thing.overdue(today),
    )
