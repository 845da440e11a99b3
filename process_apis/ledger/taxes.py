"""The tax that an invoice is expected to carry. The ERP computes the tax; this is what its figure is compared with."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from process_apis.ledger.money import Rounding, rounded, total

TaxBasis = Literal["per_rate_group", "per_line"]


class TaxedLine(Struct, frozen=True, kw_only=True):
    """A line's net, already rounded, and its tax."""

    tax_code: str
    percent: Decimal
    net: Decimal


class TaxGroup(Struct, frozen=True, kw_only=True):
    """All lines of one tax code."""

    tax_code: str
    percent: Decimal
    lines: int
    base: Decimal
    tax: Decimal


def expected_taxes(lines: Sequence[TaxedLine], *, basis: TaxBasis, places: int, mode: Rounding) -> list[TaxGroup]:
    """Return the groups in the order of their codes: rounded once each (EN 16931, BR-CO-17), or line by line."""
    codes = sorted({(line.tax_code, line.percent) for line in lines})
    return [_group(code, percent, lines, basis, places, mode) for code, percent in codes]


def _group(
    code: str, percent: Decimal, lines: Sequence[TaxedLine], basis: TaxBasis, places: int, mode: Rounding
) -> TaxGroup:
    nets = [line.net for line in lines if (line.tax_code, line.percent) == (code, percent)]
    base = total(nets)
    taxed = [base] if basis == "per_rate_group" else nets
    tax = total([rounded(net * percent / 100, places, mode) for net in taxed])
    return TaxGroup(tax_code=code, percent=percent, lines=len(nets), base=base, tax=tax)


def tolerance(group: TaxGroup, *, basis: TaxBasis, places: int) -> Decimal:
    """Return by how much the ERP's tax of the group may differ: a minor unit a line, at most five of them.

    Where the ERP rounds line by line, each line may differ by one.
    """
    unit = Decimal(1).scaleb(-places)
    return unit * (group.lines if basis == "per_line" else min(group.lines, 5))


def total_tax(groups: Sequence[TaxGroup]) -> Decimal:
    """Return the tax of a whole invoice."""
    return total(group.tax for group in groups)
