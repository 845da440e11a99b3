"""What is planted of the owner's on the path of money: in the systems, and what processes have made of it here.

Time, postings, invoices and what is shown of them; a contract, facts, a hold, a release, a recall.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from gateway.caller import INSTALLATION
from process_apis.ledger import projects
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, entry_id, write_entries
from process_apis.ledger.facts import Billing, Fact, Kind
from process_apis.ledger.requests import RequestState
from tests.e2e.product import Product
from tests.fakes.erp import FakeErp
from tests.fakes.psa import FakePsa
from tests.workflows import money_stage
from tests.workflows.held import asked_for, held_request

BOOKS, DELIVERY = "/system/books/erp/v1", "/system/delivery/psa/v1"
TRANSFER, HOLDS = "/process/time-transfer/v1", "/process/billing-holds/v1"
RELEASE = "/process/invoice-release/v1"
COST: Final = "38.77"
"""What the work cost: in no answer but to those who may read it."""
APPROVER: Final = "chloe.martin@example.com"
AS_IN_THE_ERP: Final = {"erp_net": "120.00", "erp_tax": "25.20", "erp_gross": "145.20", "balance": "145.20"}
EUROS: Final = {"amount": "60.00", "currency": "EUR"}
ON: Final = "2026-11-20"

Make = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class Money:
    """Plants it through the product, and in the systems where only people do it."""

    def __init__(self, product: Product, make: Make, word: str) -> None:
        self._erp, self._psa = cast(FakeErp, product.parts.erps["books"]), cast(FakePsa, product.parts.psas["delivery"])
        self._make, self._word = make, word
        self._tables = money_stage.Money(product.parts.store, prefix="planted-")

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
        planted = ids | keys | invoices | await self._shown(ids["psa_project"], number)
        return planted | await self._here(planted)

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
        free, entry = (
            self._psa.book_time(project_id, minutes, approved=True, description=self._word) for minutes in (20, 90)
        )
        word = {"entry_id": entry.id, "state": "rejected", "reason": self._word}
        await self._make(f"{DELIVERY}/time-feedback", {"feedback": [word]})
        key = f"note_{self._word}_{number}"
        await self._make(f"{project}/billing-notes", {"business_key": key, "text": self._word})
        self._psa.flag(project_id, held=True, note=self._word)
        return {"free_entry": free.id, "time_entry": entry.id, "note_key": key}

    async def _here(self, ids: dict[str, str]) -> dict[str, str]:
        """Write down what a transfer and a release would have; then ask for what callers ask for."""
        await projects.change_project(self._tables.store, ids["project"], state=projects.ACTIVE)
        (project,) = (await projects.projects_by_id(self._tables.store, INSTALLATION, [ids["project"]])).values()
        contract = await self._tables.contract(project, account=ids["opportunity"], item="CONS-H")
        billed = await self._delivered(contract, ids, ids["time_entry"])
        free = await self._delivered(contract, ids, ids["free_entry"])
        unusual = await self._tables.unusual(contract, [free])
        number = f"N-{billed.source_id}"
        invoice = {"invoice_number": number, "invoice_id": ids["paid_invoice"], **AS_IN_THE_ERP}
        await self._tables.request(contract, [billed], RequestState.posted, **invoice)
        planted = {"contract": contract.id, "sale": billed.id, "number": number, "request": unusual.id}
        planted |= await self._asked_for(ids, contract.id)
        return planted | await self._overridden(contract, billed, planted["hold"])

    async def _overridden(self, contract: SignedContract, fact: Fact, hold: str) -> dict[str, str]:
        """Have two requests stopped by the hold; a colleague has asked that one of them may pass."""
        held, asked = [await held_request(self._tables, contract, fact, hold) for _ in range(2)]
        override = await asked_for(self._tables.store, hold, asked.business_key, self._word)
        return {"held_key": held.business_key, "override": override.id}

    async def _delivered(self, contract: SignedContract, ids: dict[str, str], entry: str) -> Fact:
        """Write down time as it was taken over, with what it cost and brought; return the sale."""
        key, store = f"tb_delivery_{entry}_r1", self._tables.store
        words = {"source_id": entry, "pair_id": key, "description": self._word, "resource_name": self._word}
        cost = {"kind": Kind.cost, "business_key": f"{key}_cost", "billing": Billing.non_billable, "net": COST}
        await self._tables.fact(contract, **words | cost)
        async with store.begin() as connection:
            await write_entries(connection, store, [self._taken_over(ids, entry)])
        return await self._tables.fact(contract, **words, business_key=f"{key}_sale")

    async def _asked_for(self, ids: dict[str, str], contract: str) -> dict[str, str]:
        asked = {
            "hold": (f"{HOLDS}/holds", hold_on(ids, self._word)),
            "release": (f"{RELEASE}/releases", release_of(ids) | {"note": self._word}),
            "recall": (f"{TRANSFER}/recalls", recall_of(ids) | {"reason": self._word}),
            "run": (f"{TRANSFER}/runs", {"connection": "delivery"}),
        }
        made = {name: (await self._make(path, body))["id"] for name, (path, body) in asked.items()}
        return made | {"milestone": f"{contract}-2-1"}

    def _taken_over(self, ids: dict[str, str], entry: str) -> TimeEntry:
        theirs, now = self._psa.entry(entry), self._tables.store.now()
        return TimeEntry(
            id=entry_id(self._tables.store),
            psa="delivery",
            external_id=theirs.id,
            revision=1,
            content_sha256="0" * 64,
            psa_project_id=theirs.project_id,
            legal_entity="ES01",
            customer=ids["customer"],
            project=ids["project"],
            resource_id=theirs.resource_id,
            resource_email=theirs.resource_email,
            resource_name=theirs.resource_name,
            task_id=None,
            task_name=None,
            work_date=theirs.work_date,
            minutes=theirs.minutes,
            hours=theirs.hours,
            billable=None,
            description=theirs.description,
            approved_by=APPROVER,
            approved_at=now,
            source_updated_at=now,
            approval=Approval.approved,
            transfer=Transfer.posted,
            first_approved_at=now,
        )


def hold_on(ids: dict[str, str], word: str) -> dict[str, Any]:
    """Return a hold on the owner's project, as it is placed."""
    return {"scope": {"type": "project", "id": ids["project"]}, "reason_code": "dispute", "note": word}


