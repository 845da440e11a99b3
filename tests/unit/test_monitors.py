"""What the monitors read, on both databases; and that one which fails hides nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import json
from sqlalchemy import Boolean, Date, Integer, Table, event, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

import process_apis
from gateway.platform import monitors, queues
from gateway.platform.monitors import Monitors
from gateway.store.database import Store, create_engine, metadata
from gateway.store.inbox import tb_inbox
from gateway.store.instant import Instant
from gateway.store.processes import tb_process_instance
from gateway.store.work_items import tb_work_item
from gateway.telemetry.metrics import Figures, Metrics
from openapi.common.types import Money
from process_apis.ledger.contracts import tb_contract
from process_apis.ledger.customers import tb_customer
from process_apis.ledger.entries import tb_time_entry
from process_apis.ledger.projects import tb_project
from process_apis.ledger.requests import tb_invoice_request
from process_apis.time_transfer.sweeping import SWEEP
from tests.fakes.clock import Clock, Time


class Books:
    """A database into which rows are put as they are; what is not said is filled in."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock, self._number = store, clock, 0

    async def put(self, table: Table, **values: Any) -> None:  # noqa: ANN401 - any column's
        self._number += 1
        filled = {column.name: self._filled(column) for column in table.columns if not column.nullable}
        async with self.store.begin() as connection:
            await connection.execute(insert(table).values(filled | values))

    def _filled(self, column: Any) -> object:  # noqa: ANN401 - a column of any type
        for kind, value in ((Integer, self._number), (Boolean, False), (Date, date(2026, 11, 2))):
            if isinstance(column.type, kind):
                return value
        return self.clock() if isinstance(column.type, Instant) else f"r{self._number}"

    async def read(self, name: str) -> Figures:
        async with self.store.begin() as connection:
            return await {"queues": queues.ages, **process_apis.MONITORS}[name](connection, self.clock())

    def ago(self, **passed: float) -> datetime:
        return self.clock() - timedelta(**passed)


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Books]:
    clock = Clock()
    store = Store(create_engine(database_url), clock)
    async with store.begin() as connection:
        await connection.run_sync(metadata.create_all)
    opened = Books(store, clock)
    await opened.put(tb_process_instance, id="pin_1", kind="toy", state="running")
    yield opened
    await store.close()


async def item(books: Books, **values: Any) -> None:  # noqa: ANN401 - any column's
    """Put a work item there that is open, unless it is said to be something else."""
    await books.put(tb_work_item, **{"process_id": "pin_1", "state": "open", "legal_entity": "ES01"} | values)


def at_risk(amount: str, currency: str = "EUR") -> str:
    return json.encode(Money(amount=amount, currency=currency)).decode()


async def test_nothing_that_waits_is_no_series(books: Books) -> None:
    assert [await books.read(name) for name in ("queues", *process_apis.MONITORS)] == [{}] * 6


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("posting_delay", "ix_tb_time_entry_waiting"),
        ("invoice_failures", "ix_tb_invoice_request_state"),
        ("invoice_breaks", "ix_tb_invoice_request_mismatch"),
    ],
)
async def test_monitor_reads_an_index_and_not_all_that_was_ever_posted(books: Books, name: str, index: str) -> None:
    explained = list[str]()

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, *_: object) -> None:  # noqa: ANN401
        sqlite = connection.dialect.name == "sqlite"
        cursor = connection.connection.cursor()
        if not sqlite:
            cursor.execute("SET LOCAL enable_seqscan = off")  # Of an empty table it would read all.
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement}", parameters)
        explained.extend(map(str, cursor.fetchall()))

    event.listen(books.store.engine.sync_engine, "before_cursor_execute", explain)
    await books.read(name)

    assert index in "\n".join(explained)


async def test_queue_is_as_old_as_what_nobody_has_begun_with(books: Books) -> None:
    told = {"connection": "delivery", "object_type": "time_entry"}
    await books.put(tb_inbox, **told, received_at=books.ago(seconds=40))
    await books.put(tb_inbox, **told, received_at=books.ago(seconds=90))
    await books.put(tb_inbox, **told, received_at=books.ago(hours=9), batch="claimed")
    await books.put(tb_process_instance, kind="project_onboarding", state="accepted", updated_at=books.ago(seconds=7))

    assert await books.read("queues") == {
        'tiebeam_queue_age_seconds{queue="delivery/time_entry"}': 90,
        'tiebeam_queue_age_seconds{queue="project_onboarding"}': 7,
    }


async def test_onboardings_that_wait_are_counted_by_who_has_to_resolve_them(books: Books) -> None:
    onboarding = {"process_kind": "project_onboarding", "owner_queue": "Sales Ops", "code": "customer.merged"}
    await item(books, **onboarding)
    await item(books, **onboarding, state="assigned")
    await item(books, **onboarding, state="resolved")
    await item(books, **onboarding | {"process_kind": "time_transfer"})

    assert await books.read("onboarding_work_items") == {
        'tiebeam_onboarding_work_items{code="customer.merged",owner_queue="Sales Ops"}': 2
    }


async def test_oldest_entry_that_is_approved_and_not_posted_says_the_delay(books: Books) -> None:
    approved = {"approval": "approved", "legal_entity": "ES01"}
    await books.put(tb_time_entry, **approved, transfer="queued", first_approved_at=books.ago(minutes=5))
    await books.put(tb_time_entry, **approved, transfer="rejected_validation", first_approved_at=books.ago(minutes=20))
    await books.put(tb_time_entry, **approved, transfer="posted", first_approved_at=books.ago(days=9))
    await books.put(tb_time_entry, approval="recalled", transfer="queued", first_approved_at=books.ago(days=9))

    assert await books.read("posting_delay") == {'tiebeam_posting_delay_seconds{legal_entity="ES01"}': 1200}


