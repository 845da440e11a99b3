"""What only a running Tryton shows of postings and invoices: on both databases, with calls that get lost on the way."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

from gateway.egress import Http
from gateway.egress.response import Response
from gateway.egress.upstreams import Upstreams
from gateway.errors import Refused, Uncertain, WriteInProgress
from openapi.common.types import Code
from openapi.system.erp.v1 import BillableTransaction, InvoiceState, NewBillableTransaction, TransactionState
from system_apis.conformance.erp_invoices import an_invoice, drafted, money
from system_apis.conformance.erp_postings import a_fact, an_active_project, code_of, lines_of, posted
from system_apis.conformance.keys import fresh
from system_apis.conformance.target import ErpTarget
from system_apis.connectors import tryton
from system_apis.connectors.tryton.erp.adapter import TrytonErp
from tests.connectors.conftest import Trytons, connection
from tests.servers_tryton import settings_of
from tests.servers_tryton_ledger import MOVE, TrytonLedger, tryton_decimal

ACCOUNTS = "account.account"


class LossyHttp:
    """The way to Tryton, on which the next call of an operation is lost, before or after its effect."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.lose: dict[str, str] = {}

    async def call(self, method: str, url: str, *, operation: str, **other: Any) -> Response:  # noqa: ANN401
        """Return the answer, where it comes."""
        where = self.lose.pop(operation, None)
        if where != "before":
            answer = await self._http.call(method, url, operation=operation, **other)
        if where is not None:
            raise Uncertain(Code.upstream_timeout_uncertain, "lost on the way")
        return answer


class Ledger(Struct, frozen=True, kw_only=True):
    """A target of the suite, and one more connection to it, which loses calls."""

    target: ErpTarget
    books: TrytonLedger
    http: LossyHttp
    port: TrytonErp


@pytest.fixture
def ledger(erp_target: ErpTarget, trytons: Trytons, upstreams: Upstreams) -> Ledger:
    """Each Tryton in turn."""
    name = erp_target.port.connection
    backend: Any = name.removeprefix("erp-")
    http = LossyHttp(upstreams.http(name))
    port = tryton.erp(connection("erp", backend), settings_of(trytons(backend), "erp"), http)
    assert isinstance(erp_target.books, TrytonLedger)
    return Ledger(target=erp_target, books=erp_target.books, http=http, port=port)


async def state_of(ledger: Ledger, key: str) -> TransactionState | None:
    """Return how far the fact's posting has got."""
    found: Mapping[str, BillableTransaction] = await ledger.port.find_billable_transactions([key])
    return found[key].state if key in found else None


@pytest.mark.parametrize(
    ("operation", "where", "state"),
    [
        ("account.move.create", "before", None),
        ("account.move.create", "after", TransactionState.draft),
        ("account.move.post", "before", TransactionState.draft),
        ("account.move.post", "after", TransactionState.posted),
    ],
)
async def test_batch_that_is_lost_anywhere_is_completed_by_the_next_try(
    ledger: Ledger, operation: str, where: str, state: TransactionState | None
) -> None:
    project = await an_active_project(ledger.target)
    facts = [a_fact(ledger.target, project, f"{number}.00") for number in (1, 2)]
    ledger.http.lose[operation] = where

    with pytest.raises(Uncertain):
        await ledger.port.post_billable_transactions(facts)
    before = [await state_of(ledger, fact.business_key) for fact in facts]
    outcomes = await ledger.port.post_billable_transactions(facts)

    assert before == [state, state]
    assert [code_of(outcomes[fact.business_key]) for fact in facts] == [None, None]
    assert [await ledger.books.count_transactions(fact.business_key) for fact in facts] == [1, 1]
    assert await ledger.books.ledger_lines(facts[0].business_key) == lines_of(ledger.target, facts[0])


async def test_account_that_finance_closes_refuses_its_facts_alone(ledger: Ledger) -> None:
    project = await an_active_project(ledger.target)
    code = await an_account(ledger)
    early = a_fact(ledger.target, project, debit_account=code, reverses=fresh("tb"))
    await ledger.port.post_billable_transactions([early])  # It is refused, and the account known by now.
    (account,) = await ledger.books.admin.find(ACCOUNTS, [["code", "=", code]])
    await ledger.books.admin.do(ACCOUNTS, "write", [account["id"]], {"closed": True})
    good = [a_fact(ledger.target, project, f"{number}.00") for number in range(1, 6)]
    bad = a_fact(ledger.target, project, debit_account=code)

    outcomes = await ledger.port.post_billable_transactions([*good[:3], bad, *good[3:]])

    assert code_of(outcomes[bad.business_key]) in {Code.upstream_rejected, Code.gl_mapping_missing}
    assert [code_of(outcomes[fact.business_key]) for fact in good] == [None] * len(good)
    assert await ledger.books.count_transactions(bad.business_key) == 0


async def an_account(ledger: Ledger) -> str:
    """Return the code of one more account like Accrued Income."""
    (accrued,) = await ledger.books.admin.find(ACCOUNTS, [["code", "=", "1.4.2"]])
    code = fresh("1.4.2").replace("_", "-")
    await ledger.books.admin.do(ACCOUNTS, "copy", [accrued["id"]], {"code": code, "name": code})
    return code


