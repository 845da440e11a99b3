"""Tryton's periods, products and taxes → the contract's. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from gateway.errors import Refused
from openapi.common.types import Code
from openapi.decimals import text_of
from openapi.system.erp.v1 import Activity, Item, Period, PeriodState, TaxCode
from system_apis.connectors.tryton.erp import wire

PERIODS: Final[Mapping[str, PeriodState]] = {
    "open": PeriodState.open,
    "closed": PeriodState.soft_closed,  # Finance can reopen it.
    "locked": PeriodState.closed,
}


def to_period(period: wire.Period, entity: str) -> Period:
    """Return the canonical period; a state without a row in PERIODS is refused."""
    if period.state not in PERIODS:
        raise Refused(Code.mapping_missing, f"Give Tryton's period state {period.state!r} a row.")
    return Period(
        id=str(period.id),
        version=period.stamp,
        legal_entity=entity,
        name=period.name,
        start=period.start_date,
        end=period.end_date,
        state=PERIODS[period.state],
        references=[],
    )


def to_item(product: wire.Product) -> Item:
    """Return the canonical item."""
    return Item(
        id=str(product.id),
        version=product.stamp,
        code=product.code or None,
        name=product.name or "",
        unit=product.default_uom.name.casefold() if product.default_uom else None,
        state=_activity(active=bool(product.active)),
        references=[],
    )


def to_tax_code(tax: wire.Tax, entity: str) -> TaxCode:
    """Return the canonical tax: it is called by its name, the only thing that people see of it."""
    return TaxCode(
        id=str(tax.id),
        version=tax.stamp,
        legal_entity=entity,
        code=tax.name,
        name=tax.name,
        percent=_percent(tax),
        state=_activity(active=bool(tax.active)),
        references=[],
    )


def _percent(tax: wire.Tax) -> str | None:
    return None if tax.type != "percentage" or tax.rate is None else text_of(tax.rate * Decimal(100))


def _activity(*, active: bool) -> Activity:
    return Activity.active if active else Activity.inactive
