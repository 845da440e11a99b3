"""Preparing a batch: claimed, read back, judged, and its facts written with the caps they take, in one transaction."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import Process, get_process, process_id
from gateway.errors import Refused, Unavailable
from gateway.store import inbox, lasting_items, processes
from gateway.store.database import Store
from gateway.store.inbox import AGAIN, Change
from openapi.common.types import Code
from openapi.system.erp.v1 import BillableTransactions
from openapi.system.psa.v1 import ApprovalState
from openapi.system.psa.v1 import TimeEntry as Theirs
from process_apis.ledger.caps import commit_cap
from process_apis.ledger.entries import Approval, TimeEntry, Transfer, move_entries
from process_apis.ledger.facts import Adjustment, Billing, Fact, Kind, Posting, fact_id, move_facts, tb_fact
from process_apis.ledger.money import money, total
from process_apis.time_transfer.asking import summary
from process_apis.time_transfer.batch import Batch
from process_apis.time_transfer.building import Frame, Group, facts_of, groups_of, same_posting
from process_apis.time_transfer.content import Act, History, Plan, is_known, plan
from process_apis.time_transfer.histories import locked_histories
from process_apis.time_transfer.isolating import item_of_broken, one_by_one
from process_apis.time_transfer.known import Known
from process_apis.time_transfer.looking_up import Around, look_up
from process_apis.time_transfer.order import Counts, TransferOrder, counted
from process_apis.time_transfer.reversing import obstacle_to, reversals_of, write_reversals
from process_apis.time_transfer.rules import Verdict, is_nothing, judge
from process_apis.time_transfer.taking_in import change_of
from process_apis.time_transfer.valuing import Judged
from system_apis.ports import Landscape, Psa

STAYS: Final = (Transfer.reversed, Transfer.reversal_queued, Transfer.cancelled, Transfer.ignored)
"""Where a revision stays that is withdrawn and has nothing in the books, or nothing but what is being reversed."""


class Prepared(Struct, frozen=True, kw_only=True):
    """What a batch came to before anything was sent."""

    claimed: int
    counts: Counts
    groups: list[Group]


def batch_name(number: int) -> str:
    """Return the name under which the run claims its batch of the number: a replay finds it again."""
    return f"{process_id()}:{number}"


async def prepare(
    store: Store, psa: Psa, landscape: Landscape, order: TransferOrder, around: Around, number: int
) -> Prepared:
    """Return the batch, ready to be posted. Run twice, it finds what it has written."""
    async with store.begin() as connection:
        ids = await inbox.claim(connection, order.source, batch_name(number), order.settings.batch_entries)
    if not ids:
        return Prepared(claimed=0, counts=Counts(), groups=[])
    theirs = await psa.get_time_entries(ids)
    process = await get_process(store, INSTALLATION, process_id())
    async with store.begin() as connection:

        async def decide(some: Sequence[str]) -> Batch:
            return await Preparation(connection, store, landscape, process, order, around).decided(some, theirs)

        batches, broken = await one_by_one(connection, decide, order.connection, ids)
        items = [item_of_broken(store, around, order, one, theirs.get(one)) for one in broken]
        await lasting_items.report(connection, store, process, items)
        await _put_at_risk(connection, process.id, [fact for batch in batches for fact in batch.to_post])
    return _prepared(landscape, around, batches, claimed=len(ids), broken=len(broken))


async def _put_at_risk(connection: AsyncConnection, run: str, facts: Sequence[Fact]) -> None:
    """Record what the batch will bring, should its posting stop; of several currencies no sum can be said."""
    sales = [fact for fact in facts if fact.kind is Kind.sale]
    currencies = {fact.currency for fact in sales}
    if len(currencies) == 1:
        amount = total([abs(Decimal(fact.net)) for fact in sales])
        await processes.put_at_risk(connection, run, money(amount, *currencies))


def _prepared(landscape: Landscape, around: Around, batches: Sequence[Batch], *, claimed: int, broken: int) -> Prepared:
    numbers, at_risk = Counter({"rejected": broken}), defaultdict[str, Decimal](Decimal)
    for batch in batches:
        numbers.update(batch.counted)
        for currency, amount in batch.at_risk.items():
            at_risk[currency] += amount
    amounts = {currency: str(amount) for currency, amount in at_risk.items()}
    to_post = [fact for batch in batches for fact in batch.to_post]
    groups = groups_of(
        to_post, lambda erp: landscape.erp(erp).capabilities.batch_size, lambda fact: _period_of(around, fact)
    )
    return Prepared(claimed=claimed, counts=counted(numbers, at_risk=amounts), groups=groups)


def _period_of(around: Around, fact: Fact) -> str:
    day, periods = fact.accounting_date, around.periods.get(fact.legal_entity, ())
    return next((str(one.start) for one in periods if one.start <= day <= one.end), f"{day:%Y-%m}")


class Preparation:
    """One batch within its transaction. What it decides is written at the end, in few statements."""

    def __init__(
        self,
        connection: AsyncConnection,
        store: Store,
        landscape: Landscape,
        process: Process,
        order: TransferOrder,
        around: Around,
    ) -> None:
        self._connection, self._store, self._landscape = connection, store, landscape
        self._order, self._around = order, around
        self._batch = Batch(connection, store, process, order, around)

    async def decided(self, ids: Sequence[str], theirs: Mapping[str, Theirs]) -> Batch:
        """Return what was decided of the entries, and is written."""
        known = await locked_histories(self._connection, self._order.connection, ids)
        plans = {one: plan(theirs.get(one), known[one]) for one in ids}
        looked_up = await self._look_up([theirs[one] for one in ids if plans[one].act is Act.check])
        for one in ids:
            await self._follow(one, plans[one], theirs.get(one), known[one], looked_up.get(one))
        await self._batch.write()
        return self._batch

    async def _look_up(self, entries: Sequence[Theirs]) -> Mapping[str, Known]:
        if not entries:
            return {}
        return await look_up(self._connection, self._landscape, self._around, entries, self._store.now())

    async def _follow(
        self, external_id: str, planned: Plan, theirs: Theirs | None, history: History, known: Known | None
    ) -> None:
        await self._send([*history.unfinished, *history.refused_reversals])
        if planned.act is Act.nothing:
            self._batch.counted["unchanged"] += 1
        elif planned.act is Act.drop:
            self._batch.counted["ignored"] += 1
        elif planned.act is Act.carry_on:
            self._come_back(external_id, theirs, history)
        elif planned.act is Act.cancel:
            await self._cancel(external_id, theirs, history)
        elif planned.act is Act.take_back:
            await self._take_back(theirs, history)
        elif known is not None:
            await self._check(planned.revision, history, known)

    async def _send(self, left: Sequence[Fact]) -> None:
        """Let be posted what was left under way, or refused."""
        if left:
            self._batch.to_post += left
            # What is in doubt stays so until somebody has answered: others are not to wait with it.
            ids = tb_fact.c.id.in_([fact.id for fact in left if fact.posting is not Posting.in_doubt])
            await move_facts(self._connection, self._store, ids, posting=Posting.posting.value, code=None, detail=None)

    def _come_back(self, external_id: str, theirs: Theirs | None, history: History) -> None:
        """Let the entry be looked at once its posting is finished, where it is not as it was taken over any more."""
        latest = history.latest
        if latest and not (theirs is not None and is_known(theirs, latest)):
            again = change_of(theirs, AGAIN) if theirs else Change(external_id=external_id, version=AGAIN)
            self._batch.again.append(again)

    async def _cancel(self, external_id: str, theirs: Theirs | None, history: History) -> None:
        if history.latest:
            transfer = history.latest.transfer if history.latest.transfer in STAYS else Transfer.cancelled
            await self._batch.move([history.latest], approval=_withdrawn(theirs), transfer=transfer)
        self._batch.done.append(external_id)
        self._batch.counted["recalled"] += 1

    async def _take_back(self, theirs: Theirs | None, history: History) -> None:
        latest = history.latest
        if latest is None:
            return
        await self._batch.move([latest], approval=_withdrawn(theirs), transfer=latest.transfer)
        if await self._reverse(history, history.standing, latest):
            await self._batch.move([latest], approval=_withdrawn(theirs), transfer=Transfer.reversal_queued)
            self._batch.counted["recalled"] += 1

    async def _reverse(self, history: History, facts: Sequence[Fact], asked: TimeEntry) -> bool:
        """Tell whether the facts are taken back; where they cannot be, somebody is asked, and none is billed."""
        obstacle = obstacle_to(facts)
        if obstacle is None:
            try:
                reversals = reversals_of(self._store, self._around, facts)
                self._batch.to_post += await write_reversals(self._connection, self._store, facts, reversals)
            except (Refused, Unavailable) as error:
                await self._block(facts, asked, error.code, error.detail)
                return False
            earlier = [entry for entry in history.revisions if entry.revision in {fact.revision for fact in facts}]
            await self._batch.move(earlier, transfer=Transfer.reversal_queued)
            return True
        await self._block(facts, asked, obstacle.code, obstacle.detail)
        return False

    async def _block(self, facts: Sequence[Fact], asked: TimeEntry, code: Code, detail: str) -> None:
        mine = tb_fact.c.id.in_([fact.id for fact in facts])
        blocked = Code.entry_edited_after_post
        await move_facts(self._connection, self._store, mine, code=blocked.value, detail=detail)
        await self._batch.note(asked, code=code, detail=detail)
        net = total(Decimal(fact.net) for fact in facts if fact.kind is Kind.sale)
        self._batch.ask(asked, code, detail, [], net, facts[0].currency if facts else None)

    async def _check(self, revision: int, history: History, known: Known) -> None:
        entry, latest = known.entry, history.latest
        if known.away:
            await self._wait(revision, history, known)
            return
        if is_nothing(entry):
            row = await self._batch.revise(known, revision, history, Transfer.ignored, None)
            if await self._reverse_earlier(history, row):
                self._batch.done.append(entry.id)
                self._batch.counted["ignored"] += 1
            return
        verdict = judge(known)
        if verdict.judged is None:
            row = await self._batch.revise(known, revision, history, Transfer.rejected_validation, verdict.violations)
            await self._reject(history, row, verdict)
            return
        built = self._built(verdict.judged, revision, history)
        mine = {fact.business_key: fact for fact in history.of(revision)}
        unsold = [fact for fact in mine.values() if fact.posting is Posting.failed or _over_cap(fact)]
        alike = all(same_posting(fact, mine[fact.business_key]) for fact in built if fact.business_key in mine)
        if mine and alike and len(built) == len(mine) and latest:
            await self._post_again(latest, verdict.judged, unsold)
        else:
            await self._post(revision + bool(mine), history, known, verdict.judged)

    async def _wait(self, revision: int, history: History, known: Known) -> None:
        """Let the revision wait until the ERP is there again; what is in its books of an earlier one is not billed."""
        await self._batch.revise(known, revision, history, Transfer.queued, None)
        if history.standing:
            mine = tb_fact.c.id.in_([fact.id for fact in history.standing])
            code, detail = Code.entry_edited_after_post, "The PSA says something else, and the ERP is away."
            await move_facts(self._connection, self._store, mine, code=code.value, detail=detail)

    def _built(self, judged: Judged, revision: int, history: History) -> list[Fact]:
        capabilities = self._landscape.erp(judged.erp).capabilities
        earlier = any(fact.revision < revision for fact in history.facts)
        frame = Frame(
            psa=self._order.connection,
            revision=revision,
            adjustment=Adjustment.correction if earlier else Adjustment.original,
            mapping_digest=self._around.mappings.digest,
            posts=capabilities.billable_transactions is not BillableTransactions.none,
        )
        return facts_of(judged, frame, lambda: fact_id(self._store))

    async def _post(self, revision: int, history: History, known: Known, judged: Judged) -> None:
        """Write the revision's facts, and reverse what stands of an earlier one: both, or neither."""
        row = await self._batch.revise(known, revision, history, Transfer.posting, None)
        if not await self._reverse_earlier(history, row):
            return
        facts = self._built(judged, revision, history)
        if not await self._fits(judged, facts):
            facts = [_over(fact) for fact in facts]
            await self._ask_for_cap(row, judged)
        self._batch.facts += facts
        self._batch.to_post += [fact for fact in facts if fact.posting is Posting.posting]
        if all(fact.posting is Posting.skipped for fact in facts):
            await self._batch.move([row], transfer=Transfer.posted)
            self._batch.counted["posted"] += 1
            self._batch.done.append(row.external_id)

    async def _reverse_earlier(self, history: History, row: TimeEntry) -> bool:
        standing = history.standing
        if not standing or await self._reverse(history, standing, row):
            return True
        await self._batch.move([row], transfer=Transfer.rejected_validation)
        self._batch.counted["rejected"] += 1
        return False

    async def _post_again(self, row: TimeEntry, judged: Judged, unsold: Sequence[Fact]) -> None:
        """Send again what the ERP has refused, or what did not fit under the cap, as it is."""
        sales = [fact for fact in unsold if fact.kind is Kind.sale]
        if sales and not await self._fits(judged, sales):
            await self._ask_for_cap(row, judged)
            unsold = [fact for fact in unsold if fact.kind is not Kind.sale]
        posts = self._landscape.erp(judged.erp).capabilities.billable_transactions is not BillableTransactions.none
        stands = {"posting": (Posting.posting if posts else Posting.skipped).value, "code": None, "detail": None}
        ids = tb_fact.c.id.in_([fact.id for fact in unsold])
        await move_facts(self._connection, self._store, ids, **stands)
        sold = ids & (tb_fact.c.kind == Kind.sale.value)
        billing = Billing.unbilled if posts else Billing.ready
        await move_facts(self._connection, self._store, sold, billing=billing.value)
        if unsold and posts:
            self._batch.to_post += unsold
            await self._batch.move([row], transfer=Transfer.posting)
        elif unsold:
            await move_entries(self._connection, self._store, [row.id], transfer=Transfer.posted.value, code=None)
            self._batch.done.append(row.external_id)

    async def _fits(self, judged: Judged, facts: Sequence[Fact]) -> bool:
        """Tell whether the sales fit under the line's cap, and take it where they do: all of the entry, or nothing."""
        amount = total(Decimal(fact.net) for fact in facts if fact.kind is Kind.sale)
        contract, line, currency = judged.contract.id, judged.line, judged.entity.currency
        if amount == 0:
            return True
        cap = None if line.cap is None else Decimal(line.cap)
        return await commit_cap(self._connection, contract, line.number, cap, amount, currency)

    async def _ask_for_cap(self, row: TimeEntry, judged: Judged) -> None:
        code, currency = Code.contract_cap_exceeded, judged.entity.currency
        detail = (
            f"Line {judged.line.number} of contract {judged.contract.number} is sold up to its cap. Have it raised."
        )
        net = total(sale.net for sale in judged.sales)
        await self._batch.note(row, code=code, detail=detail)
        self._batch.ask(row, code, detail, [], net, currency)

    async def _reject(self, history: History, row: TimeEntry, verdict: Verdict) -> None:
        first = verdict.violations[0]
        detail = summary(verdict.violations)
        mine = tb_fact.c.id.in_([fact.id for fact in history.standing])
        if history.standing:  # The books say something else than the PSA: nothing of it is billed until it is mended.
            blocked = {"code": Code.entry_edited_after_post.value, "detail": detail}
            await move_facts(self._connection, self._store, mine, **blocked)
        self._batch.ask(row, first.code, detail, verdict.violations, verdict.at_risk, verdict.currency)
        self._batch.counted["rejected"] += 1


def _withdrawn(theirs: Theirs | None) -> Approval:
    rejected = theirs is not None and theirs.approval.state is ApprovalState.rejected
    return Approval.rejected if rejected else Approval.recalled


def _over_cap(fact: Fact) -> bool:
    return fact.billing is Billing.cap_failed


def _over(fact: Fact) -> Fact:
    """Return the sale as it stands where the cap has no room: written, and neither posted nor billed."""
    if fact.kind is not Kind.sale:
        return fact
    code = Code.contract_cap_exceeded
    return structs.replace(fact, posting=Posting.skipped, billing=Billing.cap_failed, code=code)
