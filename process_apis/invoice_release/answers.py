"""Releases as they are answered: each request with its process, and a report that counts and sums them."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from msgspec import UNSET, Struct, json, structs
from sqlalchemy import select

from gateway.caller import INSTALLATION, Caller
from gateway.durable import Process, ProcessStep, State, list_steps
from gateway.store import work_items
from gateway.store.database import Store
from gateway.store.pages import Window
from gateway.store.processes import tb_process_instance
from gateway.store.work_items import WorkItem
from openapi.common.types import Code, Money, Outcome, Violation
from openapi.process.invoice_release.v1 import (
    ExcludedFact,
    MissingTime,
    PreviewedRequest,
    Release,
    ReleasedContract,
    ReleasedCustomer,
    ReleasedInvoice,
    ReleaseHold,
    ReleaseObject,
    ReleaseReport,
    ReleaseRequest,
    ReleaseState,
    ReleaseStep,
    RequestState,
    Tally,
    Totals,
)
from process_apis.invoice_release import approvals
from process_apis.invoice_release.releases import Asked, ReleaseRow, asked_of
from process_apis.ledger import customers
from process_apis.ledger.contracts import SignedContract, find_contracts, tb_contract
from process_apis.ledger.money import amount_of, money, total
from process_apis.ledger.requests import InvoiceRequest, find_requests, tb_invoice_request

Shown = TypeVar("Shown", ReleaseRequest, PreviewedRequest)
OF_THE_WHOLE: Final = (Code.contract_po_exhausted, Code.dependency_not_ready)
"""What is refused with amounts of the whole contract or project, whoever pays for a part of it."""
ALL: Final = Window(limit=1000)
TALLIES: Final = {
    RequestState.posted: "posted",
    RequestState.held: "held",
    RequestState.rejected: "rejected",
    RequestState.in_doubt: "in_doubt",
    RequestState.nothing_to_bill: "nothing_to_bill",
}
"""Where each request is counted; one that was cancelled nowhere, any other one is under way."""


class Around(Struct, frozen=True, kw_only=True):
    """What is known around the requests of some releases."""

    processes: dict[str, Process]
    requests: dict[tuple[str, int], InvoiceRequest]
    contracts: dict[str, SignedContract]
    names: dict[str, str]
    steps: dict[str, list[ProcessStep]]
    items: list[WorkItem]


async def releases(store: Store, caller: Caller, rows: Sequence[ReleaseRow]) -> list[Release]:
    """Return the releases as they are answered; a request that the caller may not see stays out of each."""
    asked = await asked_of(store, caller, [row.id for row in rows])
    around = await _around(store, [one for requests in asked.values() for one in requests])
    return [_release(caller, row, asked[row.id], around) for row in rows]


async def request(store: Store, caller: Caller, found: InvoiceRequest) -> ReleaseRequest:
    """Return one request as it is answered; whether the caller may see it was asked before."""
    names = ("process_id", "attempt", "legal_entity", "customer", "project", "contract")
    one = Asked(release_id="", **{name: getattr(found, name) for name in names})
    return told_to(caller, _request(one, await _around(store, [one])))


async def _around(store: Store, asked: Sequence[Asked]) -> Around:
    """Return what is around; whether the caller may see it was asked before."""
    ids = sorted({one.process_id for one in asked})
    async with store.begin() as connection:
        rows = await connection.execute(select(tb_process_instance).where(tb_process_instance.c.id.in_(ids)))
        processes = {row.id: Process.of(row) for row in rows}
        requests = await find_requests(connection, tb_invoice_request.c.process_id.in_(ids))
        contracts = await find_contracts(connection, tb_contract.c.id.in_(sorted({one.contract for one in asked})))
    return Around(
        processes=processes,
        requests={(request.process_id, request.attempt): request for request in requests},
        contracts={contract.id: contract for contract in contracts},
        names=await customers.names_of(store, [one.customer for one in asked]),
        steps=await list_steps(store, INSTALLATION, ids),
        items=(await work_items.list_all(store, INSTALLATION, ALL, process_id=ids)).items if ids else [],
    )


def _release(caller: Caller, row: ReleaseRow, asked: Sequence[Asked], around: Around) -> Release:
    requests = [told_to(caller, _request(one, around)) for one in asked]
    return Release(
        id=row.id,
        object=ReleaseObject.release,
        state=_state(asked, around),
        outcome=_outcome(request.outcome for request in requests),
        legal_entity=row.legal_entity,
        through=row.through,
        allow_incomplete=row.allow_incomplete,
        note=None if caller.is_limited else row.note,  # What colleagues wrote is not the customer's to read.
        requested_by=row.requested_by,
        report=report([(request.state, _amount(request)) for request in requests]),
        requests=requests,
        correlation_id=row.correlation_id,
        created_at=row.created_at,
        updated_at=max([row.created_at, *(around.processes[one.process_id].updated_at for one in asked)]),
    )


def told_to(caller: Caller, shown: Shown) -> Shown:
    """Return what the caller may read of it: a portal's reads no amounts of others who pay for the same project."""
    if not caller.is_limited:
        return shown
    missing = [structs.replace(day, net=None) for day in shown.missing]
    violations = [
        structs.replace(one, expected=UNSET, actual=UNSET) if one.code in OF_THE_WHOLE else one
        for one in shown.violations
    ]
    without: dict[str, None] = {"approval": None} if isinstance(shown, ReleaseRequest) else {}
    return structs.replace(shown, missing=missing, violations=violations, **without)


