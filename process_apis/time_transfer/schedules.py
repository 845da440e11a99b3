"""When runs start by themselves: each minute, each quarter of an hour with a sweep, and at once while entries wait."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from msgspec import json, structs

from gateway.durable import Engine, Schedule, Workflow
from gateway.store.database import Store
from gateway.trace import correlation_id_of, current_correlation_id
from process_apis.time_transfer import runs
from process_apis.time_transfer.order import TransferOrder, TransferSettings
from process_apis.time_transfer.workflow import transfer_time
from system_apis.ports import Landscape, Psa

CLIENT: Final = "tiebeam"
SEVERAL: Final = "*"
"""Whose a run is whose PSA serves several entities: nobody's who is limited to one."""


def order_for(psa: Psa, settings: TransferSettings, *, sweep: bool) -> TransferOrder:
    """Return what a run of the PSA keeps."""
    served = psa.capabilities.legal_entities
    entity = served[0] if len(served) == 1 else SEVERAL
    return TransferOrder(connection=psa.connection, sweep=sweep, legal_entity=entity, settings=settings)


def schedules(
    store: Store, engine: Engine, landscape: Landscape, settings: TransferSettings, psas: Sequence[str]
) -> list[Schedule]:
    """Return the schedules of each PSA that tells of time."""
    found: list[Schedule] = []
    flow = transfer_time
    for name in psas:
        psa = landscape.psa(name)
        if not psa.capabilities.time_entries:
            continue
        poll, sweep = (order_for(psa, settings, sweep=swept) for swept in (False, True))
        polling = partial(start_if_due, store, engine, flow, poll)
        sweeping = partial(start_now, store, engine, flow, sweep)
        found += [
            Schedule(name=f"time_transfer/{name}", every_s=settings.look_s, run=polling),
            Schedule(name=f"time_sweep/{name}", every_s=settings.sweep_s, run=sweeping),
        ]
    return found


async def start_if_due(store: Store, engine: Engine, flow: Workflow[Any], order: TransferOrder) -> None:
    """Start a run where changes have not been read for long enough, or entries wait; take up one that parked.

    One for entries that wait reads no changes again: in a burst each run would read all of it.
    """
    last = await runs.last_run(store, order.connection)
    if last and last.ended_at is None:
        await runs.take_up_parked(store, engine, flow, order)
        return
    polled_at = (json.decode(last.order, type=TransferOrder).polled_at or last.created_at) if last else None
    if polled_at is None or polled_at + timedelta(seconds=order.settings.poll_s) <= store.now():
        await start_now(store, engine, flow, order)
    elif await runs.waits(store, order):
        await start_now(store, engine, flow, structs.replace(order, polled_at=polled_at))


async def start_now(store: Store, engine: Engine, flow: Workflow[Any], order: TransferOrder) -> None:
    """Start a run, or meet the one that is open; a sweep comes after one that is without."""
    correlation_id = current_correlation_id.get() or correlation_id_of(None)
    await runs.start(store, engine, flow, order, CLIENT, correlation_id)
