"""The facts of an entry that breaks no rule, and the documents by which the ERP gets them. Pure, but for their ids."""

from collections.abc import Callable, Sequence
from datetime import date as date_type
from decimal import Decimal
from typing import Final

from msgspec import UNSET, Struct

from openapi.common.types import Money
from openapi.decimals import text_of
from openapi.system.erp.v1 import NewBillableTransaction, TransactionKind
from process_apis.ledger.facts import Adjustment, Billing, Fact, Kind, Posting, SourceType, time_fact_key
from process_apis.ledger.money import PLACES
from process_apis.time_transfer.rules import HOUR
from process_apis.time_transfer.valuing import Judged, Sale

LONGEST_TEXT: Final = 500
INVOICED: Final = ("rate", "tax_code", "tax_percent", "revenue_account")
"""What the posting does not say, and the invoice does."""
CONTROL: Final = dict.fromkeys((*range(32), 127), " ")


class Frame(Struct, frozen=True, kw_only=True):
    """What the facts of one revision have in common."""

    psa: str
    revision: int
    adjustment: Adjustment
    mapping_digest: str
    posts: bool
    """Whether the ERP keeps them: where it does not, they are ready for the invoice at once."""


def facts_of(judged: Judged, frame: Frame, new_id: Callable[[], str]) -> list[Fact]:
    """Return the cost, and what each payer is to pay."""
    sales = [_sale(judged, sale, frame, new_id()) for sale in judged.sales if judged.rate and judged.sale_accounts]
    return [_cost(judged, frame, new_id()), *sales]


def _cost(judged: Judged, frame: Frame, new_id: str) -> Fact:
    return _fact(
        judged,
        frame,
        new_id,
        Kind.cost,
        judged.cost,
        rate=judged.person.cost_rate,
        debit=judged.cost_accounts.debit,
        credit=judged.cost_accounts.credit,
    )


def _sale(judged: Judged, sale: Sale, frame: Frame, new_id: str) -> Fact:
    accounts = judged.sale_accounts or judged.cost_accounts
    return _fact(
        judged,
        frame,
        new_id,
        Kind.sale,
        sale.net,
        rate=judged.rate or "0",
        debit=accounts.debit,
        credit=accounts.credit,
        sale=sale,
    )


def _fact(  # noqa: PLR0913 - what differs between cost and sale
    judged: Judged,
    frame: Frame,
    new_id: str,
    kind: Kind,
    net: Decimal,
    *,
    rate: str,
    debit: str,
    credit: str,
    sale: Sale | None = None,
) -> Fact:
    entry, currency = judged.entry, judged.entity.currency
    amount = text_of(net, PLACES[currency])
    part = sale.payer.account if sale and sale.payer.share else None
    posts = frame.posts and net != 0
    return Fact(
        id=new_id,
        business_key=time_fact_key(frame.psa, entry.id, frame.revision, kind, part),
        kind=kind,
        source_type=SourceType.time_entry,
        source_instance=frame.psa,
        source_id=entry.id,
        revision=frame.revision,
        pair_id=time_fact_key(frame.psa, entry.id, frame.revision, Kind.cost),
        adjustment=frame.adjustment,
        reverses=None,
        legal_entity=judged.entity.code,
        customer=sale.payer.customer if sale else judged.contract.customer,
        project=judged.project.id,
        erp=judged.erp,
        erp_project_id=judged.erp_project_id,
        contract=judged.contract.id,
        contract_version=judged.contract.contract_version,
        contract_line=judged.line.number,
        split_percent=sale.payer.share if sale else None,
        resource=entry.resource_email or entry.resource_id,
        resource_name=entry.resource_name,
        role=judged.person.role,
        task_name=entry.task_name,
        item=judged.line.item,
        description=_description(judged),
        work_date=entry.work_date,
        accounting_date=judged.accounting_date,
        minutes=entry.minutes,
        quantity=entry.hours,
        unit=HOUR,
        rate=rate,
        net=amount,
        currency=currency,
        contract_net=amount,
        contract_currency=judged.contract.currency if sale else currency,
        functional_net=amount,
        functional_currency=currency,
        fx_rate="1",
        tax_category=judged.line.tax_category if sale else None,
        tax_code=sale.tax.tax_code if sale else None,
        tax_percent=sale.tax.percent if sale else None,
        debit_account=debit,
        credit_account=credit,
        revenue_account=judged.revenue_account if sale else None,
        mapping_digest=frame.mapping_digest,
        posting=Posting.posting if posts else Posting.skipped,
        billing=_billing(kind, posts=posts),
    )


