"""The legal entities, as far as processes decide by them. The installation's settings say what they are."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from process_apis.ledger.money import Rounding
from process_apis.ledger.taxes import TaxBasis

PeriodPolicy = Literal["reject", "next_open"]


class LegalEntity(Struct, frozen=True, kw_only=True):
    """A company that signs, invoices and keeps books."""

    code: str
    name: str
    currency: str
    country: str
    time_zone: str
    code_pattern: str
    """The project code; `{number}` is the next of the installation's sequence."""
    rounding: Rounding
    """How a line's net and a tax are rounded."""
    tax_basis: TaxBasis
    period_policy: PeriodPolicy
    """What becomes of work whose period is closed."""

    def today(self, now: datetime) -> date:
        """Return the day that it is where the entity is."""
        return now.astimezone(ZoneInfo(self.time_zone)).date()


Entities = Mapping[str, LegalEntity]
