"""All that is known here of some entries, read at once."""

from collections import defaultdict
from collections.abc import Sequence

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
