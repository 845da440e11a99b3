"""What one request keeps for life: who is invoiced for what, through which connections, under which key. Pure."""

import hashlib
from collections.abc import Sequence
from datetime import date
from typing import Final

from msgspec import Struct

from process_apis.ledger.keys import business_key

KIND: Final = "invoice_release"
INVOICE: Final = "inv"


class ReleaseOrder(Struct, frozen=True, kw_only=True):
    """One payer of one contract, and until when work is billed."""

    erp: str
    psa: str
    legal_entity: str
    contract: str
    customer: str
    """Who pays."""
    project: str
    key_parts: tuple[str, ...]
    through: date
    allow_incomplete: bool
    requested_by: str

    @property
    def key(self) -> str:
        """Return the business key of request and invoice."""
        return invoice_key(self.key_parts)

    def part(self, name: str) -> str:
        """Return the business key of something that belongs to the invoice, such as its line `l1`."""
        return business_key(INVOICE, *self.key_parts, name)


def key_parts(legal_entity: str, contract: str, account: str, through: date, number: int) -> tuple[str, ...]:
    """Return what an invoice's key is made of: an entity's invoices of a contract, to a payer, month by month."""
    return legal_entity, contract.removeprefix("con_"), account, f"{through:%Y%m}", str(number)


def invoice_key(parts: Sequence[str]) -> str:
    """Return the business key that is made of the parts."""
    return business_key(INVOICE, *parts)


def payload_sha256(order: ReleaseOrder) -> str:
    """Return what tells one request from another: its key alone, so that one that is under way is met."""
    return hashlib.sha256(order.key.encode()).hexdigest()
