"""What money left in the systems' own books, read past our connectors, and in our own tables beside them."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Select, func, select

from examples.demo.books import Record, Tryton
from gateway.store.database import Store
from gateway.store.inbox import tb_inbox
from gateway.store.locks import tb_lock
from gateway.store.work_items import tb_work_item
from gateway.store.write_intents import tb_write_intent
from openapi.common.types import Outcome
from process_apis.ledger.entries import tb_time_entry
from process_apis.ledger.facts import tb_fact
from process_apis.ledger.hold_flags import tb_hold_ack
from process_apis.ledger.holds import tb_billing_hold
from process_apis.ledger.requests import tb_invoice_request, tb_invoice_request_fact
from process_apis.ledger.schedules import tb_schedule_line
from tests.faults.killing_money import Job

Found = dict[str, Any]
NAMES: Final = {"1.4.2": "accrued income", "4.2.2": "revenue", "5.1.3": "cost of work"}


class MoneyBooks:
    """Both databases of a Tryton, as their administrator sees them."""

    def __init__(self, erp: Tryton, psa: Tryton) -> None:
        self._erp, self._psa = erp, psa

    def found(self, job: Job, entries: Sequence[str]) -> Found:
        """Return all that there is of a project's money."""
        return {
            "postings": [self._postings(entry) for entry in entries],
            "invoices": self.invoices(job),
            "balances": self._balances(job),
            "told of entries": [self._told(f"timesheet.line,{entry}") for entry in entries],
            **self._delivery(job),
        }

    def invoices(self, job: Job) -> list[str]:
        """Return each invoice of the contract, cancelled ones too: state, net, tax and gross."""
        ours = ["reference", "like", f"inv_ES01_{job.contract.removeprefix('con_')}_%"]
        fields = ("untaxed_amount", "tax_amount", "total_amount")
        found = self._erp.find("account.invoice", [ours], "state", *fields)
        return [" ".join([one["state"], *(_text(_decimal(one[name])) for name in fields)]) for one in found]

    def numbers(self, job: Job) -> list[str]:
        """Return the number of each invoice of the contract."""
        ours = ["reference", "like", f"inv_ES01_{job.contract.removeprefix('con_')}_%"]
        return [str(one["number"]) for one in self._erp.find("account.invoice", [ours], "number")]

    def _postings(self, entry: str) -> list[str]:
        """Return each posting of an entry: what it is, its state, the account that is debited, and the amount."""
        start = f"tb_delivery_{entry}_"
        fields = ("description", "state", "lines.account.code", "lines.debit")
        found = self._erp.find("account.move", [["description", "like", f"{start}%"]], *fields)
        return sorted(f"{one['description'].removeprefix(start)} {one['state']} {_debited(one)}" for one in found)

    def _balances(self, job: Job) -> dict[str, str]:
        """Return what the posted moves of the project come to, by account."""
        ours = ["lines.analytic_lines.account.code", "=", job.code]
        fields = ("lines.account.code", "lines.debit", "lines.credit")
        sums: defaultdict[str, Decimal] = defaultdict(Decimal)
        for move in self._erp.find("account.move", [ours, ["state", "=", "posted"]], *fields):
            for line in move["lines."]:
                sums[line["account."]["code"]] += _decimal(line["debit"]) - _decimal(line["credit"])
        return {name: _text(sums[account]) for account, name in NAMES.items()}

    def _delivery(self, job: Job) -> Found:
        project = [["type", "=", "project"], ["name", "like", f"{job.code} %"]]
        (found,) = self._psa.find("project.work", project, "status.name")
        told = self._told(f"project.work,{found['id']}")
        return {"told of the project": told, "shown as": found["status."]["name"]}

    def _told(self, resource: str) -> list[str]:
        """Return what the notes of ours say in a word, the oldest first; each billing note has a key of its own."""
        notes = self._psa.find("ir.note", [["resource", "=", resource]], "message")
        heads = [note["message"].splitlines()[0].removeprefix("tiebeam ") for note in notes]
        return [head.partition(":")[0] if head.startswith("billing: ") else head for head in heads]


async def kept(store: Store, job: Job, entries: Sequence[str]) -> Found:
    """Return what our own tables say of the same; and what must not be left of any process at all."""
    entry, fact, request, hold = tb_time_entry.c, tb_fact.c, tb_invoice_request.c, tb_billing_hold.c
    mine = entry.external_id.in_(entries)
    on, part, ack = tb_invoice_request_fact.c, tb_schedule_line.c, tb_hold_ack.c
    live: Select[Any] = select(func.count(), func.count(fact.id.distinct())).join(tb_fact, fact.id == on.fact_id)
    uncertain = tb_write_intent.c.outcome == Outcome.uncertain.value
    asked: dict[str, Select[Any]] = {
        "entries": select(entry.approval, entry.transfer).where(mine).order_by(entry.external_id),
        "facts": select(fact.kind, fact.adjustment, fact.posting, fact.billing, fact.net)
        .where(fact.contract == job.contract)
        .order_by(fact.kind, fact.adjustment, fact.net),
        "requests": select(request.state, request.outcome).where(request.contract == job.contract),
        "facts on requests": live.where(on.live, fact.contract == job.contract),
        "milestones": select(part.state).where(part.contract_id == job.contract).order_by(part.line_number, part.place),
        "holds": select(hold.state, hold.pushes - hold.pushed).where(hold.project == job.id),
        "shown": select(ack.connection, ack.state, ack.held).where(ack.project == job.id).order_by(ack.connection),
        "work items": select(tb_work_item.c.code).where(
            tb_work_item.c.project == job.id, tb_work_item.c.resolved_at.is_(None)
        ),
        "unknown writes": select(func.count()).select_from(tb_write_intent).where(uncertain),
        "inbox": select(func.count()).select_from(tb_inbox).where(tb_inbox.c.settled_at.is_(None)),
        "locks": select(func.count()).select_from(tb_lock),
    }
    async with store.begin() as connection:
        rows = {name: (await connection.execute(query)).all() for name, query in asked.items()}
    return {name: [" ".join(map(str, row)) for row in found] for name, found in rows.items()}


def _debited(move: Record) -> str:
    lines = [(line["account."]["code"], _decimal(line["debit"])) for line in move["lines."]]
    return " ".join(f"{account} {_text(debit)}" for account, debit in lines if debit)


def _decimal(value: Record) -> Decimal:
    return Decimal(value["decimal"])


def _text(amount: Decimal) -> str:
    return f"{amount:.2f}"
