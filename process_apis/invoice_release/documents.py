"""What the ERP and the PSA are sent: the invoice, the release of accrued income, and what became of both. Pure."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby

from msgspec import UNSET
from msgspec.structs import replace

from openapi.decimals import text_of
from openapi.system.erp.v1 import NewBillableTransaction, NewInvoice, NewInvoiceLine, TransactionKind
from openapi.system.psa.v1 import NewBillingNote, NewEntryFeedback, TimeFeedbackState
from process_apis.invoice_release.order import ReleaseOrder
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.facts import Billing, Fact, Kind, Posting, SourceType
from process_apis.ledger.money import PLACES, money, total
from process_apis.ledger.requests import InvoiceRequest, RequestLine

FEEDBACK_AT_ONCE = 200


def invoice_of(
    order: ReleaseOrder,
    contract: SignedContract,
    lines: Sequence[RequestLine],
    *,
    customer_id: str,
    accounting_date: date,
) -> NewInvoice:
    """Return the invoice as the ERP is sent it."""
    return NewInvoice(
        business_key=order.key,
        legal_entity=order.legal_entity,
        customer_id=customer_id,
        currency=contract.currency,
        accounting_date=accounting_date,
        lines=[_line(line, contract.currency) for line in lines],
        payment_terms=contract.payment_terms or UNSET,
        purchase_order=contract.po_number or UNSET,
    )


def _line(line: RequestLine, currency: str) -> NewInvoiceLine:
    return NewInvoiceLine(
        business_key=line.key,
        description=line.description,
        net=money(line.net, currency),
        account=line.account,
        tax_code=line.tax_code,
        project_id=line.erp_project_id,
    )


def release_facts(
    order: ReleaseOrder, request: InvoiceRequest, facts: Sequence[Fact], new_id: Callable[[], str]
) -> list[Fact]:
    """Return the facts by which what was invoiced leaves accrued income: one for each pair of accounts.

    Together they are the exact opposite of the sales; fees were never in accrued income.
    """
    sales = sorted((fact for fact in facts if fact.kind is Kind.sale), key=_accounts)
    groups = [list(alike) for _, alike in groupby(sales, key=_accounts)]
    made = [_release(order, request, number, alike, new_id) for number, alike in enumerate(groups, 1)]
    return [fact for fact in made if Decimal(fact.net) != 0]


def _accounts(fact: Fact) -> tuple[str, str, str]:
    return fact.debit_account, fact.credit_account, fact.erp_project_id


def _release(
    order: ReleaseOrder, request: InvoiceRequest, number: int, facts: Sequence[Fact], new_id: Callable[[], str]
) -> Fact:
    first = facts[0]
    net = text_of(total(Decimal(one.net) for one in facts), PLACES[first.currency])
    functional = text_of(total(Decimal(one.functional_net) for one in facts), PLACES[first.functional_currency])
    key = order.part("rel" if number == 1 else f"rel{number}")
    return replace(
        first,
        id=new_id(),
        business_key=key,
        kind=Kind.release,
        source_id=request.id,
        source_instance="gateway",
        revision=1,
        pair_id=key,
        reverses=None,
        split_percent=None,
        resource=None,
        resource_name=None,
        role=None,
        task_name=None,
        description=f"Invoiced: {request.business_key}",
        work_date=request.through,
        accounting_date=request.accounting_date,
        minutes=None,
        quantity="1",
        unit="each",
        rate=net,
        net=net,
        contract_net=net,
        functional_net=functional,
        debit_account=first.credit_account,
        credit_account=first.debit_account,
        posting=Posting.pending,
        billing=Billing.non_billable,
        erp_ref=None,
        erp_number=None,
        posted_at=None,
    )


def to_post(facts: Sequence[Fact]) -> list[NewBillableTransaction]:
    """Return the release facts as the ERP is sent them."""
    return [
        NewBillableTransaction(
            business_key=fact.business_key,
            legal_entity=fact.legal_entity,
            kind=TransactionKind.unbilled_sale_release,
            project_id=fact.erp_project_id,
            date=fact.accounting_date,
            net=money(Decimal(fact.functional_net), fact.functional_currency),
            debit_account=fact.debit_account,
            credit_account=fact.credit_account,
            description=fact.description,
        )
        for fact in facts
    ]


def posted_note(order: ReleaseOrder, request: InvoiceRequest) -> NewBillingNote:
    """Return what the PSA shows of an invoice: number, date, net, tax, balance."""
    currency = request.currency
    text = (
        f"Invoice {request.invoice_number} of {request.invoice_date}: net {request.erp_net} {currency}, "
        f"tax {request.erp_tax} {currency}, total {request.erp_gross} {currency}, "
        f"open {request.balance} {currency}."
    )
    return NewBillingNote(business_key=order.part("note"), text=text)


def refused_note(order: ReleaseOrder, request: InvoiceRequest) -> NewBillingNote:
    """Return what the PSA shows where there is no invoice: why not."""
    # Each attempt is refused for its own reason, and both stay to be read: its number belongs to what is said.
    key = order.part(f"no{request.attempt}")
    reason = f" ({request.code.value})" if request.code else ""
    text = f"Not invoiced up to {request.through}: {request.state.value}{reason}. {request.detail or ''}"
    return NewBillingNote(business_key=key, text=text.strip()[:1000])


def feedback(request: InvoiceRequest, facts: Sequence[Fact]) -> dict[str, list[NewEntryFeedback]]:
    """Return what each time entry shows once it is billed, by the PSA's connection."""
    told: dict[str, list[NewEntryFeedback]] = {}
    timed = sorted((fact for fact in facts if fact.source_type is SourceType.time_entry), key=_source)
    for (connection, entry_id), parts in groupby(timed, key=_source):
        told.setdefault(connection, []).append(_billed(request, entry_id, list(parts)))
    return told


def _source(fact: Fact) -> tuple[str, str]:
    return fact.source_instance, fact.source_id


def _billed(request: InvoiceRequest, entry_id: str, facts: Sequence[Fact]) -> NewEntryFeedback:
    net = total(Decimal(fact.net) for fact in facts)
    return NewEntryFeedback(
        entry_id=entry_id,
        state=TimeFeedbackState.billed,
        reference=request.invoice_number or request.business_key,
        amount=money(net, request.currency),
    )
