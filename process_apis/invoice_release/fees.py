"""The fee of a part of a price, as facts: one for each payer. It is not posted before its invoice. Pure."""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from openapi.decimals import text_of
from process_apis.invoice_release.pricing import Pricing
from process_apis.ledger.facts import Adjustment, Billing, Fact, Kind, Posting, SourceType
from process_apis.ledger.keys import business_key
from process_apis.ledger.money import PLACES, split
from process_apis.ledger.payers import Payer
from process_apis.ledger.schedules import PLANNED, SchedulePart

GATEWAY: Final = "gateway"
"""The source of what the gateway itself keeps."""


def is_due(part: SchedulePart, through: date) -> bool:
    """Tell whether the part is billed on its day, and that has come: nobody has to approve it."""
    return part.milestone is None and part.state == PLANNED and part.due_on <= through


def fee_facts(
    part: SchedulePart,
    payers: Sequence[Payer],
    pricing_of: Callable[[Payer], Pricing],
    *,
    erp: str,
    erp_project_id: str,
    achieved_on: date,
    new_id: Callable[[], str],
) -> list[Fact]:
    """Return the facts, which sum to the part's amount to the last unit; raises Refused where a mapping is missing."""
    contract = pricing_of(payers[0]).contract
    places = PLACES[contract.currency]
    amounts = split(Decimal(part.amount), [payer.percent for payer in payers], places)
    return [
        _fact(part, payer, amount, pricing_of(payer), (erp, erp_project_id), achieved_on, new_id())
        for payer, amount in zip(payers, amounts, strict=True)
    ]


def _fact(
    part: SchedulePart,
    payer: Payer,
    amount: Decimal,
    pricing: Pricing,
    ledger: tuple[str, str],
    day: date,
    new_id: str,
) -> Fact:
    contract, entity = pricing.contract, pricing.entity
    line = contract.line(part.line_number)
    net = text_of(amount, PLACES[contract.currency])
    account = pricing.mappings.revenue_account(entity.code, line.item, pricing.project_type, day)
    tax = pricing.mappings.tax(
        entity.code, line.tax_category, home=entity.country, customer_country=payer.country, day=day
    )
    place = part.id.removeprefix("con_")
    return Fact(
        id=new_id,
        business_key=business_key("tb", GATEWAY, place, "r1", "fee", *([payer.account] if payer.share else [])),
        kind=Kind.fee,
        source_type=SourceType.milestone,
        source_instance=GATEWAY,
        source_id=part.id,
        revision=1,
        pair_id=business_key("tb", GATEWAY, place, "r1"),
        adjustment=Adjustment.original,
        reverses=None,
        legal_entity=entity.code,
        customer=payer.customer,
        project=contract.project,
        erp=ledger[0],
        erp_project_id=ledger[1],
        contract=contract.id,
        contract_version=contract.contract_version,
        contract_line=line.number,
        split_percent=payer.share,
        resource=None,
        resource_name=None,
        role=None,
        task_name=None,
        item=line.item,
        description=part.milestone or line.description,
        work_date=day,
        accounting_date=day,
        minutes=None,
        quantity="1",
        unit="each",
        rate=net,
        net=net,
        currency=contract.currency,
        contract_net=net,
        contract_currency=contract.currency,
        functional_net=net,
        functional_currency=entity.currency,
        fx_rate="1",
        tax_category=line.tax_category,
        tax_code=tax.tax_code,
        tax_percent=tax.percent,
        # It is posted by its invoice alone, so that there is no accrued income on the other side.
        debit_account=account,
        credit_account=account,
        revenue_account=account,
        mapping_digest=pricing.mappings.digest,
        posting=Posting.skipped,
        billing=Billing.ready,
    )
