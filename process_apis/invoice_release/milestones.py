"""Milestones: parts of a price that are billed once somebody says that they are achieved."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from sqlalchemy import Date, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import Caller
from gateway.errors import Refused
from gateway.store.database import Store
from openapi.common.types import Code
from openapi.process.invoice_release.v1 import Milestone, MilestoneApproval, MilestoneObject, MilestoneState
from process_apis.invoice_release import reading, rules
from process_apis.invoice_release.admission import seen_by_project
from process_apis.invoice_release.selecting import have_fee
from process_apis.ledger import schedules
from process_apis.ledger.contracts import SignedContract, find_contracts, tb_contract
from process_apis.ledger.entities import Entities
from process_apis.ledger.facts import Billing, tb_fact
from process_apis.ledger.holds import line_scope, lock_scopes
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.money import money
from process_apis.ledger.schedules import SchedulePart, find_parts, tb_schedule_line
from system_apis.ports import Landscape

STATES: Final = {
    schedules.PLANNED: MilestoneState.planned,
    schedules.READY: MilestoneState.approved_for_billing,
    schedules.INVOICED: MilestoneState.invoiced,
    schedules.CANCELLED: MilestoneState.cancelled,
}


async def approve(
    landscape: Landscape,
    store: Store,
    entities: Entities,
    mappings: Mappings,
    caller: Caller,
    milestone_id: str,
    approval: MilestoneApproval,
) -> Milestone:
    """Return the milestone, approved now or earlier: its fee is a fact, ready to be billed."""
    part, contract = await _require(store, caller, milestone_id)
    if part.state == schedules.CANCELLED:
        raise Refused(Code.process_illegal_transition, "The milestone is cancelled.")
    rules.refuse(rules.of_contract(contract, contract.contract_version))
    erp = landscape.erp_of(contract.legal_entity)
    project_id = await reading.external_id(store, contract.project, erp)
    if part.state == schedules.PLANNED:
        async with store.begin() as connection:
            await lock_scopes(connection, [line_scope(contract.id, part.line_number)])
            basis = await reading.basis_of(connection, contract.id)
            await have_fee(
                connection,
                store,
                basis,
                part,
                entities,
                mappings,
                (erp, project_id),
                achieved_on=approval.achieved_on,
                evidence=approval.evidence,
                approved_by=caller.client_id,
                approved_at=store.now(),
            )
    return (await shown(store, [(await _require(store, caller, milestone_id))[0]]))[0]


async def listed(
    store: Store, caller: Caller, *, contract: str | None, project: str | None, after: str | None, limit: int
) -> tuple[list[Milestone], str | None]:
    """Return the milestones that the caller may see, the earliest first, and where the next page begins."""
    columns = tb_schedule_line.c
    fitting = [seen_by_project(caller)]
    fitting += [tb_contract.c.id == contract] if contract else []
    fitting += [tb_contract.c.project == project] if project else []
    mine = columns.contract_id.in_(select(tb_contract.c.id).where(*fitting))
    async with store.begin() as connection:
        # One more than is shown tells whether there is another page.
        found = await find_parts(connection, mine, *_after(after), limit=limit + 1)
    page = found[:limit]
    more = len(found) > limit and bool(page)
    return await shown(store, page), _place(page[-1]) if more else None


def _place(part: SchedulePart) -> str:
    return f"{part.due_on.isoformat()}/{part.id}"


def _after(place: str | None) -> list[ColumnElement[bool]]:
    """Return the condition for the next page: the order is by day, then by contract, line and place."""
    if place is None:
        return []
    columns = tb_schedule_line.c
    day, _, milestone_id = place.partition("/")
    last = tuple_(literal(date.fromisoformat(day), Date), *_parsed(milestone_id))
    return [tuple_(columns.due_on, columns.contract_id, columns.line_number, columns.place) > last]


def _parsed(milestone_id: str) -> tuple[str, int, int]:
    contract, line, place = milestone_id.split("-")
    return contract, int(line), int(place)


async def _require(store: Store, caller: Caller, milestone_id: str) -> tuple[SchedulePart, SignedContract]:
    """Return the milestone and its contract; one that the caller may not see is answered like one that is not."""
    contract_id, line, place = _parsed(milestone_id)
    columns = tb_schedule_line.c
    mine = (columns.contract_id == contract_id, columns.line_number == line, columns.place == place)
    async with store.begin() as connection:
        contracts = await find_contracts(connection, tb_contract.c.id == contract_id, seen_by_project(caller))
        parts = await find_parts(connection, *mine) if contracts else []
    if not parts:
        raise Refused(Code.resource_not_found, "There is no such milestone, or you may not see it.")
    return parts[0], contracts[0]


async def shown(store: Store, parts: Sequence[SchedulePart]) -> list[Milestone]:
    """Return the milestones as they are answered."""
    wanted = tb_contract.c.id.in_(sorted({part.contract_id for part in parts}))
    async with store.begin() as connection:
        contracts = {contract.id: contract for contract in await find_contracts(connection, wanted)}
        requested = await _on_request(connection, [part.id for part in parts])
    return [_milestone(part, contracts[part.contract_id], on_request=part.id in requested) for part in parts]


async def _on_request(connection: AsyncConnection, milestone_ids: Sequence[str]) -> set[str]:
    columns = tb_fact.c
    mine = (columns.source_id.in_(milestone_ids), columns.billing == Billing.on_request.value)
    return set((await connection.execute(select(columns.source_id).where(*mine))).scalars())


def _milestone(part: SchedulePart, contract: SignedContract, *, on_request: bool) -> Milestone:
    return Milestone(
        id=part.id,
        object=MilestoneObject.milestone,
        contract=part.contract_id,
        project=contract.project,
        line=part.line_number,
        name=part.milestone,
        due_on=part.due_on,
        amount=money(Decimal(part.amount), contract.currency),
        state=MilestoneState.on_request if on_request else STATES[part.state],
        achieved_on=part.achieved_on,
        evidence=part.evidence,
        approved_by=part.approved_by,
        approved_at=part.approved_at,
    )
