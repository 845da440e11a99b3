"""The statements of work that are signed in the story."""

import datetime as dt
from typing import Any

Document = dict[str, Any]

HARBOUR: Document = {
    "account": "A-1001",
    "name": "Harbour Analytics",
    "legal_name": "Harbour Analytics S.L.",
    "country": "ES",
    "tax_id": "ESB58818501",
    "billing_address": {"street": "Gran Via 1", "postal_code": "28013", "city": "Madrid", "country": "ES"},
}
ALDER: Document = {
    "account": "A-2002",
    "name": "Alder Foods",
    "legal_name": "Alder Foods",
    "country": "ES",
    "tax_id": "ESA08000143",
    "billing_address": {"street": "1 Market Street", "postal_code": "10001", "city": "Valencia", "country": "ES"},
}


def first_of_month(months: int, today: dt.date | None = None) -> dt.date:
    """Return the first day of the month that is so many months from this one: the story is told in any year."""
    now = today or dt.datetime.now(dt.UTC).date()
    years, month = divmod(now.month - 1 + months, 12)
    return dt.date(now.year + years, month + 1, 1)


def last_month() -> tuple[dt.date, dt.date]:
    """Return the first and the last day of the month before this one, in which the story's work is done."""
    return first_of_month(-1), first_of_month(0) - dt.timedelta(days=1)


def euros(amount: str) -> Document:
    """Return an amount of money as the contracts write it."""
    return {"amount": amount, "currency": "EUR"}


def statement_of_work(opportunity: str, customer: Document, name: str, department: str) -> Document:
    """Return a signed statement of work: a fixed price in two milestones, and support by the hour up to a cap."""
    start, milestone_due = last_month()
    end = first_of_month(7) - dt.timedelta(days=1)
    return {
        "legal_entity": "ES01",
        "currency": "EUR",
        "opportunity": {"crm": "northstar", "id": opportunity, "url": f"https://crm.example.com/{opportunity}"},
        "customer": customer,
        "statement_of_work": {
            "number": f"SOW-{opportunity}",
            "version": 1,
            "title": name,
            "signed_at": f"{start - dt.timedelta(days=11)}T16:30:00Z",
            "document_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        },
        "project": {
            "name": name,
            "type": "delivery",
            "template": "delivery_standard",
            "start": str(start),
            "end": str(end),
            "manager": "ana.ruiz@example.com",
            "dimensions": [{"type": "department", "code": department}],
        },
        "lines": [
            {
                "number": 1,
                "description": "Design and build",
                "billing_method": "fixed_price",
                "value": euros("48000.00"),
                "tax_category": "standard",
                "item": "CONS-H",
                "schedule": [
                    {"due_on": str(milestone_due), "amount": euros("18000.00"), "milestone": "Design accepted"},
                    {"due_on": str(end), "amount": euros("30000.00"), "milestone": "Platform in use"},
                ],
            },
            {
                "number": 2,
                "description": "Support by the hour",
                "billing_method": "time_and_materials",
                "rates": [
                    {"role": "consultant", "unit": "hour", "rate": "120.00"},
                    {"role": "lead", "unit": "hour", "rate": "185.00"},
                ],
                "cap": euros("12000.00"),
                "tax_category": "standard",
                "item": "CONS-H",
            },
        ],
        "payment_terms": "net_30",
        "purchase_order": {"number": "PO-7781"},
    }


def full_of_mistakes() -> Document:
    """Return a statement of work in which nearly everything is wrong, schema by schema."""
    wrong = statement_of_work("0099", dict(HARBOUR), "Wrong in many ways", "CONS")
    wrong["currency"] = "euro"
    wrong["customer"] = {**wrong["customer"], "country": "Spain", "vip": True}
    wrong["lines"][0] = {**wrong["lines"][0], "value": {"amount": 48000.0, "currency": "EUR"}}
    wrong["project"] = {key: value for key, value in wrong["project"].items() if key != "manager"}
    return wrong
