"""All that is known here of some entries, read at once."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from process_apis.ledger.entries import TimeEntry, find_entries, tb_time_entry
from process_apis.ledger.facts import Fact, find_facts, tb_fact
from process_apis.time_transfer.content import History

ENTRY = tb_time_entry.c


async def histories(connection: AsyncConnection, psa: str, ids: Sequence[str]) -> dict[str, History]:
    """Return what is known here of each entry."""
    revisions, facts = defaultdict[str, list[TimeEntry]](list), defaultdict[str, list[Fact]](list)
    for entry in await find_entries(connection, ENTRY.psa == psa, ENTRY.external_id.in_(ids)):
        revisions[entry.external_id].append(entry)
    mine = tb_fact.c.source_instance == psa
    for fact in await find_facts(connection, mine, tb_fact.c.source_id.in_(ids)):
        facts[fact.source_id].append(fact)
    return {
        one: History(revisions=sorted(revisions[one], key=lambda entry: entry.revision), facts=facts[one])
        for one in ids
    }


async def locked_histories(connection: AsyncConnection, psa: str, ids: Sequence[str]) -> dict[str, History]:
    """Return the same, which runs and recalls leave alone until the transaction ends."""
    await lock_entries(connection, psa, ids)
    return await histories(connection, psa, ids)


async def lock_entries(connection: AsyncConnection, psa: str, ids: Sequence[str]) -> None:
    """Let runs and recalls leave the entries alone until the transaction ends.

    Comes before anything else is read or written: what was read earlier may have changed while it waited, and whoever
    holds facts and waits for their entry would wait in a circle.
    """
    mine = select(ENTRY.id).where(ENTRY.psa == psa, ENTRY.external_id.in_(ids)).order_by(ENTRY.id).with_for_update()
    # An update of nothing: on SQLite only a statement that writes takes the lock.
    await connection.execute(update(tb_time_entry).where(ENTRY.id.in_(mine)).values(psa=ENTRY.psa))
