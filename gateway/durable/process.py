"""What handlers do with processes: ask for one, and wait for it."""

import asyncio
from typing import Any, Final

from msgspec import Struct, json
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.caller import INSTALLATION
from gateway.durable import marks
from gateway.durable.engine import Engine, Start
from gateway.durable.workflow import Workflow
from gateway.errors import Refused
from gateway.store import processes
from gateway.store.database import Store
from gateway.store.ids import new_id
from gateway.store.inserts import insert_into
from gateway.store.processes import Process, State, tb_process_instance
from gateway.trace import current_trace
from openapi.common.types import Code, Money
from openapi.common.types import Outcome as Effect

POLL_S: Final = 0.1  # A person does not notice, and neither does the database.


async def enqueue(  # noqa: PLR0913 - each is given by name
    store: Store,
    engine: Engine,
    workflow: Workflow[Any],
    order: Struct,
    *,
    key: str,
    payload_sha256: str,
    caller_client_id: str,
    correlation_id: str,
    legal_entity: str,
    owner: str,
    customer: str | None = None,
    project: str | None = None,
    source: str | None = None,
    external_id: str | None = None,
    amount: Money | None = None,
) -> Process:
    """Return the process that carries the key: accepted now, or met. One that was cancelled is attempted anew.

    The row, its event and the engine's work are there together, or not at all. `external_id` is that of the system
    `source`, `amount` what is at risk while the process does not go on. Raises Refused(process_payload_conflict), which
    names the process, where the key is taken with another payload.
    """
    trace = current_trace.get()
    asked: dict[str, object] = {
        "payload_sha256": payload_sha256,
        "caller_client_id": caller_client_id,
        "correlation_id": correlation_id,
        "legal_entity": legal_entity,
        "owner": owner,
        "customer": customer,
        "project": project,
        "source": source,
        "external_id": external_id,
        "amount": json.encode(amount).decode() if amount else None,
        "order": json.encode(order).decode(),
        "traceparent": trace.parent if trace else None,
    }
    async with store.begin() as connection:
        process = await _begun(connection, store, workflow.kind, key, asked)
        if process is None:
            return await _met(connection, workflow.kind, key, payload_sha256)
        await marks.tell(connection, store, process)
        await connection.run_sync(engine.enqueue, workflow.name, process.workflow_id, _start(process))
        return process


async def _begun(
    connection: AsyncConnection, store: Store, kind: str, key: str, asked: dict[str, object]
) -> Process | None:
    """Return the process, accepted in this transaction; or None where one is there that was not cancelled."""
    now = store.now()
    fresh: dict[str, object] = {
        **asked,
        "state": State.accepted.value,
        "outcome": Effect.none.value,
        "tries": 0,
        "giving_up": False,
        "pivot_at": None,
        "result": None,
        "ended_at": None,
        "current_step": None,
        "updated_at": now,
        **marks.FREE,
    }
    table = tb_process_instance
    identity = {"id": new_id("pin", now), "kind": kind, "business_key": key, "attempt": 1, "version": 1}
    again = {**fresh, "attempt": table.c.attempt + 1, "version": table.c.version + 1}
    inserting = insert_into(connection, table).values(**identity, **fresh, created_at=now)
    cancelled = table.c.state == State.cancelled.value
    met = inserting.on_conflict_do_update(index_elements=["kind", "business_key"], set_=again, where=cancelled)
    row = (await connection.execute(met.returning(table))).one_or_none()
    return Process.of(row) if row else None


async def _met(connection: AsyncConnection, kind: str, key: str, payload_sha256: str) -> Process:
    table = tb_process_instance
    asked = select(table).where(table.c.kind == kind, table.c.business_key == key)
    process = Process.of((await connection.execute(asked)).one())
    if process.payload_sha256 != payload_sha256:
        detail = "The business key is taken with another payload. Read that process; a change of it is an amendment."
        raise Refused(Code.process_payload_conflict, detail, process_id=process.id)
    return process


def _start(process: Process) -> Start:
    return Start(
        process_id=process.id,
        attempt=process.attempt,
        order=process.order,
        correlation_id=process.correlation_id,
        traceparent=process.traceparent,
    )


async def wait_until_resting(store: Store, process_id: str, seconds: float) -> Process:
    """Return the process once it has ended or is parked, or as it is after so many seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        process = await processes.get(store, INSTALLATION, process_id)
        left_s = until - loop.time()
        if process.at_rest or left_s <= 0:
            return process
        await asyncio.sleep(min(POLL_S, left_s))
