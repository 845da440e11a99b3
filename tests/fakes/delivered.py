"""An hour of work as a fact that is ready to be billed; tests change what they are about."""

from datetime import date

from msgspec.structs import replace

from process_apis.ledger.facts import Adjustment, Billing, Fact, Kind, Posting, SourceType

HOUR = Fact(
    id="fct_1",
    business_key="tb_delivery_1_r1_sale",
    kind=Kind.sale,
    source_type=SourceType.time_entry,
    source_instance="delivery",
    source_id="1",
    revision=1,
    pair_id="tb_delivery_1_r1",
    adjustment=Adjustment.original,
    reverses=None,
    legal_entity="ES01",
    customer="cus_1",
    project="prj_1",
    erp="books",
    erp_project_id="1",
    contract="con_1",
    contract_version=1,
    contract_line=1,
    split_percent=None,
    resource="1",
    resource_name="Ana Ruiz",
    role="consultant",
    task_name="Build",
    item="CONS-H",
    description="Wrote the loader",
    work_date=date(2026, 11, 3),
    accounting_date=date(2026, 11, 3),
    minutes=60,
    quantity="1",
    unit="hour",
    rate="120.00",
    net="120.00",
    currency="EUR",
    contract_net="120.00",
    contract_currency="EUR",
    functional_net="120.00",
    functional_currency="EUR",
    fx_rate="1",
    tax_category="standard",
    tax_code="VAT 21%",
    tax_percent="21",
    debit_account="1.4.2",
    credit_account="4.2.2",
    revenue_account="4.2.2",
    mapping_digest="0" * 64,
    posting=Posting.posted,
    billing=Billing.ready,
)


def fact(number: int, **changed: object) -> Fact:
    """Return an hour with a number of its own, changed; its other amounts follow its net."""
    net = changed.get("net", HOUR.net)
    amounts = {"contract_net": net, "functional_net": net}
    own = {"id": f"fct_{number}", "business_key": f"tb_delivery_{number}_r1_sale", "source_id": str(number)}
    return replace(HOUR, **(own | amounts | changed))
