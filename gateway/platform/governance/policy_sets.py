"""The sets of policies that were loaded, and how another one is put in force."""

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.edge.in_force import Change, InForce
from gateway.listing import Listing
from gateway.platform.governance.access import require_whole
from gateway.platform.governance.telling import untold
from gateway.store import policy_sets
from gateway.store.database import Store
from gateway.store.pages import Window
from gateway.store.policy_sets import LoadedSet
from openapi.platform.governance.v1 import PolicyChange, PolicySet, PolicySetObject, PolicySetPage, PolicySetState


async def list_policy_sets(
    *, store: Store, caller: Caller, cursors: Cursors, limit: int, cursor: str | None
) -> PolicySetPage:
    """Return the sets, the newest first."""
    require_whole(caller)
    listing = Listing(cursors, "platform/governance/v1:list_policy_sets", caller)
    found = await policy_sets.listing(store, Window(after=listing.after(cursor), limit=limit))
    return PolicySetPage(
        items=[_policy_set(loaded) for loaded in found.items], next_cursor=listing.next_cursor(found.after)
    )


async def reload_policies(*, policies: InForce, caller: Caller) -> PolicyChange:
    """Return what is in force now: what the files say, or all as it was where something in them does not hold."""
    require_whole(caller)
    return change_of(await policies.reload(caller.subject))


async def roll_back_policies(*, policies: InForce, caller: Caller) -> PolicyChange:
    """Return what is in force now: the set before."""
    require_whole(caller)
    return change_of(await policies.roll_back(caller.subject))


def change_of(change: Change) -> PolicyChange:
    """Return what is in force, as the contract has it; raises Unavailable where other processes do not know of it."""
    if not change.told:
        raise untold(f"{change.loaded.id} is in force in this process.")
    return PolicyChange(
        policy_set=_policy_set(change.loaded), changed=change.changed, restart_needed=list(change.restart_needed)
    )


def _policy_set(loaded: LoadedSet) -> PolicySet:
    return PolicySet(
        id=loaded.id,
        object=PolicySetObject.policy_set,
        digest=loaded.digest,
        state=PolicySetState(loaded.state),
        files=sorted(loaded.files),
        loaded_at=loaded.loaded_at,
        loaded_by=loaded.loaded_by,
        note=loaded.note,
    )
