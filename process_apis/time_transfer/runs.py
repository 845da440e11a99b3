"""Starting runs: one of a PSA works at a time, and one more waits at most for the lock of the PSA's time.

Whoever asks meets the newest that does what is asked: what changed before somebody asks is read after that.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from msgspec import json

from gateway.caller import INSTALLATION
from gateway.durable import Engine, Process, State, Window, Workflow, enqueue, list_processes, resume
from gateway.errors import Refused
from gateway.store import inbox
from gateway.store.database import Store
from openapi.common.types import OwnerQueue
from process_apis.ledger.keys import business_key
from process_apis.time_transfer.order import RUN, TransferOrder

BEGIN: Final = "begin_transfer"
"""The step in which a run waits for the lock: it has read nothing yet."""
PAYLOAD: Final = "time"
"""Two requests for the next run ask for the same: the second meets the first, whatever else it wanted."""


async def last_run(store: Store, connection: str) -> Process | None:
    """Return the newest run of the PSA."""
    found = await list_processes(store, INSTALLATION, Window(limit=1), kind=RUN, source=connection)
    return found.items[0] if found.items else None


async def start(
    store: Store, engine: Engine, flow: Workflow[Any], order: TransferOrder, client_id: str, correlation_id: str
) -> Process:
    """Return the run of the PSA that is open and does what is asked: met, or accepted now."""
    last = await last_run(store, order.connection)
    if last and last.ended_at is None and _does(last, order):
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
        if process.ended_at is None and _does(process, order):
            return process
        number += 1  # Somebody else's run has come and gone meanwhile, or does less.


def _does(run: Process, order: TransferOrder) -> bool:
    """Tell whether the run will do what is asked: read what has changed until now, or count all of it as well.

    One that waits for a person is met though it has read its changes: nothing would be read before it goes on.
    """
    does = json.decode(run.order, type=TransferOrder)
    if order.sweep and not does.sweep:
        return False
    if order.polled_at is not None or run.state == State.parked:
        return True
    return does.polled_at is None and run.current_step in (None, BEGIN)


async def take_up_parked(store: Store, engine: Engine, flow: Workflow[Any], order: TransferOrder) -> None:
    """Take up the PSA's runs that parked while a system was away, for so long that the engine tries them no more.

    A run that waits for a person keeps all time of its PSA waiting, also once the system is there again.
    """
    parked = await list_processes(
        store, INSTALLATION, Window(limit=10), kind=RUN, source=order.connection, state=State.parked
    )
    since = store.now() - timedelta(seconds=order.settings.retry_rejected_s)
    for run in parked.items:
        if run.tries and run.next_try_at is None and run.updated_at <= since:
            with suppress(Refused):  # Somebody was quicker.
                await resume(store, engine, flow, INSTALLATION, run.id, {})


async def waits(store: Store, order: TransferOrder) -> bool:
    """Tell whether entries wait that no run has claimed."""
    async with store.begin() as connection:
        return await inbox.waits(connection, order.source)
