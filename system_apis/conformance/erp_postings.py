"""What every ERP connector must pass: facts, posted in batches, and found by their keys."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import pytest
from msgspec.structs import replace

from gateway.errors import Refused, WriteInProgress
from gateway.writes import Item
from openapi.common.types import Code, Money
from openapi.system.erp.v1 import (
    AccountingProject,
    BillableTransaction,
    BillableTransactions,
    NewBillableTransaction,
    TransactionKind,
    TransactionState,
)
from system_apis.conformance.erp_books import today
from system_apis.conformance.erp_projects import a_project, made
from system_apis.conformance.keys import fresh
from system_apis.conformance.target import ErpTarget, LedgerLine
from system_apis.ports import posting_slot

Outcomes = Mapping[str, BillableTransaction | Refused]
NIL = Decimal(0)


def needs_postings(target: ErpTarget) -> None:
    """Skip where the ERP posts nothing before the invoice."""
    if target.port.capabilities.billable_transactions is BillableTransactions.none:
        pytest.skip("not a capability")


async def an_active_project(target: ErpTarget) -> AccountingProject:
    """Return a new project that takes postings."""
    needs_postings(target)
    project = await made(target, await a_project(target))
    return await target.port.activate_accounting_project(project.id)


def a_fact(
    target: ErpTarget,
    project: AccountingProject,
    net: str = "60.00",
    kind: TransactionKind = TransactionKind.unbilled_sale,
    **other: object,
) -> NewBillableTransaction:
    """Return a fact that is not posted yet."""
    debit, credit = target.facts.accounts[kind]
    new = NewBillableTransaction(
        business_key=fresh("tb"),
        legal_entity=target.facts.legal_entity,
        kind=kind,
        project_id=project.id,
        date=today(),
        net=Money(amount=net, currency=target.facts.currency),
        debit_account=debit,
        credit_account=credit,
        description="P-0042 Ben Okafor 20 min: étape 1 发现",
    )
    return replace(new, **other)


async def posted(target: ErpTarget, *facts: NewBillableTransaction) -> Outcomes:
    """Return what the guard made of them, as every caller writes."""

    async def look(keys: Sequence[str]) -> Outcomes:
        found = await target.port.find_billable_transactions(keys)
        return {key: one for key, one in found.items() if one.state is TransactionState.posted}

    return await target.writes.many(
        operation="post_billable_transactions",
        items=[Item(key=fact.business_key, payload=fact) for fact in facts],
        look=look,
        act=target.port.post_billable_transactions,
        serial=posting_slot(target.port, target.facts.legal_entity),
    )


def code_of(outcome: BillableTransaction | Refused) -> Code | None:
    """Return why a fact was refused, or None where it was not."""
    return outcome.code if isinstance(outcome, Refused) else None


def lines_of(target: ErpTarget, fact: NewBillableTransaction) -> list[LedgerLine]:
    """Return what the ledger has to have of a fact."""
    net = Decimal(fact.net.amount)
    sides = ((fact.debit_account, net), (fact.credit_account, -net))
    return sorted(
        LedgerLine(
            account=account,
            debit=max(amount, NIL),
            credit=max(-amount, NIL),
            project_id=fact.project_id if account in target.facts.project_accounts else None,
        )
        for account, amount in sides
    )


async def test_fact_is_posted_with_its_amount_project_and_number(target: ErpTarget) -> None:
    fact = a_fact(target, await an_active_project(target))

    outcome = (await posted(target, fact))[fact.business_key]

    assert isinstance(outcome, BillableTransaction)
    assert (outcome.business_key, outcome.legal_entity, outcome.date) == (
        fact.business_key,
        fact.legal_entity,
        fact.date,
    )
    assert (outcome.net, outcome.project_id) == (fact.net, fact.project_id)
    assert outcome.state is TransactionState.posted
    assert outcome.number


@pytest.mark.parametrize("kind", TransactionKind)
@pytest.mark.parametrize("net", ["60.00", "-60.00", "0.01", "123456.78"])
async def test_net_is_read_back_with_its_sign_and_stands_on_the_right_sides(
    target: ErpTarget, kind: TransactionKind, net: str
) -> None:
    fact = a_fact(target, await an_active_project(target), net, kind)

    outcome = (await posted(target, fact))[fact.business_key]
    found = await target.port.find_billable_transactions([fact.business_key])

    assert found == {fact.business_key: outcome}
    assert found[fact.business_key].net == fact.net
    assert await target.books.ledger_lines(fact.business_key) == lines_of(target, fact)


async def test_sale_its_reversal_and_a_release_leave_what_they_should(target: ErpTarget) -> None:
    project = await an_active_project(target)
    sale, other = a_fact(target, project, "60.00"), a_fact(target, project, "40.00")
    await posted(target, sale, other)
    reversal = a_fact(target, project, "-60.00", reverses=sale.business_key)
    release = a_fact(target, project, "40.00", TransactionKind.unbilled_sale_release)

    outcomes = await posted(target, reversal, release)

    lines = [
        line
        for fact in (sale, other, reversal, release)
        for line in await target.books.ledger_lines(fact.business_key)
        if line.account == sale.debit_account
    ]
    assert {code_of(outcome) for outcome in outcomes.values()} == {None}
    assert len(lines) == len((sale, other, reversal, release))
    assert sum(line.debit - line.credit for line in lines) == NIL


async def test_reversal_of_what_is_not_posted_is_refused(target: ErpTarget) -> None:
    project = await an_active_project(target)
    reversal = a_fact(target, project, "-60.00", reverses=fresh("tb"))

    outcomes = await posted(target, reversal)

    assert code_of(outcomes[reversal.business_key]) is Code.dependency_not_ready
    assert await target.books.count_transactions(reversal.business_key) == 0


async def test_bad_facts_are_refused_by_name_and_their_siblings_posted(target: ErpTarget) -> None:
    project = await an_active_project(target)
    idle = await made(target, await a_project(target))
    wrong = {
        Code.gl_mapping_missing: a_fact(target, project, debit_account="no-such-account"),
        Code.project_not_active: a_fact(target, idle),
        Code.project_not_in_erp: a_fact(target, project, project_id="999999999"),
        Code.money_scale_exceeded: a_fact(target, project, "1.001"),
        Code.currency_mismatch: replace(a_fact(target, project), net=Money(amount="1.00", currency="XTS")),
        Code.period_not_open_yet: a_fact(target, project, date=date(2199, 1, 1)),
    }
    good = [a_fact(target, project, f"{number}.10") for number in range(1, 6)]

    outcomes = await posted(target, *good[:2], *wrong.values(), *good[2:])

    assert {code: code_of(outcomes[fact.business_key]) for code, fact in wrong.items()} == {
        code: code for code in wrong
    }
    assert [code_of(outcomes[fact.business_key]) for fact in good] == [None] * len(good)
    assert [await target.books.count_transactions(fact.business_key) for fact in wrong.values()] == [0] * len(wrong)


async def test_fact_that_was_refused_is_posted_once_it_is_right(target: ErpTarget) -> None:
    project = await made(target, await a_project(target))
    fact = a_fact(target, project)

    first = await posted(target, fact)
    await target.port.activate_accounting_project(project.id)
    again = await posted(target, fact)

    assert code_of(first[fact.business_key]) is Code.project_not_active
    assert code_of(again[fact.business_key]) is None
    assert await target.books.count_transactions(fact.business_key) == 1


async def test_facts_posted_twice_with_one_key_are_there_once(target: ErpTarget) -> None:
    project = await an_active_project(target)
    facts = [a_fact(target, project, f"{number}.00") for number in range(1, 4)]

    first, again = await posted(target, *facts), await posted(target, *facts)
    bare = await target.port.post_billable_transactions(facts)

    assert again == first
    assert bare == first
    assert [await target.books.count_transactions(fact.business_key) for fact in facts] == [1, 1, 1]


async def test_fact_posted_by_many_at_once_is_there_once(target: ErpTarget) -> None:
    fact = a_fact(target, await an_active_project(target))

    each = await asyncio.gather(*(posted(target, fact) for _ in range(8)), return_exceptions=True)

    assert all(isinstance(one, dict | WriteInProgress) for one in each)
    assert any(isinstance(one, dict) for one in each)
    assert await target.books.count_transactions(fact.business_key) == 1


async def test_whole_batch_is_posted_and_found(target: ErpTarget) -> None:
    project = await an_active_project(target)
    facts = [a_fact(target, project, f"{number}.01") for number in range(target.port.capabilities.batch_size)]

    outcomes = await posted(target, *facts)
    found = await target.port.find_billable_transactions([fact.business_key for fact in facts])

    assert found == outcomes
    assert {key: one.net for key, one in found.items()} == {fact.business_key: fact.net for fact in facts}


async def test_key_that_begins_or_resembles_another_finds_nothing_posted(target: ErpTarget) -> None:
    fact = a_fact(target, await an_active_project(target))
    await posted(target, fact)
    key = fact.business_key

    for alike in (key[:-1], f"{key}1", key.replace("_", "-"), key.upper(), "%", fresh("tb")):
        assert await target.port.find_billable_transactions([alike]) == {}


async def test_two_postings_with_one_key_are_a_break(target: ErpTarget) -> None:
    project = await an_active_project(target)
    fact, sibling = a_fact(target, project), a_fact(target, project)
    await posted(target, fact)
    if not await target.books.plant_transaction(fact.business_key):
        assert await target.books.count_transactions(fact.business_key) == 1
        return

    with pytest.raises(Refused) as refused:
        await target.port.find_billable_transactions([fact.business_key, sibling.business_key])
    outcomes = await target.port.post_billable_transactions([fact, sibling])

    assert refused.value.code is Code.upstream_conflict_stale
    assert [violation.actual for violation in refused.value.violations] == [fact.business_key]
    assert code_of(outcomes[fact.business_key]) is Code.upstream_conflict_stale
    assert code_of(outcomes[sibling.business_key]) is None


async def test_closed_period_takes_no_facts_until_it_is_opened(target: ErpTarget) -> None:
    day = target.facts.closable
    project = await an_active_project(target)
    facts = [a_fact(target, project, f"{number}.00", date=day) for number in range(1, 4)]

    await target.books.close_period(day)
    refusals = await posted(target, *facts)
    count = await target.books.count_transactions(facts[0].business_key)
    await target.books.open_period(day)
    outcomes = await posted(target, *facts)

    assert {code_of(outcome) for outcome in refusals.values()} == {Code.period_closed}
    assert count == 0
    assert {code_of(outcome) for outcome in outcomes.values()} == {None}


async def test_facts_of_an_entity_that_is_not_served_are_refused(target: ErpTarget) -> None:
    fact = a_fact(target, await an_active_project(target), legal_entity="ZZ99")

    with pytest.raises(Refused) as refused:
        await target.port.post_billable_transactions([fact])

    assert refused.value.code is Code.entity_mapping_missing
