"""What the whole product does on a real Tryton: an onboarding's time and calls upstream, and status reads a second.

The installation is the demo's, with quotas that a benchmark does not meet. Calls are counted in the gateway's log: both
processes write a line for each request that they send to a vendor, with the correlation id of the CRM's call.
"""

import asyncio
import json
import secrets
import string
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
from stdnum.es import cif

from bench.rounds import Measure
from examples.demo import orders, stage
from examples.servers.start import start_tryton

Document = dict[str, Any]

POLICIES: Final = """
policies:
  - {kind: rate_limit, per: client, limit: 1000000, window_s: 1, when_unavailable: allow}
  - kind: upstream
    quota: {rate: 10000, burst: 10000, concurrency: 16, interactive_share: 0.5, when_unavailable: refuse}
    patience: {deadline_s: 20, connect_s: 2, read_retries: 3}
    circuit: {failures: 5, open_s: 10}
    cache_s: 15
"""
LEAST: Final = {
    "check_customer": 1,  # Is one there with our key, with this tax id, or with a name like this?
    "reserve_code": 2,  # Each system: is the code in use?
    "create_customer": 2,  # A write is a look and a send, whatever it writes.
    "create_project": 2,
    "create_task": 2,
    "create_milestone": 2,
    "create_accounting_project": 2,
    "read_back": 3,  # Each system's project, and the customer.
    "activate_accounting_project": 2,
    "open_project": 2,
}
"""What a step cannot do without, were everything else known: sessions, companies, people, terms of payment.

A vendor that came so far would answer a write with the whole document, and take all questions about customers as one.
Tryton answers with ids, so that each of its writes is read back; and its projects are customers' in the PSA too.
"""
CHECKED_AT_ONCE: Final = 2
"""Before the order is accepted: is the customer there, and is the manager a person in the PSA?"""

READERS: Final = 16
READING_S: Final = 1.5
POLL_S: Final = 0.02
PATIENCE_S: Final = 60.0


class Running(NamedTuple):
    """The product on a real Tryton, as somebody meets it who measures it."""

    caller: aiohttp.ClientSession
    log: Path
    tryton: Mapping[str, Any]


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    """Give the product and its systems, running."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tiebeam-bench-")))
        tryton = start_tryton(folder / "tryton")
        stack.callback(tryton.stop)
        config = stage.installation(folder / "installation", tryton.ready)
        (config.parent / "policies/90-bench.yaml").write_text(POLICIES)
        log = folder / "gateway.log"
        url = stack.enter_context(stage.serving(config, log))
        headers = {"Authorization": f"Bearer {stage.token(config)}"}
        async with aiohttp.ClientSession(url, headers=headers) as caller:
            yield Running(caller, log, tryton.ready)


@asynccontextmanager
async def measured() -> AsyncIterator[Measure]:
    """Give the measure, its systems and the product running."""
    async with running() as product:
        await onboarded(product.caller, "warm")  # Sessions, companies and the like are read once for all.
        yield lambda: _figures(product.caller, product.log)


async def _figures(crm: aiohttp.ClientSession, log: Path) -> Mapping[str, float]:
    correlation_id = f"bench_{secrets.token_hex(8)}"
    began = time.perf_counter()
    onboarding = await onboarded(crm, correlation_id)
    seconds = time.perf_counter() - began
    status = f"/process/status/v1/project-statuses/{onboarding['project']['id']}"
    return {
        "onboarding_s": seconds,
        "onboarding_upstream_calls": upstream_calls(log, correlation_id),
        "onboarding_least_calls": least_calls(onboarding["steps"]),
        "status_reads_cached_per_s": await _reads_per_s(crm, status, {}),
        "status_reads_uncached_per_s": await _reads_per_s(crm, f"{status}?fresh=true", {"Cache-Control": "no-cache"}),
    }


def upstream_calls(log: Path, correlation_id: str, connection: str | None = None) -> int:
    """Return how many requests went to a vendor, or over one connection, for this call.

    From both processes, lost and repeated ones too.
    """
    lines = log.read_text().splitlines()
    records = [json.loads(line) for line in lines if correlation_id in line and line.startswith("{")]
    calls = [record for record in records if record["message"] == "upstream call"]
    return sum(connection in {None, call.get("connection")} for call in calls)


def least_calls(steps: Iterable[Mapping[str, Any]]) -> int:
    """Return how few calls could have done what these steps did."""
    done = [step["name"].partition(":")[0] for step in steps if step["state"] == "done"]
    return CHECKED_AT_ONCE + sum(LEAST.get(name, 0) for name in done)


async def onboarded(crm: aiohttp.ClientSession, correlation_id: str) -> Document:
    """Return the onboarding of a new customer's first project, active."""
    body = orders.statement_of_work(secrets.token_hex(4), _customer(), f"Project {_word()}", "CONS")
    headers = {"Idempotency-Key": f'"{secrets.token_hex(8)}"', "X-Correlation-Id": correlation_id.ljust(8, "_")}
    async with crm.post("/process/project-onboarding/v1/onboardings", json=body, headers=headers) as accepted:
        if not accepted.ok:
            raise RuntimeError(f"The onboarding was refused: {await accepted.text()}")
        location = accepted.headers["Location"]
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with crm.get(location, headers={"Cache-Control": "no-cache"}) as answer:
                onboarding: Document = await answer.json()
            if onboarding["state"] == "active":
                return onboarding
            if onboarding["state"] == "parked":
                raise RuntimeError(f"The onboarding has parked at {onboarding['current_step']}.")
            await asyncio.sleep(POLL_S)


async def _reads_per_s(crm: aiohttp.ClientSession, path: str, headers: Mapping[str, str]) -> float:
    """Return how many answers READERS get in a second, each asking again at once."""
    until = time.perf_counter() + READING_S

    async def read() -> int:
        answers = 0
        while time.perf_counter() < until:
            async with crm.get(path, headers=headers) as answer:
                answer.raise_for_status()
                await answer.read()
            answers += 1
        return answers

    return sum(await asyncio.gather(*(read() for _ in range(READERS)))) / READING_S


def _customer() -> Document:
    """Return a customer whom nobody could take for another one."""
    name, number = f"{_word()} {_word()}", f"B{secrets.randbelow(10**7):07}"
    tax_id = f"ES{number}{cif.calc_check_digits(number)[0]}"
    return orders.HARBOUR | {"account": secrets.token_hex(4), "name": name, "legal_name": name, "tax_id": tax_id}


def _word() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(10)).capitalize()
