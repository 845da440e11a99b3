"""The counting of the benchmark: what it says of calls must hold, or nobody can compare."""

import inspect
from pathlib import Path
from types import ModuleType

import pytest

from bench import release, transfer
from bench.product import CHECKED_AT_ONCE, LEAST, least_calls, upstream_calls
from bench.rounds import Spread, in_turns
from process_apis.invoice_release import workflow as releasing
from process_apis.project_onboarding import workflow


@pytest.mark.parametrize(
    ("name", "flow"), [*((name, workflow) for name in LEAST), *((name, releasing) for name in release.LEAST)]
)
def test_step_that_is_counted_is_one_of_the_workflow(name: str, flow: ModuleType) -> None:
    assert f'"{name}"' in inspect.getsource(flow)


def test_least_counts_what_was_done_each_repetition_too() -> None:
    names = {"create_task": "done", "create_task:2": "done", "create_customer": "skipped", "record_contract": "done"}

    counted = least_calls({"name": name, "state": state} for name, state in names.items())

    assert counted == CHECKED_AT_ONCE + 4


def test_calls_upstream_are_those_of_one_correlation_id(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    line = '{"message": "%s", "correlation_id": "%s"}\n'
    told = [("upstream call", "bench_1"), ("upstream call", "bench_2"), ("parked", "bench_1")]
    log.write_text("bench_1 before logging began\n" + "".join(line % pair for pair in told))

    assert upstream_calls(log, "bench_1") == 1


def test_calls_of_the_erp_are_those_of_one_correlation_id_and_one_connection(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    line = '{"message": "upstream call", "correlation_id": "%s", "connection": "%s"}\n'
    told = [("bench_1", "books"), ("bench_1", "delivery"), ("bench_2", "books")]
    log.write_text("".join(line % pair for pair in told))

    assert upstream_calls(log, "bench_1", release.ERP) == 1


@pytest.mark.parametrize(("entries", "calls"), [(1, 2), (25, 2), (26, 4), (1000, 80)])
def test_least_calls_of_a_transfer_are_a_look_and_a_send_for_each_batch(entries: int, calls: int) -> None:
    assert transfer.least_calls(entries) == calls


def test_cost_is_flat_where_an_entry_of_many_takes_as_much_as_one_of_few() -> None:
    small = transfer.Cost(1_000, seconds=2.0, cpu_s=1.0, erp_calls=90, state_bytes=4_000_000, memory_mb=100.0)
    large = transfer.Cost(10_000, seconds=20.0, cpu_s=11.0, erp_calls=900, state_bytes=40_000_000, memory_mb=110.0)

    found, alone = transfer.figures({"1k": small, "10k": large}), transfer.figures({"1k": small})

    assert found["transfer_cost_flatness"] == pytest.approx(1.1)
    assert found["transfer_entries_per_s_10k"] == 500
    assert found["transfer_erp_calls_per_1000"] == 90
    assert "transfer_cost_flatness" not in alone


async def test_every_round_takes_each_measure_in_turn() -> None:
    taken: list[str] = []

    async def one() -> dict[str, float]:
        taken.append("one")
        return {"first": len(taken)}

    async def two() -> dict[str, float]:
        taken.append("two")
        return {"second": len(taken)}

    found = await in_turns([one, two], 3)

    assert taken == ["one", "two"] * 3
    assert found == {"first": Spread(1, 3, 5, 1, 5), "second": Spread(2, 4, 6, 2, 6)}
