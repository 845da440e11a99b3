"""What an invoice takes on a real Tryton: work is booked, transferred and released, and calls of the ERP are counted.

The installation is that of `bench.product`. Calls are counted in the gateway's log, by the correlation id of the
caller's request and the connection that they went to.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.product import PATIENCE_S, POLL_S, onboarded, running, upstream_calls
from bench.rounds import Measure
from examples.demo import orders
from examples.demo.people import TrytonDesks, Work

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
    async with running() as product:
        url = f"{product.tryton['base_url']}/psa/rpc/"
        with closing(TrytonDesks(url, product.tryton["admin_password"])) as desks:
            await _figures(product.caller, desks, product.log)  # Sessions, accounts and the like are read once for all.
            yield lambda: _figures(product.caller, desks, product.log)


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
        "invoice_erp_calls": upstream_calls(log, correlation_id, ERP),
        "invoice_erp_calls_least": sum(LEAST.values()),
    }


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
