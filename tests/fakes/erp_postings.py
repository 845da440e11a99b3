"""Facts in the books of a strict ERP in memory: no key is unique there, a batch can stop halfway."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from gateway.errors import Refused
from gateway.store.database import utc_now
from openapi.common.types import Code
from openapi.system.erp.v1 import (
    AccountingProjectState,
    BillableTransaction,
    BillableTransactions,
    Capabilities,
    NewBillableTransaction,
    TransactionState,
)
from tests.fakes.erp_books import Entry, credit, debit, exact
from tests.fakes.erp_master import ENTITIES, MasterData, period_id
from tests.fakes.vendor import Book, Fault, given, raise_for, refuse_unless


class Postings(MasterData):
    """The part of the port `Erp` that posts facts."""

    def __init__(self, capabilities: Capabilities, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(capabilities, clock)
        self.transactions: Book[BillableTransaction] = Book()
        self.facts: dict[str, NewBillableTransaction] = {}
        """What each transaction was made from, by its id."""
        self.stops_halfway = 0
        """How many of the next batches end with drafts, their answers lost."""

    async def find_billable_transactions(self, keys: Sequence[str]) -> Mapping[str, BillableTransaction]:
        """Return what carries the keys, drafts included, once the index has it."""

        def found() -> Mapping[str, BillableTransaction]:
            self._check_posting(len(keys))
            return self.keyed(self.transactions, keys)

        return await self.read("find_billable_transactions", found)

    async def post_billable_transactions(
        self, new: Sequence[NewBillableTransaction]
    ) -> Mapping[str, BillableTransaction | Refused]:
        """Return what came of each; a fact whose key is posted already is posted once more."""
        outcomes = await self.write(
            "post_billable_transactions",
            lambda: self._post_batch(new),
            lock=f"postings of {new[0].legal_entity}",
            at_once=self.capabilities.postings_at_once,
        )
        if outcomes is None:
            raise_for(Fault.lost_after)
        return outcomes

    def leave_draft(self, new: NewBillableTransaction) -> BillableTransaction:
        """Return a draft such as a batch leaves that stops halfway."""
        draft = BillableTransaction(
            id=self.transactions.next_id(),
            version=self.version(),
            business_key=new.business_key,
            legal_entity=new.legal_entity,
            project_id=new.project_id,
            date=new.date,
            net=new.net,
            number=None,
            state=TransactionState.draft,
            references=[],
        )
        self.facts[draft.id] = new
        return self.transactions.put(draft, self.clock())

    def _post_batch(self, new: Sequence[NewBillableTransaction]) -> Mapping[str, BillableTransaction | Refused] | None:
        self._check_posting(len(new))
        alike = {(one.legal_entity, one.net.currency, period_id(one.legal_entity, one.date)) for one in new}
        refuse_unless(len(alike) == 1, Code.upstream_rejected, "One entity, currency and period at a time.")
        self.check_entity(new[0].legal_entity)
        distinct = len({one.business_key for one in new}) == len(new)
        refuse_unless(distinct, Code.upstream_rejected, "A batch has each fact once.")
        halfway = self.stops_halfway > 0
        self.stops_halfway -= halfway
        outcomes = {one.business_key: self._outcome(one, halfway=halfway) for one in new}
        return None if halfway else outcomes

    def _outcome(self, new: NewBillableTransaction, *, halfway: bool) -> BillableTransaction | Refused:
        try:
            self._check_fact(new)
            draft = self._draft_of(new) or self.leave_draft(new)
        except Refused as refused:
            return refused
        return draft if halfway else self._post(draft)

    def _draft_of(self, new: NewBillableTransaction) -> BillableTransaction | None:
        carrying = self.transactions.carrying(new.business_key)
        refuse_unless(len(carrying) < 2, Code.upstream_conflict_stale, "Two documents carry the key.")
        drafts = [one for one in carrying if one.state is TransactionState.draft]
        same = all(self.facts[draft.id] == new for draft in drafts)
        refuse_unless(same, Code.upstream_conflict_stale, "A draft with this key says something else.")
        return drafts[0] if drafts else None

    def _post(self, draft: BillableTransaction) -> BillableTransaction:
        new, (currency, _) = self.facts[draft.id], ENTITIES[draft.legal_entity]
        net = exact(draft.net, currency)
        lines = debit(new.debit_account, net, new.project_id), credit(new.credit_account, net, new.project_id)
        self.books.post(Entry(draft.legal_entity, draft.date, currency, draft.business_key, lines))
        number = f"M{draft.date.year}/{len(self.books.entries):04}"
        posted = replace(draft, version=self.version(), state=TransactionState.posted, number=number)
        return self.transactions.put(posted, self.clock())

    def _check_posting(self, number: int) -> None:
        posts = self.capabilities.billable_transactions is not BillableTransactions.none
        refuse_unless(posts, Code.capability_missing, "Nothing is posted before the invoice.")
        refuse_unless(number <= self.capabilities.batch_size, Code.upstream_rejected, "Too many at once.")

    def _check_fact(self, new: NewBillableTransaction) -> None:
        exact(new.net, ENTITIES[new.legal_entity][0])
        project = next((one for one in self.projects if one.id == new.project_id), None)
        known = project is not None and project.legal_entity == new.legal_entity
        refuse_unless(known, Code.project_not_in_erp, "There is no such project.")
        active = project is not None and project.state is AccountingProjectState.active
        refuse_unless(active, Code.project_not_active, "The project takes no postings.")
        self.check_period(new.legal_entity, new.date)
        self.check_account(new.debit_account)
        self.check_account(new.credit_account)
        original = given(new, "reverses")
        posted = original is None or self.books.entries_of(original)
        refuse_unless(posted, Code.dependency_not_ready, "What it reverses is not posted.")
