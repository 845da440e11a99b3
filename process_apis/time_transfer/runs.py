"""Starting runs: one of a PSA is open at a time, and whoever asks meanwhile meets it."""

from typing import Any, Final

from gateway.caller import INSTALLATION
from gateway.durable import Engine, Process, Window, Workflow, enqueue, list_processes
from gateway.store import inbox
from gateway.store.database import Store
from openapi.common.types import OwnerQueue
from process_apis.ledger.keys import business_key
from process_apis.time_transfer.order import RUN, TransferOrder

PAYLOAD: Final = "time"
"""Two requests for the next run ask for the same: the second meets the first, whatever else it wanted."""


async def last_run(store: Store, connection: str) -> Process | None:
    """Return the newest run of the PSA."""
    found = await list_processes(store, INSTALLATION, Window(limit=1), kind=RUN, source=connection)
    return found.items[0] if found.items else None


async def start(
    store: Store, engine: Engine, flow: Workflow[Any], order: TransferOrder, client_id: str, correlation_id: str
) -> Process:
    """Return the run of the PSA that is open: met, or accepted now."""
    last = await last_run(store, order.connection)
    if last and last.ended_at is None:
        return last
    number = int(last.business_key.rpartition("_")[2]) + 1 if last else 1
    while True:
        process = await enqueue(
            store,
            engine,
            flow,
            order,
            key=business_key("run", order.connection, str(number)),
            payload_sha256=PAYLOAD,
            caller_client_id=client_id,
            correlation_id=correlation_id,
            legal_entity=order.legal_entity,
            owner=OwnerQueue.Finance_Ops,
            source=order.connection,
        )
        if process.ended_at is None:
            return process
        number += 1  # Somebody else's run has come and gone meanwhile.


async def waits(store: Store, order: TransferOrder) -> bool:
    """Tell whether entries wait that no run has claimed."""
    async with store.begin() as connection:
        return await inbox.waits(connection, order.source)