async def test_draft_that_does_not_balance_is_not_posted(ledger: Ledger) -> None:
    project = await an_active_project(ledger.target)
    fact = a_fact(ledger.target, project)
    ledger.http.lose["account.move.post"] = "before"
    with pytest.raises(Uncertain):
        await ledger.port.post_billable_transactions([fact])
    (move,) = await ledger.books.admin.find(MOVE, [["description", "=", fact.business_key]], "lines")
    line = max(move["lines"])
    await ledger.books.admin.do("account.move.line", "write", [line], {"credit": tryton_decimal(Decimal(59))})

    outcomes = await ledger.port.post_billable_transactions([fact])

    assert code_of(outcomes[fact.business_key]) is Code.upstream_conflict_stale
    assert await state_of(ledger, fact.business_key) is TransactionState.draft


async def test_batches_that_the_guard_lets_in_one_by_one_have_a_number_each(ledger: Ledger) -> None:
    project = await an_active_project(ledger.target)
    batches = [[a_fact(ledger.target, project, "1.00") for _ in range(3)] for _ in range(6)]

    each = await asyncio.gather(*(posted(ledger.target, *batch) for batch in batches), return_exceptions=True)
    again = [await posted(ledger.target, *batch) for batch in batches]

    assert all(isinstance(one, dict | WriteInProgress) for one in each)
    assert {code_of(outcome) for outcomes in again for outcome in outcomes.values()} == {None}
    numbers = [one.number for outcomes in again for one in outcomes.values() if isinstance(one, BillableTransaction)]
    assert len(set(numbers)) == len(numbers) == sum(map(len, batches))


async def test_reversal_is_linked_with_its_original(ledger: Ledger) -> None:
    project = await an_active_project(ledger.target)
    sale: NewBillableTransaction = a_fact(ledger.target, project)
    await posted(ledger.target, sale)
    reversal = a_fact(ledger.target, project, "-60.00", reverses=sale.business_key)

    await posted(ledger.target, reversal)

    assert await ledger.books.origin_of(reversal.business_key) == sale.business_key


@pytest.mark.parametrize(
    ("operation", "where"),
    [("account.invoice.validate_invoice", "before"), ("account.invoice.validate_invoice", "after")],
)
async def test_invoice_whose_validation_was_lost_is_found_and_posted(
    ledger: Ledger, operation: str, where: str
) -> None:
    new = await an_invoice(ledger.target, "2.50")
    ledger.http.lose[operation] = where
    with pytest.raises(Uncertain):
        await ledger.port.create_invoice(new)

    draft = await ledger.port.find_invoice(new.business_key)
    assert draft is not None
    final = await ledger.port.post_invoice(draft.id, draft.version)

    assert (draft.state, draft.tax) == (InvoiceState.draft, money(ledger.target, "0.52"))
    assert (final.state, final.tax) == (InvoiceState.posted, money(ledger.target, "0.52"))
    assert await ledger.books.count_invoices(new.business_key) == 1


@pytest.mark.parametrize(("where", "state"), [("before", InvoiceState.draft), ("after", InvoiceState.posted)])
async def test_posting_that_is_lost_is_told_by_the_next_look(ledger: Ledger, where: str, state: InvoiceState) -> None:
    draft = await drafted(ledger.target, await an_invoice(ledger.target))
    ledger.http.lose["account.invoice.post"] = where

    with pytest.raises(Uncertain):
        await ledger.port.post_invoice(draft.id, draft.version)
    found = await ledger.port.get_invoice(draft.id)
    final = await ledger.port.post_invoice(draft.id, draft.version)

    assert found.state is state
    assert final.state is InvoiceState.posted


async def test_invoice_that_somebody_only_validated_anew_is_posted_as_it_was_compared(ledger: Ledger) -> None:
    draft = await drafted(ledger.target, await an_invoice(ledger.target))
    await ledger.books.admin.do("account.invoice", "draft", [int(draft.id)])

    final = await ledger.port.post_invoice(draft.id, draft.version)

    assert final.state is InvoiceState.posted
    assert final.lines == draft.lines


async def test_posted_invoice_stands_on_the_project_and_the_customers_account(ledger: Ledger) -> None:
    new = await an_invoice(ledger.target, "100.00")
    draft = await drafted(ledger.target, new)
    await ledger.port.post_invoice(draft.id, draft.version)

    (record,) = await ledger.books.admin.find(
        "account.invoice", [["id", "=", int(draft.id)]], "move.lines.account.code", "move.lines.analytic_lines.account"
    )

    projects = {
        line["account."]["code"]: [analytic["account"] for analytic in line["analytic_lines."]]
        for line in record["move."]["lines."]
    }
    assert projects == {"1.2.1": [], "4.1.2": [int(new.lines[0].project_id)], "6.3.6": []}


async def test_warning_of_a_due_date_in_the_past_is_a_refusal_that_says_so(ledger: Ledger) -> None:
    draft = await drafted(ledger.target, await an_invoice(ledger.target))
    ids = [int(draft.id)]
    last_year = ledger.target.facts.closable
    past = {"__class__": "date", "year": last_year.year, "month": last_year.month, "day": last_year.day}
    await ledger.books.admin.do("account.invoice", "draft", ids)
    await ledger.books.admin.do("account.invoice", "write", ids, {"payment_term_date": past})
    now = await ledger.port.get_invoice(draft.id)

    with pytest.raises(Refused) as refused:
        await ledger.port.post_invoice(draft.id, now.version)

    assert refused.value.code is Code.upstream_rejected
    assert "due date in the past" in refused.value.detail
    assert (await ledger.port.get_invoice(draft.id)).state is InvoiceState.draft
