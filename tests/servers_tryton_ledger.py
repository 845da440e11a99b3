"""What money leaves in Tryton's books, and what people at a desk do to it: read and done round the connector."""

from datetime import date
from decimal import Decimal
from typing import Any

from system_apis.conformance.target import LedgerLine
from tests.servers_tryton import TrytonErpBooks, tryton_day

MOVE = "account.move"
INVOICE = "account.invoice"


class TrytonLedger(TrytonErpBooks):
    """What the suites of postings and invoices ask an ERP's books for."""

    async def count_transactions(self, business_key: str) -> int:
        """Return how many moves have the key as their description, drafts included."""
        return len(await self.admin.find(MOVE, [["description", "=", business_key]]))

    async def ledger_lines(self, business_key: str) -> list[LedgerLine]:
        """Return the lines of the one move that has the key as its description."""
        fields = ("lines.account.code", "lines.debit", "lines.credit", "lines.analytic_lines.account")
        (move,) = await self.admin.find(MOVE, [["description", "=", business_key]], *fields)
        return sorted(map(ledger_line, move["lines."]))

    async def origin_of(self, business_key: str) -> str | None:
        """Return what the move says that it comes from: the description of another one."""
        (move,) = await self.admin.find(MOVE, [["description", "=", business_key]], "origin")
        if move["origin"] is None:
            return None
        (original,) = await self.admin.find(MOVE, [["id", "=", int(move["origin"].partition(",")[2])]], "description")
        return str(original["description"])

    async def plant_transaction(self, business_key: str) -> bool:
        """Make one more move with the key, without lines."""
        values = await self.move_of(business_key, date.today())  # noqa: DTZ011 - as Tryton has it
        return await self.admin.tries(MOVE, "create", [values])

    async def move_of(self, business_key: str, day: date) -> dict[str, Any]:
        """Return the head of a move in the journal of facts."""
        (journal,) = await self.admin.find("account.journal", [["code", "=", "FACT"]])
        head = {"journal": journal["id"], "period": await self._period(day), "date": tryton_day(day)}
        return {**head, "description": business_key, "company": self._company}

    async def count_invoices(self, business_key: str) -> int:
        """Return how many invoices have the key as their reference, cancelled ones left out."""
        return len(await self.admin.find(INVOICE, [["reference", "=", business_key], ["state", "!=", "cancelled"]]))

    async def plant_invoice(self, business_key: str, customer_id: str) -> bool:
        """Make one more draft with the key."""
        party = int(customer_id)
        defaults: Any = await self.admin.do(INVOICE, "on_change_party", {"party": party, "type": "out", "company": 1})
        head = {name: defaults[name] for name in ("account", "invoice_address")}
        values = {"type": "out", "party": party, "company": self._company, "reference": business_key, **head}
        return await self.admin.tries(INVOICE, "create", [values])

    async def touch_invoice(self, invoice_id: str) -> None:
        """Set the invoice back to draft, raise its first price by one, and validate it again."""
        ids = [int(invoice_id)]
        (line, *_) = await self.admin.find("account.invoice.line", [["invoice", "in", ids]], "unit_price")
        price = Decimal(line["unit_price"]["decimal"]) + 1
        await self.admin.do(INVOICE, "draft", ids)
        await self.admin.do("account.invoice.line", "write", [line["id"]], {"unit_price": tryton_decimal(price)})
        await self.admin.do(INVOICE, "validate_invoice", ids)

    async def pay(self, invoice_id: str, amount: str, on: date) -> None:
        """Post cash for the customer, and add the customer's line to what pays the invoice."""
        (invoice,) = await self.admin.find(INVOICE, [["id", "=", int(invoice_id)]], "account", "party")
        (cash,) = await self.admin.find("account.account", [["code", "=", "1.1.1"]])
        (journal,) = await self.admin.find("account.journal", [["code", "=", "CASH"]])
        nothing, paid = tryton_decimal(Decimal(0)), tryton_decimal(Decimal(amount))
        lines = [
            {"account": cash["id"], "debit": paid, "credit": nothing},
            {"account": invoice["account"], "party": invoice["party"], "debit": nothing, "credit": paid},
        ]
        head = {"journal": journal["id"], "period": await self._period(on), "date": tryton_day(on)}
        created: Any = await self.admin.do(MOVE, "create", [{**head, "lines": [["create", lines]]}])
        await self.admin.do(MOVE, "post", created)
        line = [["move", "in", created], ["account", "=", invoice["account"]]]
        (credit,) = await self.admin.find("account.move.line", line)
        await self.admin.do(INVOICE, "write", [int(invoice_id)], {"payment_lines": [["add", [credit["id"]]]]})

    async def close_period(self, day: date) -> None:
        """Close the period that the day falls into."""
        await self.admin.do("account.period", "close", [await self._period(day)])

    async def open_period(self, day: date) -> None:
        """Open it again."""
        await self.admin.do("account.period", "reopen", [await self._period(day)])

    async def _period(self, day: date) -> int:
        domain = [["start_date", "<=", tryton_day(day)], ["end_date", ">=", tryton_day(day)], ["type", "=", "standard"]]
        (period,) = await self.admin.find("account.period", domain)
        return int(period["id"])


def ledger_line(line: dict[str, Any]) -> LedgerLine:
    """Return a line of a move as the suite compares it."""
    projects = [analytic["account"] for analytic in line["analytic_lines."]]
    return LedgerLine(
        account=line["account."]["code"],
        debit=Decimal(line["debit"]["decimal"]),
        credit=Decimal(line["credit"]["decimal"]),
        project_id=str(projects[0]) if projects else None,
    )


def tryton_decimal(value: Decimal) -> dict[str, Any]:
    """Return a number as Tryton takes it."""
    return {"__class__": "Decimal", "decimal": str(value)}
