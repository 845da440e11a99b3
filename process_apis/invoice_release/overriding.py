"""Which holds stop a release: all that are in force, but for those that two people have let its request pass.

Each passes up to the amount that was approved. One that is exceeded stops the request as if nobody had approved it.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from openapi.decimals import text_of
from process_apis.invoice_release.rules import Exceeded, Held
from process_apis.ledger.facts import Fact
from process_apis.ledger.hold_overrides import Override, approved_for
from process_apis.ledger.holds import Hold, holds_in_force, scopes_of
from process_apis.ledger.money import PLACES


class Standing(Struct, frozen=True, kw_only=True):
    """The holds in force on some facts, and those of them that the request may pass, by their ids."""

    holds: list[Hold]
    approved: dict[str, Override]

    def exceeded_by(self, net: Decimal) -> dict[str, Exceeded]:
        """Return the holds that were approved for less, by their ids."""
        return {
            hold_id: Exceeded(one.net, text_of(net, PLACES[one.currency]), one.currency)
            for hold_id, one in self.approved.items()
            if net > Decimal(one.net)
        }

    def stopping(self, exceeded: Collection[str]) -> list[Hold]:
        """Return the holds that stop it."""
        return [hold for hold in self.holds if hold.id not in self.approved or hold.id in exceeded]

    def passing(self, net: Decimal) -> list[Override]:
        """Return by what the request goes through; raises Held."""
        exceeded = self.exceeded_by(net)
        if stopping := self.stopping(exceeded):
            raise Held(stopping, exceeded)
        return list(self.approved.values())


async def standing_on(connection: AsyncConnection, facts: Sequence[Fact], business_key: str, currency: str) -> Standing:
    """Return what is in force on the facts, as far as the request with the key is concerned."""
    holds = await holds_in_force(connection, scopes_of(facts)) if facts else []
    approved = await approved_for(connection, [hold.id for hold in holds], business_key, currency)
    return Standing(holds=holds, approved=approved)
