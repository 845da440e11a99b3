"""Runs and recalls as they are answered: the process, its steps, and what these have counted."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct, json
from sqlalchemy import func, select

from gateway.caller import Caller
from gateway.store import process_steps, work_items
from gateway.store.database import Store
from gateway.store.pages import Window
from gateway.store.process_steps import ProcessStep
from gateway.store.processes import Process, State
from openapi.common.types import Code
from openapi.process.time_transfer.v1 import (
    Recall,
    RecallObject,
    RecallState,
    RunAmount,
    RunCounts,
    RunObject,
    RunState,
    RunStep,
    TransferRun,
)
from process_apis.ledger.entries import Transfer, tb_time_entry
from process_apis.ledger.money import money
from process_apis.time_transfer.order import Counts, RecallOrder, TransferOrder

ALL: Final = Window(limit=1000)
WAITS: Final = (Code.lock_held.value, Code.dependency_not_ready.value)
"""A recall that is parked by one of these goes on by itself."""
NUMBERS: Final = tuple(name for name in RunCounts.__struct_fields__ if name != "in_doubt")


class Counted(Struct, frozen=True, kw_only=True):
    """What the value of a step may have: most steps have none of it."""

    counts: Counts = Counts()
    more: bool = False


async def runs(store: Store, caller: Caller, found: Sequence[Process]) -> list[TransferRun]:
    """Return the runs as they are answered."""
    ids = [process.id for process in found]
    steps = await process_steps.list_all(store, caller, ids)
    items = (await work_items.list_all(store, caller, ALL, process_id=ids)).items if ids else []
    doubts = await _in_doubt(store, {process.source or "" for process in found if process.ended_at is None})
    return [
        _run(
            process,
            steps[process.id],
            [item.id for item in items if item.process_id == process.id],
            doubts[process.source or ""] if process.ended_at is None else None,
        )
        for process in found
    ]


async def _in_doubt(store: Store, connections: set[str]) -> defaultdict[str, int]:
    column = tb_time_entry.c
    mine = (column.psa.in_(sorted(connections)), column.transfer == Transfer.in_doubt.value)
    async with store.begin() as connection:
        rows = await connection.execute(
            select(column.psa, func.count().label("found")).where(*mine).group_by(column.psa)
        )
        return defaultdict(int, {row.psa: row.found for row in rows})


def _run(process: Process, steps: Sequence[ProcessStep], items: list[str], in_doubt: int | None) -> TransferRun:
    order = json.decode(process.order, type=TransferOrder)
    counts = [_counts_of(step) for step in steps]
    return TransferRun(
        id=process.id,
        object=RunObject.run,
        version=process.version,
        business_key=process.business_key,
        connection=order.connection,
        sweep=order.sweep,
        state=RunState(process.state),
        outcome=process.outcome,
        current_step=process.current_step,
        counts=RunCounts(
            **{name: sum(getattr(one, name) for one in counts) for name in NUMBERS},
            in_doubt=sum(one.in_doubt for one in counts) if in_doubt is None else in_doubt,
        ),
        amounts=_amounts(counts),
        more=bool(process.result) and json.decode(process.result or "{}", type=Counted).more,
        steps=[step.shown_as(RunStep) for step in steps],
        work_items=items,
        correlation_id=process.correlation_id,
        created_at=process.created_at,
        updated_at=process.updated_at,
    )


def _counts_of(step: ProcessStep) -> Counts:
    """Return what the step has counted: it returned counts, or something that has some."""
    value = json.decode(step.value) if step.value else None
    if not isinstance(value, dict):
        return Counts()
    return msgspec.convert(value.get("counts", value), Counts)


def _amounts(counts: Iterable[Counts]) -> list[RunAmount]:
    posted, at_risk = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    for one in counts:
        for sums, amounts in ((posted, one.amounts), (at_risk, one.at_risk)):
            for currency, amount in amounts.items():
                sums[currency] += Decimal(amount)
    return [
        RunAmount(posted=money(posted[currency], currency), at_risk=money(at_risk[currency], currency))
        for currency in sorted({*posted, *at_risk})
    ]


async def recall(store: Store, caller: Caller, process: Process) -> Recall:
    """Return the recall as it is answered."""
    order = json.decode(process.order, type=RecallOrder)
    items = (await work_items.list_all(store, caller, ALL, process_id=process.id)).items
    waits = process.state == State.parked and process.parked_code in WAITS
    return Recall(
        id=process.id,
        object=RecallObject.recall,
        version=process.version,
        business_key=process.business_key,
        connection=order.connection,
        entry_id=order.entry_id,
        revision=order.revision,
        withdraw=order.withdraw,
        reason=order.reason,
        state=RecallState.pending if waits else RecallState(process.state),
        outcome=process.outcome,
        current_step=process.current_step,
        work_items=[item.id for item in items],
        correlation_id=process.correlation_id,
        created_at=process.created_at,
        updated_at=process.updated_at,
    )
