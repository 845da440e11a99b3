"""What is planted of the owner's on the path of money: time, postings, invoices, and what is shown of them."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from tests.e2e.product import Product
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa

BOOKS, DELIVERY = "/system/books/erp/v1", "/system/delivery/psa/v1"
EUROS: Final = {"amount": "60.00", "currency": "EUR"}
ON: Final = "2026-11-20"

Make = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class Money:
    """Plants it through the product, and in the systems where only people do it."""

    def __init__(self, product: Product, make: Make, word: str) -> None:
        self._erp, self._psa = cast(FakeErp, product.parts.erps["books"]), cast(FakePsa, product.parts.psas["delivery"])
        self._make, self._word = make, word

    async def plant(self, ids: dict[str, str], number: int) -> dict[str, str]:
        """Return the ids of what is planted on the owner's projects."""
        await self._make(f"{BOOKS}/accounting-projects/{ids['erp_project']}/activate", {})
        fact = self.fact(ids, f"tb_{self._word}_{number}")
        await self._make(f"{BOOKS}/billable-transactions", {"transactions": [fact]})
        draft = await self._invoice(ids, f"inv_{self._word}_{number}")
        paid = await self._invoice(ids, f"inv_{self._word}_{number}_paid")
        await self._erp.post_invoice(paid["id"], paid["version"])
        for amount in ("10.00", "20.00"):
            self._erp.pay(paid["id"], amount)
        invoices = {"invoice": draft["id"], "invoice_version": draft["version"], "paid_invoice": paid["id"]}
        keys = {"fact_key": fact["business_key"], "invoice_key": draft["business_key"]}
        return keys | invoices | await self._shown(ids["psa_project"], number)

    def fact(self, ids: dict[str, str], key: str) -> dict[str, Any]:
        """Return a fact on the owner's project, as it is posted."""
        return {
            "business_key": key,
            "legal_entity": "ES01",
            "kind": "unbilled_sale",
            "project_id": ids["erp_project"],
            "date": ON,
            "net": EUROS,
            "debit_account": "1.4.2",
            "credit_account": "4.2.2",
            "description": self._word,
        }

    def invoice(self, ids: dict[str, str], key: str) -> dict[str, Any]:
        """Return an invoice of the owner's, as it is created."""
        line = {
            "business_key": f"{key}_1",
            "description": self._word,
            "net": EUROS,
            "account": "4.2.2",
            "tax_code": "VAT 21%",
            "project_id": ids["erp_project"],
        }
        return {
            "business_key": key,
            "legal_entity": "ES01",
            "customer_id": ids["erp_customer"],
            "currency": "EUR",
            "accounting_date": ON,
            "lines": [line],
        }

    async def _invoice(self, ids: dict[str, str], key: str) -> dict[str, Any]:
        return await self._make(f"{BOOKS}/invoices", self.invoice(ids, key))

    async def _shown(self, project_id: str, number: int) -> dict[str, str]:
        """Put time and what is said of its billing onto the owner's project."""
        project = f"{DELIVERY}/projects/{project_id}"
        await self._make(f"{project}/open", {})
        for minutes in (20, 90):
            entry = self._psa.book_time(project_id, minutes, approved=True, description=self._word)
        word = {"entry_id": entry.id, "state": "rejected", "reason": self._word}
        await self._make(f"{DELIVERY}/time-feedback", {"feedback": [word]})
        key = f"note_{self._word}_{number}"
        await self._make(f"{project}/billing-notes", {"business_key": key, "text": self._word})
        self._psa.flag(project_id, held=True, note=self._word)
        return {"time_entry": entry.id, "note_key": key}


def bodies_of_money(money: Money, ids: dict[str, str], number: int, word: str) -> dict[str, Any]:
    """Return a body for each operation that takes one."""
    return {
        "facts": {"transactions": [money.fact(ids, f"tb_{word}_{number}_fresh")]},
        "invoice": money.invoice(ids, f"inv_{word}_{number}_fresh"),
        "feedback": {"feedback": [{"entry_id": ids["time_entry"], "state": "ignored"}]},
        "note": {"business_key": f"fresh_{number}", "text": f"{word} fresh"},
        "flag": {"held": False, "note": f"{word} lifted"},
    }
