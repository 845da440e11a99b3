"""What was agreed with a customer: a project's terms, a contract and its lines; tests change what they are about."""

from datetime import UTC, date, datetime

from msgspec.structs import replace

from process_apis.ledger.contracts import Contract, ContractLine, FundingSplit, Rate
from process_apis.ledger.projects import Terms

BY_THE_HOUR = ContractLine(
    number=1,
    description="Consulting",
    billing_method="time_and_materials",
    value=None,
    cap=None,
    rates=[Rate(role="consultant", unit="hour", rate="120.00")],
    tax_category="standard",
    item="CONSULTING",
)
FIXED = replace(BY_THE_HOUR, billing_method="fixed_price", value="3000.00", rates=[])
TERMS = Terms(
    crm="crm1",
    opportunity="0065",
    legal_entity="ES01",
    customer="cus_1",
    name="Data platform",
    project_type="delivery",
    template="delivery_standard",
    template_version=1,
    starts_on=date(2026, 1, 1),
    ends_on=date(2027, 5, 31),
    manager="ana.ruiz@example.com",
)
CONTRACT = Contract(
    business_key="con_crm1_0065",
    number="SOW-1",
    title="Data platform",
    legal_entity="ES01",
    customer="cus_1",
    project="prj_1",
    currency="EUR",
    sow_version=1,
    signed_at=datetime(2026, 1, 1, tzinfo=UTC),
    document_sha256="0" * 64,
    payment_terms="net_30",
    po_number=None,
    po_limit=None,
    po_valid_to=None,
    lines=[BY_THE_HOUR],
    splits=[FundingSplit(account="4711", percent="100")],
)
