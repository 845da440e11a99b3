"""Entries as they are answered: each revision on its three axes, with its facts, as far as the caller may see."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import Caller
from gateway.store import lasting_items
from gateway.store.database import Store
from gateway.store.pages import Listed, Window, page
from gateway.store.visible import matching
from gateway.store.work_items import WorkItem
from openapi.common.types import Money
from openapi.process.time_transfer.v1 import (
    ApprovalAxis,
    BillingAxis,
    Entry,
    EntryFact,
    EntryObject,
    FactAdjustment,
    FactKind,
    FactPosting,
    TransferState,
)
from process_apis.ledger.entries import TimeEntry, Transfer, tb_time_entry
from process_apis.ledger.facts import Adjustment, Fact, Kind, find_facts, tb_fact
from process_apis.ledger.money import money, total
from process_apis.time_transfer.asking import trace_key
from process_apis.time_transfer.order import RUN

FINANCE: Final = "finance:read"
FARTHEST: Final = (
    BillingAxis.on_request,
    BillingAxis.cap_failed,
    BillingAxis.unbilled,
    BillingAxis.ready,
    BillingAxis.billed,
    BillingAxis.reversed,
)
"""Where the parts of an entry stand differently, the entry is where the first of these is."""
FactsBySource = Mapping[tuple[str, str, int], Sequence[Fact]]


class Shown(Struct, frozen=True, kw_only=True):
    """A revision, and when its row was written."""

    entry: TimeEntry
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> "Shown":
        """Return what a row holds."""
        return cls(entry=TimeEntry.of(row), created_at=row.created_at, updated_at=row.updated_at)


async def list_shown(store: Store, caller: Caller, window: Window, filters: Mapping[str, str | None]) -> Listed[Entry]:
    """Return the revisions that the caller may see, the newest first."""
    async with store.begin() as connection:
        wanted = matching(tb_time_entry, **filters)
        found = await page(connection, tb_time_entry, caller, wanted, window, Shown.of)
        entries = [shown.entry for shown in found.items]
        facts = await _facts(connection, caller, entries)
        items = await lasting_items.find_open(
            connection, RUN, [trace_key(entry.psa, entry.external_id) for entry in entries]
        )
    return Listed(items=[_entry(caller, shown, facts, items) for shown in found.items], after=found.after)


async def _facts(connection: AsyncConnection, caller: Caller, entries: Sequence[TimeEntry]) -> FactsBySource:
    """Return the facts of each revision; to who is limited, what others pay and what work costs do not exist."""
    sources = sorted({(entry.psa, entry.external_id) for entry in entries})
    found: dict[tuple[str, str, int], list[Fact]] = defaultdict(list)
    if not sources:
        return found
    mine = tuple_(tb_fact.c.source_instance, tb_fact.c.source_id).in_(sources)
    for fact in await find_facts(connection, mine):
        seen = caller.may_see(legal_entity=fact.legal_entity, customer=fact.customer, project=fact.project)
        if seen and not (caller.is_limited and fact.kind is Kind.cost):
            found[fact.source_instance, fact.source_id, fact.revision].append(fact)
    return found


def _entry(caller: Caller, shown: Shown, facts: FactsBySource, items: Mapping[str, WorkItem]) -> Entry:
    entry, inside = shown.entry, not caller.is_limited
    mine = facts.get((entry.psa, entry.external_id, entry.revision), [])
    item = items.get(trace_key(entry.psa, entry.external_id))
    finance = inside and caller.has(FINANCE)
    return Entry(
        id=entry.id,
        object=EntryObject.time_entry,
        connection=entry.psa,
        external_id=entry.external_id,
        revision=entry.revision,
        legal_entity=entry.legal_entity,
        customer=entry.customer,
        project=entry.project,
        resource_name=entry.resource_name,
        task_name=entry.task_name,
        work_date=entry.work_date,
        minutes=entry.minutes,
        hours=entry.hours,
        description=entry.description,
        approval=ApprovalAxis(entry.approval),
        approved_by=entry.approved_by if inside else None,
        approved_at=entry.approved_at,
        transfer=TransferState(entry.transfer),
        billing=billing_of(entry, mine),
        code=entry.code,
        detail=entry.detail if inside else None,
        amount=_net(mine, Kind.sale),
        cost=_net(mine, Kind.cost) if finance else None,
        work_item=item.id if item and inside else None,
        facts=[_fact(fact, finance=finance) for fact in mine],
        created_at=shown.created_at,
        updated_at=shown.updated_at,
    )


def billing_of(entry: TimeEntry, facts: Sequence[Fact]) -> BillingAxis:
    """Return where the entry is on its way to an invoice: it follows from its sales."""
    stands = {BillingAxis(fact.billing) for fact in _originals(facts, Kind.sale)}
    if stands:
        return next(axis for axis in FARTHEST if axis in stands)
    return BillingAxis.non_billable if entry.transfer is Transfer.posted else BillingAxis.unbilled


def _originals(facts: Sequence[Fact], kind: Kind) -> list[Fact]:
    return [fact for fact in facts if fact.kind is kind and fact.adjustment is not Adjustment.reversal]


def _net(facts: Sequence[Fact], kind: Kind) -> Money | None:
    mine = _originals(facts, kind)
    return money(total(Decimal(fact.net) for fact in mine), mine[0].currency) if mine else None


def _fact(fact: Fact, *, finance: bool) -> EntryFact:
    told = finance or fact.kind is Kind.sale
    return EntryFact(
        id=fact.id,
        business_key=fact.business_key,
        kind=FactKind(fact.kind),
        adjustment=FactAdjustment(fact.adjustment),
        reverses=fact.reverses,
        posting=FactPosting(fact.posting),
        billing=BillingAxis(fact.billing),
        quantity=fact.quantity,
        unit=fact.unit,
        rate=fact.rate if told else None,
        net=Money(amount=fact.net, currency=fact.currency) if told else None,
        accounting_date=fact.accounting_date,
        contract=fact.contract,
        contract_version=fact.contract_version,
        contract_line=fact.contract_line,
        customer=fact.customer,
        split_percent=fact.split_percent,
        mapping_digest=fact.mapping_digest,
        connection=fact.erp,
        external_id=fact.erp_ref,
        number=fact.erp_number,
        code=fact.code,
    )
