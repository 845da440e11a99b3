"""A hold that races a release on the running product, and who was first by the database's own order."""

import asyncio
from datetime import datetime
from random import Random
from typing import Final, NamedTuple

from sqlalchemy import select

from gateway.store.database import Store
from process_apis.ledger.facts import Kind, tb_fact
from process_apis.ledger.holds import tb_billing_hold
from process_apis.ledger.requests import RequestState, tb_invoice_request, tb_invoice_request_fact
from tests.faults.killing_money import HOLDS, PSA, TRANSFER, Case, Money
from tests.faults.mortal import Document

SCOPES: Final = ("customer", "contract", "contract_line", "project", "milestone", "fact")
ABOUT_ONE_THING: Final = ("milestone", "fact")
"""A hold on one of these asks about an invoice that is posted already; a wider one means the next."""
BY_THE_HOUR: Final = 2
"""The line of the contract that time is billed under."""


class Race(NamedTuple):
    """A release, and a hold that is placed so many seconds after it was asked for; before it, where that is less."""

    case: Case
    scope_type: str
    scope_id: str
    after_s: float


class Run(NamedTuple):
    """What both were answered."""

    race: Race
    release: Document
    hold: Document


class Submitted(NamedTuple):
    """A request as the database has it, with those of its facts that the hold is about."""

    id: str
    state: RequestState
    submitted_at: datetime | None
    posted_at: datetime | None
    number: str | None
    held_facts: int


async def drawn(money: Money, case: Case, number: int, lasts_s: float) -> Race:
    """Return the race of a number: each scope in turn, at a random moment of a release that lasts so long."""
    chance, scope_type = Random(number), SCOPES[number % len(SCOPES)]  # noqa: S311 - it is to come again
    scope_id = await _scope_id(money, case, scope_type)
    return Race(case, scope_type, scope_id, chance.uniform(-0.1, 1.0) * lasts_s)


async def _scope_id(money: Money, case: Case, scope_type: str) -> str:
    job = case.job
    if scope_type == "fact":
        entry = await money.product.call("GET", f"{TRANSFER}/entries?connection={PSA}&external_id={case.entries[0]}")
        return str(next(fact["id"] for fact in entry["items"][0]["facts"] if fact["kind"] == "unbilled_sale"))
    ids = {"customer": job.customer, "contract": job.contract, "project": job.id, "milestone": job.milestone}
    return {**ids, "contract_line": f"{job.contract}-{BY_THE_HOUR}"}[scope_type]


async def run(money: Money, race: Race) -> Run:
    """Return what both were answered at first; nobody waits for the other."""

    async def placed() -> Document:
        await asyncio.sleep(max(race.after_s, 0.0))
        return await money.hold(race.scope_type, race.scope_id)

    async def released() -> Document:
        await asyncio.sleep(max(-race.after_s, 0.0))
        return await money.start_release(race.case.job)

    hold, release = await asyncio.gather(placed(), released())
    return Run(race, release, hold)


async def at_rest(money: Money, running: Run) -> Run:
    """Return it once nothing is under way any more."""
    hold = await money.product.call("GET", f"{HOLDS}/{running.hold['id']}")
    return running._replace(release=await money.released(running.release), hold=hold)


async def submitted(store: Store, race: Race) -> list[Submitted]:
    """Return the requests of the contract, the oldest first."""
    request, on, fact = tb_invoice_request.c, tb_invoice_request_fact.c, tb_fact.c
    asked = select(request.id, request.state, request.submitted_at, request.posted_at, request.invoice_number)
    within = select(fact.id, fact.kind, fact.contract_line, on.request_id).join(on_fact := tb_invoice_request_fact)
    async with store.begin() as connection:
        requests = (await connection.execute(asked.where(request.contract == race.case.job.contract))).all()
        facts = (await connection.execute(within.where(on_fact.c.live))).all()
    found = []
    for row in requests:
        held = [
            one for one in facts if one.request_id == row.id and _is_held(race, one.id, one.kind, one.contract_line)
        ]
        found.append(Submitted(row.id, RequestState(row.state), *row[2:5], len(held)))
    return found


def _is_held(race: Race, fact_id: str, kind: str, contract_line: int) -> bool:
    """Tell whether the hold is about the fact, in words of this test's own."""
    match race.scope_type:
        case "fact":
            return fact_id == race.scope_id
        case "milestone":
            return kind == Kind.fee  # There is one.
        case "contract_line":
            return contract_line == BY_THE_HOUR
    return True


async def stored_at(store: Store, hold: Document) -> datetime:
    """Return when the hold was stored: like `submitted_at` read off the clock under the lock that both take."""
    columns = tb_billing_hold.c
    async with store.begin() as connection:
        asked = select(columns.placed_at).where(columns.id == hold["id"])
        placed_at: datetime = (await connection.execute(asked)).scalar_one()
    return placed_at
