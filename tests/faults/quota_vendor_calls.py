"""A process that calls a vendor through the real egress, as web process or worker of an installation without Redis."""

from pathlib import Path

from gateway.correlation import belonging
from gateway.counters.local import LocalCounters
from gateway.egress.limits import Part
from gateway.egress.upstreams import Upstreams
from gateway.trace import Trace
from tests.egress_world import BOOKS, terms
from tests.faults.quota_callers import Caller, Report, Task, report


async def call(task: Task) -> Report:
    """Call the vendor through the real egress, in one of the parts that share its limit."""
    counters = LocalCounters(Path(task.where))
    allowed = terms(rate=task.rate, burst=task.burst, concurrency=4 * task.callers)
    egress = Upstreams({BOOKS: allowed}, part=Part(task.part), counters=counters)
    http = egress.http(BOOKS)

    async def ask() -> bool:
        await http.call("GET", task.vendor, operation="find", write=False)
        return True

    try:
        with belonging(correlation_id="cor_quota", trace=Trace.begin()):
            return await Caller(task).run(ask)
    finally:
        await egress.close()
        await counters.close()


if __name__ == "__main__":
    report(call)
