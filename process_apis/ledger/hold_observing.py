"""Holds that are placed in another system: its flag is read, and what it says becomes a hold like any other."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store import cross_references
from gateway.store.database import Store
from gateway.trace import current_correlation_id
from openapi.common.types import Code
from openapi.system.psa.v1 import HoldFlag
from process_apis.ledger import hold_flags, hold_requests
from process_apis.ledger.hold_flags import PROJECT, AckState
from process_apis.ledger.hold_placing import (
    Dimensions,
    LiftMode,
    NewHold,
    find_holds,
    lift_hold_within,
    place_hold_within,
)
from process_apis.ledger.hold_scopes import Owners
from process_apis.ledger.holds import Scope, ScopeType, in_force, lock_scopes, tb_billing_hold
from process_apis.ledger.projects import Project, projects_by_id
from system_apis.ports import Landscape

FLAG: Final = "flag"
"""The reference of a hold that is a project's flag in another system."""
OTHER: Final = "other"
"""The reason of a hold that another system places: it says none in our words."""


class Seen(Struct, frozen=True, kw_only=True):
    """A project's flag as its PSA shows it."""

    connection: str
    project: Project
    flag: HoldFlag

    @property
    def scope(self) -> Scope:
        """Return what the flag holds."""
        return Scope(type=ScopeType.project, id=self.project.id)


async def observe_holds(store: Store, landscape: Landscape, projects: Sequence[str]) -> None:
    """Return once what the PSAs show of the projects has become holds, or has lifted those that came from there.

    A flag of ours that somebody has cleared is asked for again. Raises Unavailable where a PSA cannot be asked.
    """
    known = await projects_by_id(store, INSTALLATION, sorted(set(projects)))
    references = await cross_references.list_all(store, INSTALLATION, canonical_id=list(known), object_type=PROJECT)
    for reference in references:
        project = known[reference.canonical_id]
        if reference.instance == landscape.psa_of(project.legal_entity):
            await _observe(store, landscape, project, reference.instance, reference.external_id)


async def _observe(store: Store, landscape: Landscape, project: Project, at: str, external_id: str) -> None:
    psa, asked_at = landscape.psa(at), store.now()
    if not psa.capabilities.hold_flag:
        return
    try:
        flag = await psa.get_hold_flag(external_id)
    except Refused as refused:
        if refused.code is Code.resource_not_found:  # What is gone there holds nothing.
            return
        raise
    seen = Seen(connection=at, project=project, flag=flag)
    async with store.begin() as connection:
        await lock_scopes(connection, [seen.scope])
        acks = await hold_flags.acks_at(connection, at, project.id)
        # What we have asked for is on its way, or came while we read: the flag is ours, as it is.
        if not any(ack.state is AckState.asked or (ack.at and ack.at >= asked_at) for ack in acks):
            await _take(connection, store, seen)


async def _take(connection: AsyncConnection, store: Store, seen: Seen) -> None:
    columns = tb_billing_hold.c
    mine = (columns.project == seen.project.id, columns.placed_in == seen.connection, columns.reference == FLAG)
    theirs = await find_holds(connection, *mine, in_force())
    shown = await _shown(connection, seen)
    if seen.flag.held and not theirs and not shown:
        await place_hold_within(connection, store, _new(seen))
    if not seen.flag.held:
        for hold in theirs:
            at, reason = seen.connection, "The flag was cleared there."
            await lift_hold_within(connection, store, hold, by=at, reason=reason, seen_in=at)
        for hold_id in shown[:1]:  # One is enough: what is asked for is the flag.
            row = await hold_flags.ask_again(connection, store, hold_id, seen.connection, seen.project.id)
            await hold_requests.tell(connection, store, row, "flag_restored", cleared_in=seen.connection)


async def _shown(connection: AsyncConnection, seen: Seen) -> list[str]:
    """Return the holds in force, placed elsewhere, for which the system has confirmed that it shows the flag."""
    acks = await hold_flags.acks_at(connection, seen.connection, seen.project.id)
    confirmed = {ack.hold_id for ack in acks if ack.held}
    reaching = await hold_flags.holds_reaching(connection, seen.project.id)
    return [row.id for row in reaching if row.id in confirmed and row.placed_in != seen.connection]


def _new(seen: Seen) -> NewHold:
    project = seen.project
    return NewHold(
        scope=seen.scope,
        owners=Owners(legal_entity=project.legal_entity, customer=project.customer, project=project.id),
        dimensions=Dimensions.billing,
        reason=OTHER,
        note=seen.flag.note,
        placed_by=seen.connection,
        placed_in=seen.connection,
        reference=FLAG,
        review_on=None,
        lift_mode=LiftMode.until_lifted,
        until=None,
        correlation_id=current_correlation_id.get() or seen.connection,
    )
