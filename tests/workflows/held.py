"""Requests that a hold has stopped, and overrides that a colleague asks for: put into the tables."""

from msgspec import json
from msgspec.structs import replace

from gateway.caller import INSTALLATION
from gateway.store.database import Store
from openapi.process.invoice_release.v1 import ReleaseHold
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.facts import Fact
from process_apis.ledger.hold_overrides import Override
from process_apis.ledger.hold_overriding import ask_within
from process_apis.ledger.hold_placing import find_holds
from process_apis.ledger.holds import tb_billing_hold
from process_apis.ledger.requests import InvoiceRequest, RequestState
from tests.workflows.money_stage import Money

COLLEAGUE = replace(INSTALLATION, client_id="books", subject="ana.ruiz")


async def held_request(
    money: Money, contract: SignedContract, fact: Fact, hold_id: str, **changed: object
) -> InvoiceRequest:
    """Return a request that the hold has stopped."""
    named = ReleaseHold(id=hold_id, scope="project", scope_id=contract.project, reason="dispute")
    return await money.request(contract, [fact], RequestState.held, holds=json.encode([named]).decode(), **changed)


async def asked_for(store: Store, hold_id: str, business_key: str, reason: str = "It is agreed.") -> Override:
    """Return the override that the colleague asks for."""
    async with store.begin() as connection:
        (hold,) = await find_holds(connection, tb_billing_hold.c.id == hold_id)
    async with store.begin() as connection:
        return await ask_within(connection, store, hold, COLLEAGUE, business_key, reason)
