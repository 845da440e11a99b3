"""The counting of the benchmark: what it says of calls must hold, or nobody can compare."""

import inspect
from pathlib import Path

import pytest

from bench.product import CHECKED_AT_ONCE, LEAST, least_calls, upstream_calls
from bench.rounds import Spread, in_turns
from process_apis.project_onboarding import workflow


@pytest.mark.parametrize("name", LEAST)
def test_step_that_is_counted_is_one_of_the_workflow(name: str) -> None:
    assert f'"{name}"' in inspect.getsource(workflow)


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
    assert found == {"first": Spread(1, 3, 5), "second": Spread(2, 4, 6)}
