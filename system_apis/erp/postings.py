"""Facts in the books: found by key, and posted in batches that the ERP takes, each fact with its own outcome."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import groupby
from typing import Final

from gateway.caller import Caller
from gateway.errors import Refused, Unavailable, Uncertain
from gateway.writes import BoundWrites, Item
from openapi.common.types import Code, Outcome, Violation
from openapi.system.erp.v1 import (
    BillableTransaction,
    BillableTransactionPage,
    BillableTransactions,
    NewBillableTransaction,
    NewBillableTransactions,
    PostingOutcome,
    PostingOutcomes,
)
from system_apis.access import require, require_entity, sees_entity
from system_apis.batches import error_of, repeated
from system_apis.erp.agreement import differences_of_fact
from system_apis.looks import posted_transactions
from system_apis.ports import Erp, posting_slot

NOTHING_POSTED: Final = "This ERP posts nothing before the invoice."
PARTLY: Final = "A part of it was posted, then the ERP was not to be had. Send it again, unchanged."

Outcomes = Mapping[str, BillableTransaction | Refused]


async def find_billable_transactions(*, erp: Erp, caller: Caller, business_key: str) -> BillableTransactionPage:
    """Return the posting that carries the key, a draft as well, where the caller may see its entity."""
    _require_posting(erp)
    found = await erp.find_billable_transactions([business_key])
    seen = [one for one in found.values() if sees_entity(caller, erp.capabilities, one.legal_entity)]
    return BillableTransactionPage(items=seen, next_cursor=None)


async def post_billable_transactions(
    *, erp: Erp, writes: BoundWrites, caller: Caller, body: NewBillableTransactions
) -> PostingOutcomes:
    """Return what came of each fact, in the order of the body."""
    _require_posting(erp)
    facts = body.transactions
    violations = list(_violations(facts))
    if violations:
        raise Refused(Code.request_malformed, "Send facts of one entity and currency, each once.", *violations)
    require_entity(caller, erp.capabilities, facts[0].legal_entity, "#/transactions/0/legal_entity")
    outcomes: dict[str, BillableTransaction | Refused] = {}
    for batch in await _batches(erp, facts):
        outcomes |= await _posted(erp, writes, batch, partly=bool(outcomes))
    pairs = ((number, outcomes[fact.business_key]) for number, fact in enumerate(facts))
    return PostingOutcomes(outcomes=[_told(number, facts[number], outcome) for number, outcome in pairs])


async def _posted(erp: Erp, writes: BoundWrites, batch: Sequence[NewBillableTransaction], *, partly: bool) -> Outcomes:
    """Return what came of one batch. What the ERP says of the whole of it, it says of each of its facts."""
    try:
        return await writes.many(
            operation="post_billable_transactions",
            items=[Item(key=fact.business_key, payload=fact) for fact in batch],
            look=partial(posted_transactions, erp),
            act=erp.post_billable_transactions,
            agree=differences_of_fact,
            serial=posting_slot(erp, batch[0].legal_entity),
        )
    except Refused as refused:
        return dict.fromkeys((fact.business_key for fact in batch), refused)
    except Unavailable as error:
        if not partly:
            raise
        # "Nothing happened" would not be true of the batches before this one.
        raise Uncertain(Code.upstream_timeout_uncertain, PARTLY, retry_after_s=error.retry_after_s) from error


async def _batches(erp: Erp, facts: Sequence[NewBillableTransaction]) -> list[list[NewBillableTransaction]]:
    """Return the facts as the port takes them: of one period, and no more than one call posts."""
    size, batches = erp.capabilities.batch_size, []
    for same in await _by_period(erp, facts):
        batches += [same[start : start + size] for start in range(0, len(same), size)]
    return batches


async def _by_period(erp: Erp, facts: Sequence[NewBillableTransaction]) -> list[list[NewBillableTransaction]]:
    """Return the facts by their periods; the ERP is asked only where they are of more than one day."""
    days = [list(same) for _, same in groupby(sorted(facts, key=lambda one: one.date), key=lambda one: one.date)]
    groups: list[list[NewBillableTransaction]] = []
    until = days[0][0].date
    for same in days:
        on = same[0].date
        if not groups or on > until:
            until = on if len(days) == 1 else await _last_day(erp, same[0])
            groups.append([])
        groups[-1] += same
    return groups


async def _last_day(erp: Erp, fact: NewBillableTransaction) -> date:
    """Return the last day of the period that the fact falls into; where there is none, the day is by itself."""
    found = await erp.list_periods(fact.legal_entity, on=fact.date, limit=1)
    return found.items[0].end if found.items else fact.date


def _violations(facts: Sequence[NewBillableTransaction]) -> Iterator[Violation]:
    first = facts[0]
    yield from repeated([fact.business_key for fact in facts], "#/transactions/{}/business_key", "Send each fact once.")
    for number, fact in enumerate(facts):
        pointer = f"#/transactions/{number}"
        if fact.legal_entity != first.legal_entity:
            detail = "Send the facts of each legal entity by themselves."
            yield Violation(code=Code.request_body_invalid, pointer=f"{pointer}/legal_entity", detail=detail)
        if fact.net.currency != first.net.currency:
            detail = "Send the facts of each currency by themselves."
            yield Violation(code=Code.currency_mismatch, pointer=f"{pointer}/net/currency", detail=detail)


def _told(number: int, fact: NewBillableTransaction, outcome: BillableTransaction | Refused) -> PostingOutcome:
    refused = isinstance(outcome, Refused)
    return PostingOutcome(
        business_key=fact.business_key,
        outcome=Outcome.none if refused else Outcome.applied,
        transaction=None if isinstance(outcome, Refused) else outcome,
        error=error_of(outcome, f"#/transactions/{number}") if isinstance(outcome, Refused) else None,
    )


def _require_posting(erp: Erp) -> None:
    posts = erp.capabilities.billable_transactions is not BillableTransactions.none
    require(capability=posts, advice=NOTHING_POSTED)