def release_of(ids: dict[str, str]) -> dict[str, Any]:
    """Return what releases the owner's project."""
    return {"legal_entity": "ES01", "projects": [ids["project"]], "through": "2026-11-30"}


def recall_of(ids: dict[str, str]) -> dict[str, Any]:
    """Return what takes the owner's time back."""
    return {"connection": "delivery", "entry_id": ids["free_entry"], "reason": "Wrong task."}


def bodies_of_money(money: Money, ids: dict[str, str], number: int, word: str) -> dict[str, Any]:
    """Return a body for each operation that takes one."""
    return {
        "facts": {"transactions": [money.fact(ids, f"tb_{word}_{number}_fresh")]},
        "invoice": money.invoice(ids, f"inv_{word}_{number}_fresh"),
        "feedback": {"feedback": [{"entry_id": ids["time_entry"], "state": "ignored"}]},
        "note": {"business_key": f"fresh_{number}", "text": f"{word} fresh"},
        "flag": {"held": False, "note": f"{word} lifted"},
        "run": {"connection": "delivery"},
        "recall": recall_of(ids),
        "release": release_of(ids),
        "hold": hold_on(ids, word) | {"reference": f"{word}-{number}"},
        "lift": {"reason": "Answered."},
        "override": {"business_key": ids["held_key"], "reason": word},
        "approval": {"achieved_on": ON, "evidence": word},
        "request_approval": {"reason": word},
    }