def _billing(kind: Kind, *, posts: bool) -> Billing:
    if kind is Kind.cost:
        return Billing.non_billable
    return Billing.unbilled if posts else Billing.ready


def _description(judged: Judged) -> str:
    """Return what the customer may read: the PSA's own note may be anything, so its length and signs are bounded."""
    entry = judged.entry
    said = " ".join((entry.description or "").translate(CONTROL).split())
    about = said or entry.task_name or judged.project.name
    return about[:LONGEST_TEXT]


def document_of(fact: Fact, reversed_key: str | None = None) -> NewBillableTransaction:
    """Return what the ERP is sent; `reversed_key` is the key of the fact that it takes back."""
    who = f"{fact.work_date} {fact.resource_name or ''}".strip()
    return NewBillableTransaction(
        business_key=fact.business_key,
        legal_entity=fact.legal_entity,
        kind=TransactionKind(fact.kind.value),
        project_id=fact.erp_project_id,
        date=fact.accounting_date,
        net=Money(amount=fact.net, currency=fact.currency),
        debit_account=fact.debit_account,
        credit_account=fact.credit_account,
        description=f"{who}: {fact.description}".translate(CONTROL)[:LONGEST_TEXT],
        reverses=reversed_key or UNSET,
    )


def same_posting(one: Fact, other: Fact) -> bool:
    """Tell whether both would be posted and invoiced alike, so that what was not posted can be sent again as it is."""
    invoiced = all(getattr(one, name) == getattr(other, name) for name in INVOICED)
    return invoiced and document_of(one) == document_of(other)


class Line(Struct, frozen=True, array_like=True):
    """One fact of a call, as short as it can be: a run keeps all of them. What else is posted stands in the fact."""

    key: str
    project_id: str
    date: date_type
    amount: str


class ToPost(Struct, frozen=True, kw_only=True):
    """A fact that is to be posted, as far as the guard compares it with what the ERP has."""

    business_key: str
    legal_entity: str
    project_id: str
    date: date_type
    net: Money


class Group(Struct, frozen=True, kw_only=True):
    """What goes to an ERP in one call: of one entity, currency and period, an entry's facts together."""

    erp: str
    legal_entity: str
    currency: str
    lines: list[Line]
    in_doubt: bool = False
    """Whether an earlier run has left it: nobody knows yet what came of it, and nothing else waits for it."""

    @property
    def to_post(self) -> list[ToPost]:
        """Return the facts of the call."""
        return [
            ToPost(
                business_key=line.key,
                legal_entity=self.legal_entity,
                project_id=line.project_id,
                date=line.date,
                net=Money(amount=line.amount, currency=self.currency),
            )
            for line in self.lines
        ]


def groups_of(facts: Sequence[Fact], batch_size: Callable[[str], int], period_of: Callable[[Fact], str]) -> list[Group]:
    """Return the calls in which the facts are posted; those of which nobody knows come last, among themselves."""
    kinds: dict[tuple[bool, str, str, str, str], dict[tuple[str, int], list[Fact]]] = {}
    for fact in sorted(facts, key=_is_in_doubt):
        kind = (_is_in_doubt(fact), fact.erp, fact.legal_entity, fact.currency, period_of(fact))
        kinds.setdefault(kind, {}).setdefault((fact.source_id, fact.revision), []).append(fact)
    return [
        Group(
            erp=erp,
            legal_entity=entity,
            currency=currency,
            lines=[Line(fact.business_key, fact.erp_project_id, fact.accounting_date, fact.net) for fact in call],
            in_doubt=in_doubt,
        )
        for (in_doubt, erp, entity, currency, _), sources in kinds.items()
        for call in _calls(list(sources.values()), batch_size(erp))
    ]


def _is_in_doubt(fact: Fact) -> bool:
    return fact.posting is Posting.in_doubt


def _calls(sources: Sequence[Sequence[Fact]], most: int) -> list[list[Fact]]:
    """Return the facts in as few calls as they fit into; those of one source are cut only where they must be."""
    calls: list[list[Fact]] = []
    for source in sources:
        for start in range(0, len(source), most):
            some = list(source[start : start + most])
            if calls and len(calls[-1]) + len(some) <= most:
                calls[-1] += some
            else:
                calls.append(some)
    return calls
