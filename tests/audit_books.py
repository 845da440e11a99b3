"""An audit for tests: a store with its tables, and decisions to write down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from gateway.store import audit_seals
from gateway.store.audit import TABLE, Auditor, Entry
from gateway.store.database import Clock, Store, create_engine

REFUSAL = Entry(
    id="0",
    client_id="crm",
    actor="ana",
    operation="system/erp/v1:create_customer@books",
    method="POST",
    path="/system/books/erp/v1/customers",
    status=403,
    code="auth.scope_missing",
    outcome="none",
    correlation_id="opp-4711",
)


@asynccontextmanager
async def audit_store(url: str, clock: Clock) -> AsyncIterator[Store]:
    """Open a store that has the audit's tables, without the triggers that a migration makes."""
    store = Store(create_engine(url), clock)
    async with store.begin() as connection:
        for table in (TABLE, audit_seals.tb_audit_seal, audit_seals.tb_audit_seal_head):
            await connection.run_sync(table.create, checkfirst=True)
    try:
        yield store
    finally:
        await store.close()


async def written(auditor: Auditor, *ids: str) -> None:
    """Write a row for each id, one after the other."""
    for one in ids:
        await auditor.record(replace(REFUSAL, id=one))
