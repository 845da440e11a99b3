"""A process that hammers a limit in Valkey."""

import asyncio
from typing import Final

from gateway.counters import CountersAway, Limit, Question
from gateway.counters.valkey import ValkeyCounters
from gateway.secret import Secret
from tests.faults.quota_callers import Caller, Report, Task, report

PATIENT_S: Final = 2.0
"""What is counted is the question here, and not how soon a busy machine's server does it."""


async def hammer(task: Task) -> Report:
    """Ask for a permit again as soon as there is an answer, however it was; other limits are wide."""
    counters = ValkeyCounters(Secret(task.where), bound_s=PATIENT_S)
    question = Question((Limit("wide", 1e6, 1e6), Limit("strict", task.rate, task.burst), Limit("mine", 1e6, 1e6)))

    async def ask() -> bool:
        try:
            return (await counters.ask(question)).refused_by is None
        except CountersAway:
            await asyncio.sleep(0.01)
            return False

    try:
        return await Caller(task).run(ask)
    finally:
        await counters.close()


if __name__ == "__main__":
    report(hammer)
