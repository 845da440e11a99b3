"""What is shown while nobody knows whether the ERP has a fact."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from sqlalchemy import tuple_, update

from gateway.errors import Refused, Uncertain
from gateway.store.database import Store
from openapi.system.erp.v1 import BillableTransaction, NewBillableTransaction
from process_apis.ledger.entries import Transfer, tb_time_entry
from process_apis.ledger.facts import Posting, by_key, move_facts, tb_fact

ENTRY = tb_time_entry.c
Documents = Sequence[NewBillableTransaction]
Booked = Mapping[str, BillableTransaction | Refused]


async def noted(
    store: Store, act: Callable[[Documents], Awaitable[Booked]], documents: Sequence[NewBillableTransaction]
) -> Mapping[str, BillableTransaction | Refused]:
    """Return what the act returns; where nobody knows what became of it, facts and entries say so."""
    try:
        return await act(documents)
    except Uncertain:
        await note(store, [one.business_key for one in documents])
        raise


async def note(store: Store, keys: Sequence[str]) -> None:
    """Record that it is unknown what became of the facts, and so of their entries."""
    async with store.begin() as connection:
        sent = tb_fact.c.business_key.in_(sorted(keys)) & (tb_fact.c.posting == Posting.posting.value)
        await move_facts(connection, store, sent, posting=Posting.in_doubt.value)
        sources = {(fact.source_instance, fact.source_id) for fact in (await by_key(connection, keys)).values()}
        mine = tuple_(ENTRY.psa, ENTRY.external_id).in_(sorted(sources))
        waiting = update(tb_time_entry).where(mine, ENTRY.transfer == Transfer.posting.value)
        await connection.execute(waiting.values(transfer=Transfer.in_doubt.value, updated_at=store.now()))
