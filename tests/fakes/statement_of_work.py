"""A signed statement of work that breaks no rule; tests change what they are about."""

from collections.abc import Mapping
from typing import Any

import msgspec

from openapi.process.project_onboarding.v1 import NewOnboarding
from process_apis.ledger.entities import LegalEntity
from process_apis.project_onboarding.templates import ProjectTemplate, TemplateMilestone, TemplateTask

Document = dict[str, Any]

ES01 = LegalEntity(
    code="ES01",
    name="Meridian Services",
    currency="EUR",
    country="ES",
    time_zone="Europe/Madrid",
    code_pattern="P-{number:04}",
    rounding="half_up",
    tax_basis="per_rate_group",
    period_policy="reject",
)
DE01 = LegalEntity(
    code="DE01",
    name="Meridian Deutschland",
    currency="EUR",
    country="DE",
    time_zone="Europe/Berlin",
    code_pattern="DE-{number}",
    rounding="half_up",
    tax_basis="per_rate_group",
    period_policy="reject",
)
TEMPLATE = ProjectTemplate(
    code="delivery_standard",
    version=1,
    name="Delivery, standard",
    project_type="delivery",
    required_dimensions=("department",),
    tasks=(
        TemplateTask(code="discovery", name="Discovery", planned_hours="16"),
        TemplateTask(code="delivery", name="Delivery", tasks=(TemplateTask(code="build", name="Build"),)),
    ),
    milestones=(TemplateMilestone(code="kick-off", name="Kick-off", days_after_start=0),),
)


def euros(amount: str) -> Document:
    return {"amount": amount, "currency": "EUR"}


def document(**changes: object) -> Document:
    """Return the statement of work as JSON; `project__code="P-1"` stands for a field of `project`."""
    whole: Document = {
        "legal_entity": "ES01",
        "currency": "EUR",
        "opportunity": {"crm": "crm1", "id": "0065"},
        "customer": {
            "account": "4711",
            "name": "Alder Foods",
            "legal_name": "Alder Foods S.A.",
            "country": "ES",
            "tax_id": "ESA08000143",
            "billing_address": {
                "street": "1 Market Street",
                "postal_code": "46001",
                "city": "Valencia",
                "country": "ES",
            },
        },
        "statement_of_work": {
            "number": "SOW-2026-118",
            "version": 1,
            "title": "Data platform",
            "signed_at": "2026-11-20T16:30:00Z",
            "document_sha256": "9f" * 32,
        },
        "project": {
            "name": "Data platform",
            "type": "delivery",
            "template": "delivery_standard",
            "start": "2026-12-01",
            "end": "2027-05-31",
            "manager": "ana.ruiz@example.com",
            "dimensions": [{"type": "department", "code": "DATA"}],
        },
        "lines": [fixed_price(), by_the_hour()],
        "payment_terms": "net_30",
        "purchase_order": {"number": "PO-7781"},
    }
    for path, value in changes.items():
        *sections, field = path.split("__")
        target = whole
        for section in sections:
            target = target[section]
        if value is None:
            target.pop(field, None)
        else:
            target[field] = value
    return whole


def fixed_price(**changes: object) -> Document:
    """Return a line of 48,000.00 in two milestones."""
    return {
        "number": 1,
        "description": "Design and build",
        "billing_method": "fixed_price",
        "value": euros("48000.00"),
        "tax_category": "standard",
        "item": "CONSULTING",
        "schedule": [
            {"due_on": "2027-01-31", "amount": euros("18000.00"), "milestone": "Design accepted"},
            {"due_on": "2027-05-31", "amount": euros("30000.00"), "milestone": "Platform in use"},
        ],
    } | changes


def by_the_hour(**changes: object) -> Document:
    """Return a line of time and materials with a cap."""
    return {
        "number": 2,
        "description": "Support by the hour",
        "billing_method": "time_and_materials",
        "rates": [{"role": "consultant", "unit": "hour", "rate": "120.00"}],
        "cap": euros("12000.00"),
        "tax_category": "standard",
        "item": "CONSULTING",
    } | changes


def decoded(whole: Mapping[str, Any]) -> NewOnboarding:
    """Return the document as handlers get it."""
    return msgspec.convert(whole, NewOnboarding)


def signed(**changes: object) -> NewOnboarding:
    """Return the statement of work as handlers get it, changed as `document` says."""
    return decoded(document(**changes))
