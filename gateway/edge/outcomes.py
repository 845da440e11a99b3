"""What became of calls, and whether they were answered in time: the service levels of the APIs are measured by it."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from gateway.policy.operation import Operation
from gateway.telemetry.metrics import ANSWERS, LATE_ANSWERS, series

READ_S: Final = 0.3
WRITE_S: Final = 1.5
"""By then 95 of 100 are to be answered: reads, and what writes or is checked before it is accepted."""


class Outcomes:
    """The answers of this process, by the version of the API."""

    def __init__(self) -> None:
        self._answers: Counter[tuple[str, int]] = Counter()
        self._late: Counter[str] = Counter()

    def count(self, operation: Operation, status: int, took_s: float) -> None:
        """Add an answer; the time is from the call's arrival to its answer, systems behind it included."""
        self._answers[operation.name, status] += 1
        if took_s > READ_S and (took_s > WRITE_S or operation.is_safe):
            self._late[operation.name] += 1

    def figures(self) -> Mapping[str, int]:
        """Return what there is to watch, by the names of metrics; of late answers there is a zero at first."""
        figures = Counter[str]()
        for (name, status), count in self._answers.items():
            api = name.partition(":")[0]  # Here, and not with each call.
            figures[series(ANSWERS, api=api, status=str(status))] += count
            figures[series(LATE_ANSWERS, api=api)] += 0
        for name, count in self._late.items():
            figures[series(LATE_ANSWERS, api=name.partition(":")[0])] += count
        return figures