def _state(asked: Sequence[Asked], around: Around) -> ReleaseState:
    mine = [around.processes[one.process_id] for one in asked if _is_mine(one, around)]
    if any(not process.at_rest for process in mine):
        return ReleaseState.running
    return ReleaseState.parked if any(process.state == State.parked for process in mine) else ReleaseState.completed


def _is_mine(one: Asked, around: Around) -> bool:
    """Tell whether the process is still at the attempt that was asked for."""
    return around.processes[one.process_id].attempt == one.attempt


def _outcome(outcomes: Iterable[Outcome]) -> Outcome:
    found = set(outcomes)
    return next((one for one in (Outcome.uncertain, Outcome.applied) if one in found), Outcome.none)


def _request(one: Asked, around: Around) -> ReleaseRequest:
    process, mine = around.processes[one.process_id], _is_mine(one, around)
    request = around.requests.get((one.process_id, one.attempt))
    state = state_of(request, process if mine else None)
    unknown = mine and _is_in_doubt(process)  # The create, or what comes after it.
    return ReleaseRequest(
        id=request.id if request else None,
        process_id=one.process_id,
        business_key=process.business_key,
        attempt=one.attempt,
        contract=ReleasedContract(id=one.contract, number=around.contracts[one.contract].number),
        customer=ReleasedCustomer(id=one.customer, name=around.names[one.customer]),
        project=one.project,
        state=state,
        outcome=Outcome.uncertain if unknown else _known_outcome(request, state),
        expected=_expected(request) if request and Decimal(request.net) else None,
        invoice=_invoice(request) if request and request.invoice_id else None,
        code=request.code if request else None,
        detail=request.detail if request else None,
        violations=json.decode(request.violations, type=list[Violation]) if request else [],
        holds=json.decode(request.holds, type=list[ReleaseHold]) if request else [],
        approval=approvals.shown(request) if request else None,
        excluded=json.decode(request.excluded, type=list[ExcludedFact]) if request else [],
        missing=json.decode(request.missing, type=list[MissingTime]) if request else [],
        steps=[step.shown_as(ReleaseStep) for step in around.steps[one.process_id]] if mine else [],
        work_items=[item.id for item in around.items if item.process_id == one.process_id] if mine else [],
    )


def state_of(request: InvoiceRequest | None, process: Process | None) -> RequestState:
    """Return where the request is; `process` is the one that carries it out, unless that is at a later attempt.

    While nobody knows whether the ERP has it, the process says so and the row does not.
    """
    if request is None:
        is_open = process is not None and process.ended_at is None
        return RequestState.draft if is_open else RequestState.cancelled
    state = RequestState(request.state.value)
    doubted = process is not None and _is_in_doubt(process)
    return RequestState.in_doubt if doubted and state is RequestState.submitted else state


def _is_in_doubt(process: Process) -> bool:
    """Tell whether nobody knows what came of what was sent last."""
    return process.outcome is Outcome.uncertain and process.ended_at is None


def _known_outcome(request: InvoiceRequest | None, state: RequestState) -> Outcome:
    # Before its first try is over, nothing of it is known to be in doubt.
    return Outcome.none if request is None or state is RequestState.submitted else request.outcome


def _expected(request: InvoiceRequest) -> Totals:
    return totals(request.net, request.tax, request.gross, request.currency)


def totals(net: str, tax: str, gross: str, currency: str) -> Totals:
    """Return the three amounts as contracts carry them."""
    amounts = (money(Decimal(amount), currency) for amount in (net, tax, gross))
    return Totals(**dict(zip(("net", "tax", "gross"), amounts, strict=True)))


def _invoice(request: InvoiceRequest) -> ReleasedInvoice:
    amounts = {"net": request.erp_net, "tax": request.erp_tax, "gross": request.erp_gross, "balance": request.balance}
    return ReleasedInvoice(
        id=request.invoice_id or "",
        number=request.invoice_number,
        date=request.invoice_date,
        due=request.due_date,
        **{name: money(Decimal(amount or 0), request.currency) for name, amount in amounts.items()},
    )


def _amount(request: ReleaseRequest) -> Money | None:
    """Return what it comes to: in the ERP, or else as expected."""
    if request.invoice:
        return request.invoice.gross
    return request.expected.gross if request.expected else None


def report(requests: Sequence[tuple[RequestState, Money | None]]) -> ReleaseReport:
    """Return how many requests are where, and what they come to, currency by currency."""
    counted: dict[str, list[Money | None]] = {name: [] for name in ReleaseReport.__struct_fields__}
    for state, amount in requests:
        if state is not RequestState.cancelled:
            counted[TALLIES.get(state, "under_way")].append(amount)
    return ReleaseReport(**{name: tally(amounts) for name, amounts in counted.items()})


def tally(amounts: Sequence[Money | None]) -> Tally:
    """Return the count and one amount for each currency."""
    known = [amount for amount in amounts if amount is not None]
    currencies = sorted({amount.currency for amount in known})
    sums = [
        money(total(amount_of(one) for one in known if one.currency == currency), currency) for currency in currencies
    ]
    return Tally(count=len(amounts), amounts=sums)
