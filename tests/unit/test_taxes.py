"""The tax that is expected, and by how much an ERP's may differ from it."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from process_apis.ledger.money import rounded, total
from process_apis.ledger.taxes import TaxBasis, TaxedLine, TaxGroup, expected_taxes, tolerance, total_tax

CENT = Decimal("0.01")
lines = st.lists(
    st.builds(
        TaxedLine,
        tax_code=st.sampled_from(["VAT 21%", "VAT 10%", "VAT 0%"]),
        percent=st.just(Decimal(0)),
        net=st.integers(min_value=-10_000_000, max_value=10_000_000).map(lambda amount: Decimal(amount) / 100),
    ).map(lambda line: TaxedLine(tax_code=line.tax_code, percent=Decimal(line.tax_code[4:-1]), net=line.net)),
    max_size=40,
)


def of(basis: TaxBasis, *nets: str, percent: str = "21") -> list[TaxGroup]:
    taxed = [TaxedLine(tax_code="VAT", percent=Decimal(percent), net=Decimal(net)) for net in nets]
    return expected_taxes(taxed, basis=basis, places=2, mode="half_up")


def test_three_lines_are_taxed_once_together_or_each_alone() -> None:
    together, alone = of("per_rate_group", "10.02", "10.02", "10.02"), of("per_line", "10.02", "10.02", "10.02")

    assert [group.tax for group in together] == [Decimal("6.31")]
    assert [group.tax for group in alone] == [Decimal("6.30")]


@given(lines)
def test_groups_hold_every_line_once(taxed: list[TaxedLine]) -> None:
    groups = expected_taxes(taxed, basis="per_rate_group", places=2, mode="half_up")

    assert total(group.base for group in groups) == total(line.net for line in taxed)
    assert sum(group.lines for group in groups) == len(taxed)
    assert [group.tax_code for group in groups] == sorted({line.tax_code for line in taxed})


@given(lines)
def test_each_group_is_rounded_once(taxed: list[TaxedLine]) -> None:
    groups = expected_taxes(taxed, basis="per_rate_group", places=2, mode="half_up")

    for group in groups:
        assert group.tax == rounded(group.base * group.percent / 100, 2, "half_up")
    assert total_tax(groups) == total(group.tax for group in groups)


@given(lines)
def test_rounding_line_by_line_stays_within_what_is_tolerated_of_it(taxed: list[TaxedLine]) -> None:
    together = expected_taxes(taxed, basis="per_rate_group", places=2, mode="half_up")
    alone = expected_taxes(taxed, basis="per_line", places=2, mode="half_up")

    for one, other in zip(together, alone, strict=True):
        assert abs(one.tax - other.tax) <= tolerance(other, basis="per_line", places=2)


@given(st.integers(min_value=1, max_value=1000))
def test_tolerance_is_a_unit_a_line_and_five_at_most_unless_lines_are_rounded(number: int) -> None:
    group = TaxGroup(tax_code="VAT", percent=Decimal(21), lines=number, base=Decimal(0), tax=Decimal(0))

    assert tolerance(group, basis="per_rate_group", places=2) == CENT * min(number, 5)
    assert tolerance(group, basis="per_line", places=2) == CENT * number
    assert tolerance(group, basis="per_line", places=0) == number
