"""Posting facts: loaded when they are sent, so that a run keeps no more of them than what it compares."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date as date_type

from msgspec import Struct
from sqlalchemy import tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.errors import Refused, Uncertain
from gateway.store.database import Store
from openapi.common.types import Money
from openapi.system.erp.v1 import BillableTransaction, NewBillableTransaction
from process_apis.ledger.entries import Transfer, tb_time_entry
from process_apis.ledger.facts import Posting, by_id, by_key, move_facts, tb_fact
from process_apis.time_transfer.building import ToPost, document_of
from system_apis.looks import posted_transactions
from system_apis.ports import Erp

ENTRY = tb_time_entry.c
Documents = Sequence[NewBillableTransaction]
Act = Callable[[Documents], Awaitable[Mapping[str, BillableTransaction | Refused]]]


class Booked(Struct, frozen=True, array_like=True):
    """What the ERP has of a fact, as short as it can be: a run keeps all of them."""

    id: str
    number: str | None
    legal_entity: str
    project_id: str | None
    date: date_type
    net: Money

    @classmethod
    def of(cls, one: BillableTransaction) -> "Booked":
        """Return what is kept of a posting."""
        return cls(one.id, one.number, one.legal_entity, one.project_id, one.date, one.net)


async def posted_only(erp: Erp, keys: Sequence[str]) -> Mapping[str, Booked]:
    """Return what the books have: a draft is not there yet, and the post finishes it."""
    return {key: Booked.of(one) for key, one in (await posted_transactions(erp, keys)).items()}


async def posted(store: Store, act: Act, facts: Sequence[ToPost]) -> Mapping[str, Booked | Refused]:
    """Return what the ERP made of each fact; where nobody knows, facts and entries say so."""
    keys = [one.business_key for one in facts]
    documents = await documents_of(store, keys)
    try:
        outcomes = await act(documents)
    except Uncertain:
        await note_doubt(store, keys)
        raise
    return {key: one if isinstance(one, Refused) else Booked.of(one) for key, one in outcomes.items()}


async def documents_of(store: Store, keys: Sequence[str]) -> list[NewBillableTransaction]:
    """Return what the ERP is sent of the facts, in their order."""
    async with store.begin() as connection:
        facts = await by_key(connection, keys)
        taken_back = await by_id(connection, {fact.reverses for fact in facts.values() if fact.reverses})
    reversed_keys = {one: fact.business_key for one, fact in taken_back.items()}
    return [document_of(facts[key], reversed_keys.get(facts[key].reverses or "")) for key in keys]


async def note_doubt(store: Store, keys: Sequence[str]) -> None:
    """Record that it is unknown what became of the facts, and so of their entries."""
    async with store.begin() as connection:
        await note_doubt_within(connection, store, keys)


async def note_doubt_within(connection: AsyncConnection, store: Store, keys: Sequence[str]) -> None:
    """Record it in the caller's transaction."""
    sent = tb_fact.c.business_key.in_(sorted(keys)) & (tb_fact.c.posting == Posting.posting.value)
    await move_facts(connection, store, sent, posting=Posting.in_doubt.value)
    sources = {(fact.source_instance, fact.source_id) for fact in (await by_key(connection, keys)).values()}
    mine = tuple_(ENTRY.psa, ENTRY.external_id).in_(sorted(sources))
    waiting = update(tb_time_entry).where(mine, ENTRY.transfer == Transfer.posting.value)
    await connection.execute(waiting.values(transfer=Transfer.in_doubt.value, updated_at=store.now()))