async def contract(books: Books) -> None:
    """Put a contract there, with what it belongs to."""
    await books.put(tb_customer, id="cus_1")
    await books.put(tb_project, id="prj_1", customer="cus_1")
    await books.put(tb_contract, id="con_1", customer="cus_1", project="prj_1")


async def invoice(books: Books, **values: Any) -> None:  # noqa: ANN401 - any column's
    """Put a request for an invoice there."""
    of = {"process_id": "pin_1", "contract": "con_1", "legal_entity": "ES01", "currency": "EUR"}
    await books.put(tb_invoice_request, **of | values)


async def test_invoices_that_were_refused_are_counted_and_stay_so(books: Books) -> None:
    await contract(books)
    await invoice(books, state="rejected", code="po.missing")
    await invoice(books, state="held", code="billing.hold_active")
    await invoice(books, state="rejected")
    await invoice(books, state="posted", code="po.missing")

    assert await books.read("invoice_failures") == {
        'tiebeam_invoice_failures_total{code="billing.hold_active",legal_entity="ES01"}': 1,
        'tiebeam_invoice_failures_total{code="po.missing",legal_entity="ES01"}': 1,
        'tiebeam_invoice_failures_total{code="unknown",legal_entity="ES01"}': 1,
    }


async def test_invoice_of_another_amount_than_was_asked_for_is_a_break_of_the_difference(books: Books) -> None:
    await contract(books)
    await invoice(books, state="posted", gross="121.00", erp_gross="120.90")
    await invoice(books, state="posted", gross="121.00", erp_gross="121.05")
    await invoice(books, state="posted", gross="121.00", erp_gross="121.0")
    await invoice(books, state="submitted", gross="121.00")

    assert await books.read("invoice_breaks") == {
        'tiebeam_reconciliation_breaks{category="amount_mismatch",legal_entity="ES01"}': 2,
        'tiebeam_reconciliation_breaks_amount{category="amount_mismatch",currency="EUR",legal_entity="ES01"}': Decimal(
            "0.15"
        ),
    }


async def test_money_in_breaks_is_summed_exactly_and_one_of_unknown_amount_is_counted(books: Books) -> None:
    of_time = {"process_kind": "time_transfer"}
    await item(books, **of_time, code="period.closed", amount_at_risk=at_risk("0.10"))
    await item(books, **of_time, code="po.missing", amount_at_risk=at_risk("0.20"))
    await item(books, **of_time, code="upstream.timeout_uncertain", amount_at_risk=at_risk("-7.00"))
    await item(books, **of_time, code="upstream.conflict_stale", step=SWEEP)
    await item(books, **of_time, code="po.missing", amount_at_risk=at_risk("99.00"), state="auto_resolved")

    assert await books.read("time_breaks") == {
        'tiebeam_reconciliation_breaks{category="missing_in_erp",legal_entity="ES01"}': 2,
        'tiebeam_reconciliation_breaks{category="stuck_in_doubt",legal_entity="ES01"}': 1,
        'tiebeam_reconciliation_breaks{category="unexplained",legal_entity="ES01"}': 1,
        'tiebeam_reconciliation_breaks_amount{category="missing_in_erp",currency="EUR",legal_entity="ES01"}': Decimal(
            "0.30"
        ),
        'tiebeam_reconciliation_breaks_amount{category="stuck_in_doubt",currency="EUR",legal_entity="ES01"}': Decimal(
            "7.00"
        ),
    }


async def well(connection: AsyncConnection, now: datetime) -> Figures:  # noqa: ARG001 - a monitor's signature
    return {"well": 1}


async def broken(connection: AsyncConnection, now: datetime) -> Figures:  # noqa: ARG001 - a monitor's signature
    await connection.execute(update(tb_inbox).values(no_column=1))
    return {"broken": 1}


async def stuck(connection: AsyncConnection, now: datetime) -> Figures:  # noqa: ARG001 - a monitor's signature
    await asyncio.Event().wait()
    return {"stuck": 1}


async def test_monitor_that_fails_or_takes_too_long_is_left_out_and_counted(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitors, "PATIENCE_S", 0.05)
    metrics = Metrics()
    watched = Monitors(books.store, {"broken": broken, "stuck": stuck, "well": well}, metrics)

    assert await watched.read() == {"well": 1}
    assert metrics.snapshot() == failed(broken=1, stuck=1, well=0)


def failed(**counts: int) -> Mapping[str, int]:
    return {f'tiebeam_monitor_failures_total{{monitor="{name}"}}': count for name, count in counts.items()}


async def test_what_was_read_is_repeated_for_some_seconds(books: Books) -> None:
    read, time = [], Time()

    async def counted(connection: AsyncConnection, now: datetime) -> Figures:  # noqa: ARG001 - a monitor's signature
        read.append(now)
        return {"read": len(read)}

    watched = Monitors(books.store, {"counted": counted}, Metrics(), time)
    together = await asyncio.gather(*(watched.read() for _ in range(3)))
    time.now += monitors.FRESH_S - 1
    later = await watched.read()
    time.now += 1

    assert [*together, later] == [{"read": 1}] * 4
    assert await watched.read() == {"read": 2}
