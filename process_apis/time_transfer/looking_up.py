"""What the checks of a batch go by, looked up for all its entries at once, so that few statements do for many."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Self

from msgspec import Struct
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.durable import process_id
from gateway.errors import Refused, Unavailable
from gateway.store import lasting_items, processes
from gateway.store.cross_references import ReferenceState, tb_cross_reference
from gateway.store.database import Store
from gateway.store.work_items import NewItem
from openapi.common.types import Code
from openapi.system.erp.v1 import BillableTransactions
from openapi.system.psa.v1 import TimeEntry as Theirs
from process_apis.ledger.contracts import SignedContract, find_contracts, tb_contract
from process_apis.ledger.entities import Entities
from process_apis.ledger.entries import Approval, Transfer, tb_time_entry
from process_apis.ledger.keys import business_key
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.payers import find_payers
from process_apis.ledger.periods import KnownPeriod, periods_of
from process_apis.ledger.projects import Project, tb_project
from process_apis.time_transfer.asking import cut_off
from process_apis.time_transfer.known import Known, minutes_of
from process_apis.time_transfer.order import RUN
from system_apis.ports import Landscape

PROJECT = "project"
LOOK_BACK = timedelta(days=800)
LOOK_AHEAD = timedelta(days=100)
READ_PERIODS = "read_periods"
NOT_WORKED = (Transfer.cancelled, Transfer.reversed, Transfer.rejected_validation)


class Around(Struct, frozen=True, kw_only=True):
    """What the installation says, for the whole run."""

    psa: str
    entities: Entities
    mappings: Mappings
    periods: Mapping[str, list[KnownPeriod]]
    """By legal entity; one whose ERP keeps no postings is not there."""
    away: frozenset[str] = frozenset()
    """Legal entities whose ERP cannot be asked just now: their time waits, and that of others does not."""

    @classmethod
    def of(cls, psa: str, entities: Entities, mappings: Mappings, periods: "Periods") -> Self:
        """Return what was read."""
        known = {code: found for code, found in periods.items() if found is not None}
        away = frozenset(periods) - frozenset(known)
        return cls(psa=psa, entities=entities, mappings=mappings, periods=known, away=away)


Periods = dict[str, list[KnownPeriod] | None]
"""By legal entity; None where its ERP is away."""


async def read_periods(store: Store, landscape: Landscape, psa: str) -> Periods:
    """Return the periods of the entities that the PSA serves, around today; asked once a run.

    Raises Unavailable where no entity's ERP can be asked.
    """
    found: Periods = {}
    today, away = store.now().date(), list[Unavailable]()
    for code in landscape.psa(psa).capabilities.legal_entities:
        erp = erp_of(landscape, code)
        if erp is None or landscape.erp(erp).capabilities.billable_transactions is BillableTransactions.none:
            continue
        try:
            periods = await periods_of(landscape.erp(erp), code)
        except Unavailable as unavailable:
            away.append(unavailable)
            found[code] = None
            continue
        found[code] = [one for one in periods if one.end > today - LOOK_BACK and one.start < today + LOOK_AHEAD]
    if away and len(away) == len(found):
        raise away[0]
    await _tell_who_is_away(store, psa, found)
    return found


async def _tell_who_is_away(store: Store, psa: str, found: Periods) -> None:
    """Have somebody asked about each entity whose time waits; the item closes once its ERP is there again."""
    keys = {code: business_key("tta", psa, code) for code in found}
    async with store.begin() as connection:
        there = [keys[code] for code, periods in found.items() if periods is not None]
        await lasting_items.close(connection, store, RUN, there)
        if len(there) < len(found):
            process = await processes.locked(connection, process_id())
            items = [_away(keys[code], psa, code, store.now()) for code, periods in found.items() if periods is None]
            await lasting_items.report(connection, store, process, items if process.kind == RUN else [])


def _away(key: str, psa: str, legal_entity: str, now: datetime) -> NewItem:
    detail = f"The ERP of {legal_entity} cannot be asked. Its time in {psa} waits, and goes on by itself."
    facts = {"connection": psa, "legal_entity": legal_entity}
    return NewItem(
        step=READ_PERIODS,
        trace_key=key,
        code=Code.upstream_unavailable,
        detail=detail,
        facts=facts,
        deadline=cut_off(now.date(), now, None),
        legal_entity=legal_entity,
    )


def erp_of(landscape: Landscape, legal_entity: str) -> str | None:
    """Return the entity's ERP, where it has one."""
    try:
        return landscape.erp_of(legal_entity)
    except Refused as refused:
        if refused.code is not Code.entity_mapping_missing:
            raise
        return None


