"""What operators see of answers: how many there were of each API and status, and how many were late."""

import pytest

from gateway.telemetry.metrics import ANSWERS, LATE_ANSWERS
from tests.edge_world import CUSTOMER, CUSTOMERS, ONBOARDINGS, STATUS, Seen, World


def figures(world: World, name: str) -> dict[str, object]:
    shown = world.kit.metrics.snapshot()
    return {series.removeprefix(name): value for series, value in shown.items() if series.startswith(name)}


def taking(world: World, took_s: float) -> None:
    """Let every operation take so long."""

    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        world.clock.forward(took_s)
        return 200, {"content-type": "application/json"}, b"{}"

    world.framework.respond = respond


async def test_every_answer_counts_under_its_api_and_status(world: World) -> None:
    for target in (STATUS, STATUS, CUSTOMER, "/process/status/v1/nothing", "/docs", "/system/%"):
        await world.send("GET", target)
    await world.send("GET", STATUS, token=None)
    await world.send("POST", ONBOARDINGS)

    assert figures(world, ANSWERS) == {
        '{api="process/status/v1",status="200"}': 2,
        '{api="process/status/v1",status="401"}': 1,
        '{api="system/erp/v1",status="200"}': 1,
        '{api="process/project_onboarding/v1",status="400"}': 1,
        '{api="unmatched",status="404"}': 1,
        '{api="unmatched",status="400"}': 1,
        '{api="page",status="200"}': 1,
    }


async def test_failure_of_ours_counts_as_such(world: World) -> None:
    async def respond(_seen: Seen) -> tuple[int, dict[str, str], bytes]:
        raise ZeroDivisionError

    world.framework.respond = respond
    await world.send("GET", STATUS)

    assert figures(world, ANSWERS) == {'{api="process/status/v1",status="500"}': 1}


@pytest.mark.parametrize(
    ("method", "target", "took_s", "late"),
    [("GET", STATUS, 0.25, 0), ("GET", STATUS, 0.5, 1), ("POST", CUSTOMERS, 1.25, 0), ("POST", CUSTOMERS, 1.75, 1)],
)
async def test_read_is_late_after_300_ms_and_a_write_after_1500(
    world: World, method: str, target: str, took_s: float, late: int
) -> None:
    taking(world, took_s)

    await world.send(method, target)

    assert [*figures(world, LATE_ANSWERS).values()] == [late]


async def test_kept_answer_is_in_time_whatever_it_took_at_first(world: World) -> None:
    taking(world, 0.5)
    await world.send("GET", STATUS)

    await world.send("GET", STATUS)

    assert figures(world, LATE_ANSWERS) == {'{api="process/status/v1"}': 1}
    assert figures(world, ANSWERS) == {'{api="process/status/v1",status="200"}': 2}
