"""What a release would invoice just now: all checks, the same code as in the steps, and nothing written."""

from datetime import date

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import find_process
from gateway.errors import Refused
from gateway.store.database import Store
from openapi.common.types import Code, Violation
from openapi.decimals import text_of
from openapi.process.invoice_release.v1 import (
    MissingTime,
    PreviewedLine,
    PreviewedRequest,
    PreviewedTax,
    PreviewState,
    ReleasedContract,
    ReleasedCustomer,
    ReleaseHold,
)
from process_apis.invoice_release import documents, reading, rules, steps
from process_apis.invoice_release.admission import Target
from process_apis.invoice_release.answers import totals
from process_apis.invoice_release.closing import ENDS
from process_apis.invoice_release.fees import is_due
from process_apis.invoice_release.order import KIND
from process_apis.invoice_release.picking import Picked, amounts_of, pick
from process_apis.invoice_release.pricing import Totals
from process_apis.invoice_release.selecting import fees_of
from process_apis.invoice_release.trailing import usual_of
from process_apis.invoice_release.usual import ReleaseSettings, unusual, work_on
from process_apis.ledger.entities import Entities
from process_apis.ledger.facts import Fact
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.money import money
from process_apis.ledger.requests import RequestLine, RequestState
from system_apis.ports import Erp, Landscape


class Installation(Struct, frozen=True, kw_only=True):
    """What previews go by."""

    landscape: Landscape
    store: Store
    entities: Entities
    mappings: Mappings
    settings: ReleaseSettings


class Seen(Struct, kw_only=True):
    """What a preview has found so far; it goes on after a refusal, so that all is told at once."""

    picked: Picked | None = None
    missing: list[MissingTime] = []
    unread: list[MissingTime] = []
    violations: list[Violation] = []
    holds: list[ReleaseHold] = []
    codes: list[Code] = []
    customer_id: str | None = None
    accounting_date: date | None = None

    def take(self, refused: Refused) -> None:
        """Keep why not."""
        self.codes.append(refused.code)
        self.violations += refused.violations or [Violation(code=refused.code, pointer="#", detail=refused.detail)]
        self.holds += refused.holds if isinstance(refused, rules.Held) else []


async def preview(installation: Installation, target: Target) -> PreviewedRequest:
    """Return what the payer would be invoiced, or everything that keeps it from being."""
    seen = Seen()
    await _pick(installation, target, seen)
    await _ask_erp(installation, target, seen)
    process = await find_process(installation.store, INSTALLATION, KIND, target.order.key)
    under_way = process is not None and process.ended_at is None
    return _shown(target, seen, _state(seen, under_way=under_way))


async def _pick(installation: Installation, target: Target, seen: Seen) -> None:
    store, order, mappings = installation.store, target.order, installation.mappings
    project_id = await reading.external_id(store, order.project, order.erp)
    async with store.begin() as connection:
        seen.missing = await reading.missing_time(connection, order, mappings)
        seen.unread = await reading.unread_time(connection, order)
        try:
            basis = await reading.basis_of(connection, order.contract)
            due = [part for part in basis.due if is_due(part, order.through)]
            fees = [
                fact
                for part in due
                for fact in fees_of(store, basis, part, installation.entities, mappings, (order.erp, project_id))
                if fact.customer == order.customer
            ]
            seen.picked = await pick(connection, basis, installation.entities, mappings, order, fees)
            await _judge(connection, installation, target, seen.picked, seen)
        except Refused as refused:
            seen.take(refused)


async def _judge(
    connection: AsyncConnection, installation: Installation, target: Target, picked: Picked, seen: Seen
) -> None:
    order, contract, settings = target.order, target.contract, installation.settings
    entity, now = installation.entities[order.legal_entity], installation.store.now()
    invoiced = await reading.invoiced_of(connection, order.contract, but="")
    facts: list[Fact] = [fact for line in picked.lines for fact in line.facts]
    usual = await usual_of(connection, order, settings, entity, now, but="")
    most = installation.landscape.erp(order.erp).capabilities.max_invoice_lines
    checks = [
        rules.of_contract(contract, contract.contract_version),
        rules.of_purchase_order(contract, invoiced=invoiced, net=picked.totals.net, on=order.through),
        rules.of_facts(facts, contract, entity),
        rules.of_lines(len(picked.lines), most),
        unusual(work_on(facts), len(picked.lines), usual, settings, contract.currency),
    ]
    for found in checks:
        seen.violations += found
        seen.codes += [violation.code for violation in found]
    if not order.allow_incomplete:
        try:
            rules.of_completeness(seen.missing, seen.unread, order.psa)
        except Refused as refused:
            seen.take(refused)


async def _ask_erp(installation: Installation, target: Target, seen: Seen) -> None:
    """Ask the ERP who is invoiced and when; where nothing is to be invoiced it is not asked."""
    if seen.picked is None:
        return
    store, order = installation.store, target.order
    erp: Erp = installation.landscape.erp(order.erp)
    try:
        seen.customer_id = await steps.customer_to_invoice(store, erp, order)
    except Refused as refused:
        seen.take(refused)
    try:
        seen.accounting_date = await steps.booked_on(store, erp, installation.entities[order.legal_entity], order)
    except Refused as refused:
        seen.take(refused)


def _state(seen: Seen, *, under_way: bool) -> PreviewState:
    if under_way:
        return PreviewState.under_way
    if not seen.codes:
        return PreviewState.validated
    return PreviewState(ENDS.get(seen.codes[0], RequestState.rejected).value)


def _shown(target: Target, seen: Seen, state: PreviewState) -> PreviewedRequest:
    picked, contract = seen.picked, target.contract
    lines = [one.line for one in picked.lines] if picked else []
    return PreviewedRequest(
        business_key=target.order.key,
        contract=ReleasedContract(id=contract.id, number=contract.number),
        customer=ReleasedCustomer(id=target.payer.customer, name=target.payer.name),
        project=contract.project,
        state=state,
        expected=totals(**amounts_of(picked.totals, contract.currency), currency=contract.currency) if picked else None,
        lines=[_line(line, contract.currency) for line in lines],
        taxes=_taxes(picked.totals, contract.currency) if picked else [],
        excluded=[rules.excluded(left) for left in picked.left_out] if picked else [],
        missing=[*seen.missing, *seen.unread],
        code=seen.codes[0] if seen.codes else None,
        violations=seen.violations,
        holds=seen.holds,
        payload=_payload(target, seen, lines),
    )


def _line(line: RequestLine, currency: str) -> PreviewedLine:
    return PreviewedLine(
        business_key=line.key,
        contract_line=line.contract_line,
        description=line.description,
        role=line.role,
        quantity=line.quantity,
        unit=line.unit,
        rate=line.rate,
        net=money(line.net, currency),
        account=line.account,
        tax_code=line.tax_code,
        facts=line.facts,
    )


def _taxes(expected: Totals, currency: str) -> list[PreviewedTax]:
    return [
        PreviewedTax(
            tax_code=group.tax_code,
            percent=text_of(group.percent),
            base=money(group.base, currency),
            tax=money(group.tax, currency),
        )
        for group in expected.taxes
    ]


def _payload(target: Target, seen: Seen, lines: list[RequestLine]) -> dict[str, object] | None:
    """Return exactly what the ERP would be sent, where that is known in full."""
    if not lines or seen.customer_id is None or seen.accounting_date is None:
        return None
    new = documents.invoice_of(
        target.order, target.contract, lines, customer_id=seen.customer_id, accounting_date=seen.accounting_date
    )
    payload: dict[str, object] = msgspec.to_builtins(new)
    return payload