async def look_up(
    connection: AsyncConnection, landscape: Landscape, around: Around, entries: Sequence[Theirs], now: datetime
) -> dict[str, Known]:
    """Return what is known around each entry, by its id."""
    projects = await _projects(connection, around.psa, {entry.project_id for entry in entries})
    erps = {project.id: erp_of(landscape, project.legal_entity) for project in projects.values()}
    erp_ids = await _erp_ids(connection, erps)
    contracts = await _contracts(connection, erps)
    payers = await find_payers(connection, [one for mine in contracts.values() for one in mine])
    booked = await _booked(connection, around.psa, entries)
    found: dict[str, Known] = {}
    for entry in entries:
        project = projects.get(entry.project_id)
        mine = contracts.get(project.id, []) if project else []
        day = (entry.resource_id, entry.work_date)
        found[entry.id] = Known(
            entry=entry,
            project=project,
            entity=around.entities.get(project.legal_entity) if project else None,
            erp=erps.get(project.id) if project else None,
            erp_project_id=erp_ids.get(project.id) if project else None,
            contracts=mine,
            payers={one.id: payers[one.id] for one in mine},
            periods=around.periods.get(project.legal_entity) if project else None,
            now=now,
            other_minutes=booked[day],
            mappings=around.mappings,
            away=project is not None and project.legal_entity in around.away,
        )
        booked[day] += minutes_of(entry.minutes, entry.hours)
    return found


async def _projects(connection: AsyncConnection, psa: str, external_ids: set[str]) -> dict[str, Project]:
    """Return the projects by the PSA's ids."""
    reference = tb_cross_reference.c
    asked = (
        select(reference.external_id, tb_project)
        .join(tb_project, tb_project.c.id == reference.canonical_id)
        .where(
            reference.object_type == PROJECT,
            reference.instance == psa,
            reference.state == ReferenceState.active.value,
            reference.external_id.in_(sorted(external_ids)),
        )
    )
    return {row.external_id: Project.of(row) for row in await connection.execute(asked)}


async def _erp_ids(connection: AsyncConnection, erps: Mapping[str, str | None]) -> dict[str, str]:
    """Return the ids by which the projects' ERPs know them."""
    reference = tb_cross_reference.c
    asked = select(reference.canonical_id, reference.instance, reference.external_id).where(
        reference.object_type == PROJECT,
        reference.state == ReferenceState.active.value,
        reference.canonical_id.in_(sorted(erps)),
    )
    rows = (await connection.execute(asked)).all()
    return {row.canonical_id: row.external_id for row in rows if row.instance == erps[row.canonical_id]}


async def _contracts(connection: AsyncConnection, projects: Iterable[str]) -> dict[str, list[SignedContract]]:
    found: dict[str, list[SignedContract]] = defaultdict(list)
    for contract in await find_contracts(connection, tb_contract.c.project.in_(sorted(projects))):
        found[contract.project].append(contract)
    return found


async def _booked(
    connection: AsyncConnection, psa: str, entries: Sequence[Theirs]
) -> defaultdict[tuple[str, date], Decimal]:
    """Return the minutes that people have booked on the days of the batch with other entries than the batch's."""
    column, booked = tb_time_entry.c, defaultdict[tuple[str, date], Decimal](Decimal)
    batch = {entry.id for entry in entries}
    asked = select(column.external_id, column.resource_id, column.work_date, column.minutes, column.hours).where(
        column.psa == psa,
        column.work_date.in_(sorted({entry.work_date for entry in entries})),
        column.resource_id.in_(sorted({entry.resource_id for entry in entries})),
        column.approval == Approval.approved.value,
        column.transfer.not_in([state.value for state in NOT_WORKED]),
    )
    for row in await connection.execute(asked):
        if row.external_id not in batch:
            booked[row.resource_id, row.work_date] += minutes_of(row.minutes, row.hours)
    return booked
