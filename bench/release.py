"""What an invoice takes on a real Tryton: work is booked, transferred and released, and calls of the ERP are counted.

The installation is that of `bench.product`. Calls are counted in the gateway's log, by the correlation id of the
caller's request and the connection that they went to.
"""

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.product import PATIENCE_S, POLICIES, POLL_S, onboarded
from bench.rounds import Measure
from examples.demo import orders, stage
from examples.demo.people import TrytonDesks, Work
from examples.servers.start import start_tryton

Document = dict[str, Any]
ERP: Final = "books"
TRANSFER, RELEASE = "/process/time-transfer/v1", "/process/invoice-release/v1"
LEAST: Final = {
    "check_customer": 1,
    "decide_accounting_date": 1,
    "create_invoice": 2,  # A write is a look and a send, whatever it writes.
    "post_invoice": 2,
    "post_billable_transactions": 2,  # The accrued income, released: all of an invoice's in one call.
}
"""What a step of a release cannot do without, of a vendor that answers a write with the whole document."""
RESTING: Final = frozenset({"completed", "cancelled", "parked"})


@asynccontextmanager
async def measured() -> AsyncIterator[Measure]:
    """Give the measure, its systems and the product running."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiebeam-bench-")))
        tryton = start_tryton(folder / "tryton")
        stack.callback(tryton.stop)
        config = stage.installation(folder / "installation", tryton.ready)
        (config.parent / "policies/90-bench.yaml").write_text(POLICIES)
        ready = tryton.ready
        desks = stack.enter_context(closing(TrytonDesks(f"{ready['base_url']}/psa/rpc/", ready["admin_password"])))
        log = folder / "gateway.log"
        url = stack.enter_context(stage.serving(config, log))
        headers = {"Authorization": f"Bearer {stage.token(config)}"}
        async with aiohttp.ClientSession(url, headers=headers) as caller:
            await _figures(caller, desks, log)  # Sessions, accounts and the like are read once for all.
            yield lambda: _figures(caller, desks, log)


async def _figures(caller: aiohttp.ClientSession, desks: TrytonDesks, log: Path) -> Mapping[str, float]:
    project = (await onboarded(caller, f"bench_{secrets.token_hex(8)}"))["project"]
    await asyncio.to_thread(_work_on, desks, project["code"])
    await _followed(caller, f"{TRANSFER}/runs", {"connection": "delivery"}, f"bench_{secrets.token_hex(8)}")
    wanted = {"legal_entity": "ES01", "projects": [project["id"]], "through": str(orders.last_month()[1])}
    correlation_id, began = f"bench_{secrets.token_hex(8)}", time.perf_counter()
    release = await _followed(caller, f"{RELEASE}/releases", wanted, correlation_id)
    (request,) = release["requests"]
    if request["state"] != "posted":
        raise RuntimeError(f"The invoice is {request['state']}: {request['code']} {request['detail']}")
    return {
        "invoice_s": time.perf_counter() - began,
        "invoice_erp_calls": erp_calls(log, correlation_id),
        "invoice_erp_calls_least": sum(LEAST.values()),
    }


def erp_calls(log: Path, correlation_id: str) -> int:
    """Return how many requests went to the ERP for this call, from both processes, lost and repeated ones too."""
    lines = log.read_text().splitlines()
    records = [json.loads(line) for line in lines if correlation_id in line and line.startswith("{")]
    return sum(record["message"] == "upstream call" and record["connection"] == ERP for record in records)


def _work_on(desks: TrytonDesks, project_code: str) -> None:
    """Book two people's work of last month, and approve it."""
    first, _ = orders.last_month()
    works = [
        Work("Ana Ruiz", "Build", first.replace(day=3), 60, "Loader"),
        Work("Ben Okafor", "Build", first.replace(day=4), 45, "Review"),
    ]
    desks.approve([desks.book(project_code, work) for work in works])


async def _followed(caller: aiohttp.ClientSession, path: str, body: Document, correlation_id: str) -> Document:
    """Return what was asked for, once it rests."""
    headers = {"Idempotency-Key": f'"{secrets.token_hex(8)}"', "X-Correlation-Id": correlation_id}
    async with caller.post(path, json=body, headers=headers) as accepted:
        if not accepted.ok:
            raise RuntimeError(f"{path} was refused: {await accepted.text()}")
        location = accepted.headers["Location"]
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with caller.get(location, headers={"Cache-Control": "no-cache"}) as answer:
                found: Document = await answer.json()
            if found["state"] in RESTING:
                return found
            await asyncio.sleep(POLL_S)
