"""What an invoice line says beside its amount: revenue account and tax, pinned on the fact or found now. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from process_apis.invoice_release.selection import Priced
from process_apis.ledger.contracts import SignedContract
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.facts import Fact
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.money import PLACES, total
from process_apis.ledger.requests import RequestLine
from process_apis.ledger.taxes import TaxedLine, TaxGroup, expected_taxes, total_tax


class Pricing(Struct, frozen=True, kw_only=True):
    """What prices depend on beside the fact."""

    entity: LegalEntity
    mappings: Mappings
    contract: SignedContract
    project_type: str
    country: str
    """Of who pays."""

    def priced(self, fact: Fact) -> Priced:
        """Return the fact with account and tax; raises Refused where no mapping, or no single one, says them."""
        account = fact.revenue_account or self.account(fact)
        if fact.tax_code is not None and fact.tax_percent is not None:
            return Priced(fact=fact, account=account, tax_code=fact.tax_code, tax_percent=Decimal(fact.tax_percent))
        category = fact.tax_category or self.contract.line(fact.contract_line).tax_category
        code, percent = self.tax(category, fact)
        return Priced(fact=fact, account=account, tax_code=code, tax_percent=percent)

    def account(self, fact: Fact) -> str:
        """Return the revenue account of the fact's line."""
        return self.mappings.revenue_account(self.entity.code, fact.item, self.project_type, fact.work_date)

    def tax(self, category: str, fact: Fact) -> tuple[str, Decimal]:
        """Return the ERP's tax and its percentage on the day of the work."""
        row = self.mappings.tax(
            self.entity.code,
            category,
            home=self.entity.country,
            customer_country=self.country,
            day=fact.work_date,
        )
        return row.tax_code, Decimal(row.percent)


class Totals(Struct, frozen=True, kw_only=True):
    """What an invoice is expected to come to."""

    net: Decimal
    tax: Decimal
    gross: Decimal
    taxes: list[TaxGroup]


def totals_of(lines: Sequence[RequestLine], entity: LegalEntity, currency: str) -> Totals:
    """Return the totals: nets are summed, taxes rounded as the entity's ERP does."""
    taxed = [TaxedLine(tax_code=line.tax_code, percent=line.tax_percent, net=line.net) for line in lines]
    taxes = expected_taxes(taxed, basis=entity.tax_basis, places=PLACES[currency], mode=entity.rounding)
    net, tax = total(line.net for line in lines), total_tax(taxes)
    return Totals(net=net, tax=tax, gross=net + tax, taxes=taxes)
