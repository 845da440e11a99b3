"""The lock on what is billed: facts that are ready are put on the request's lines, in one transaction."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, json
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import process_id
from gateway.errors import Refused
from gateway.store import processes
from gateway.store.database import Store
from gateway.store.ids import new_id
from openapi.common.types import Code, Outcome
from openapi.decimals import text_of
from process_apis.invoice_release import reading, rules
from process_apis.invoice_release.fees import fee_facts, is_due
from process_apis.invoice_release.noting import noting
from process_apis.invoice_release.order import ReleaseOrder
from process_apis.invoice_release.picking import Picked, amounts_of, pick
from process_apis.invoice_release.reading import Basis
from process_apis.ledger.entities import Entities
from process_apis.ledger.facts import Billing, Fact, by_key, fact_id, move_facts, tb_fact, write_facts
from process_apis.ledger.holds import Scope, lock_scopes
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.requests import (
    InvoiceRequest,
    RequestState,
    facts_of,
    find_request,
    find_requests,
    move_request,
    open_request,
    put_on_request,
    tb_invoice_request,
)
from process_apis.ledger.schedules import READY, SchedulePart, move_part


class Selected(Struct, frozen=True, kw_only=True):
    """What a selection comes to."""

    facts: int
    lines: int
    net: str


async def open_attempt(store: Store, order: ReleaseOrder) -> str:
    """Return the id of this attempt's request, opened now or in an earlier try of the step."""
    process = await processes.get(store, INSTALLATION, process_id())
    columns = tb_invoice_request.c
    async with store.begin() as connection:
        mine = (columns.business_key == order.key, columns.attempt == process.attempt)
        found = await find_requests(connection, *mine)
        if found:
            return found[0].id
        contract = await reading.contract_of(connection, order.contract)
        now = store.now()
        request = InvoiceRequest(
            id=new_id("ivr", now),
            business_key=order.key,
            attempt=process.attempt,
            process_id=process.id,
            legal_entity=order.legal_entity,
            customer=order.customer,
            project=order.project,
            contract=order.contract,
            contract_version=contract.contract_version,
            erp=order.erp,
            currency=contract.currency,
            period_start=None,
            through=order.through,
            accounting_date=order.through,
            lines="[]",
            taxes="[]",
            net="0",
            tax="0",
            gross="0",
            watermark="{}",
            snapshot_sha256="",
            state=RequestState.draft,
            outcome=Outcome.none,
            requested_by=order.requested_by,
            created_at=now,
            updated_at=now,
        )
        await open_request(connection, request)
    return request.id


@noting
async def select_and_lock(
    store: Store, request_id: str, entities: Entities, mappings: Mappings, order: ReleaseOrder
) -> Selected:
    """Return what is on the request now: its facts are on no other. Raises Held, or Refused where nothing is ready."""
    project_id = await reading.external_id(store, order.project, order.erp)
    try:
        async with store.begin() as connection:
            if met := await _met(connection, request_id):
                return met
        async with store.begin() as connection:
            basis = await reading.basis_of(connection, order.contract)
        async with store.begin() as connection:
            sequences = await lock_scopes(connection, basis.scopes(order.customer))
            for part in basis.due:
                if is_due(part, order.through):
                    await have_fee(connection, store, basis, part, entities, mappings, (order.erp, project_id))
            picked = await pick(connection, basis, entities, mappings, order)
            await _put(connection, store, request_id, basis, picked, sequences)
    except IntegrityError as error:
        raise _taken() from error
    return _selected(picked)


async def have_fee(
    connection: AsyncConnection,
    store: Store,
    basis: Basis,
    part: SchedulePart,
    entities: Entities,
    mappings: Mappings,
    ledger: tuple[str, str | None],
    **said: Any,  # noqa: ANN401 - columns of the schedule
) -> bool:
    """Tell whether the part's fee was made now, ready to be billed; `said` is what was said of a milestone."""
    facts = fees_of(store, basis, part, entities, mappings, ledger, said.get("achieved_on"))
    if await by_key(connection, [fact.business_key for fact in facts]):
        return False
    if not await move_part(connection, part, READY, **said):
        return False
    await write_facts(connection, store, facts)
    return True


def fees_of(
    store: Store,
    basis: Basis,
    part: SchedulePart,
    entities: Entities,
    mappings: Mappings,
    ledger: tuple[str, str | None],
    achieved_on: Any = None,  # noqa: ANN401 - a date, where somebody said one
) -> list[Fact]:
    """Return the facts of a part's fee, not written; raises Refused where a mapping or the ERP's project is missing."""
    erp, project_id = ledger
    if project_id is None:
        raise Refused(Code.project_not_in_erp, "The ERP does not know the project. Finish its onboarding first.")
    return fee_facts(
        part,
        basis.payers,
        lambda payer: basis.pricing(payer, entities, mappings),
        erp=erp,
        erp_project_id=project_id,
        achieved_on=achieved_on or part.due_on,
        new_id=lambda: fact_id(store),
    )


async def _met(connection: AsyncConnection, request_id: str) -> Selected | None:
    """Return what an earlier try of the step has selected."""
    request = await find_request(connection, request_id)
    facts = (await facts_of(connection, [request_id]))[request_id]
    if not facts:
        return None
    return Selected(facts=len(facts), lines=len(reading.lines_on(request)), net=request.net)


async def _put(
    connection: AsyncConnection,
    store: Store,
    request_id: str,
    basis: Basis,
    picked: Picked,
    sequences: Mapping[Scope, int],
) -> None:
    chosen = [fact for line in picked.lines for fact in line.facts]
    wanted = tb_fact.c.id.in_([fact.id for fact in chosen]) & (tb_fact.c.billing == Billing.ready.value)
    moved = await move_facts(connection, store, wanted, billing=Billing.on_request.value)
    if len(moved) != len(chosen):
        raise _taken()
    await put_on_request(connection, request_id, [line.facts for line in picked.lines])
    days = [fact.work_date for fact in chosen]
    watermark = {f"{scope.type}:{scope.id}": sequence for scope, sequence in sequences.items()}
    excluded = [rules.excluded(left) for left in picked.left_out]
    await move_request(
        connection,
        store,
        request_id,
        contract_version=basis.contract.contract_version,
        period_start=min(days),
        lines=json.encode([line.line for line in picked.lines]).decode(),
        taxes=json.encode(picked.totals.taxes).decode(),
        watermark=json.encode(watermark).decode(),
        excluded=json.encode(excluded).decode(),
        **amounts_of(picked.totals, basis.contract.currency),
    )


def _selected(picked: Picked) -> Selected:
    facts = sum(len(line.facts) for line in picked.lines)
    return Selected(facts=facts, lines=len(picked.lines), net=text_of(picked.totals.net))


def _taken() -> Refused:
    return Refused(Code.entry_duplicate, "Another request has taken some of it meanwhile. Release again.")
