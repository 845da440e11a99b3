"""Whether the ERP's invoice is what was wanted: nets to the cent, taxes within what rounding can explain. Pure."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

from gateway.errors import Refused
from openapi.common.types import Code, Money, Violation
from openapi.system.erp.v1 import Invoice, InvoiceState, NewInvoice
from process_apis.ledger.entities import LegalEntity
from process_apis.ledger.money import PLACES, amount_of, money, total
from process_apis.ledger.taxes import TaxGroup, tolerance, total_tax

DRAFT: Final = (
    "The ERP's draft is not what was wanted, so it is not posted. Mend it there, then resume; "
    "or resume with `cancel_draft`, and release anew."
)
POSTED: Final = (
    "Somebody has ended the draft in the ERP, and it is not what was wanted. Where it is posted, resume with "
    "`accept_posted` to let it stand, and credit the difference; where it is cancelled, with `cancel_draft`."
)


def compare(found: Invoice, wanted: NewInvoice, taxes: Sequence[TaxGroup], entity: LegalEntity) -> None:
    """Return where the invoice may be posted; raises Refused with every difference that rounding does not explain."""
    differences = list(_differences(found, wanted, taxes, entity))
    if differences:
        detail = DRAFT if found.state is InvoiceState.draft else POSTED
        raise Refused(Code.invoice_total_mismatch, detail, *differences)


def _differences(
    found: Invoice, wanted: NewInvoice, taxes: Sequence[TaxGroup], entity: LegalEntity
) -> Iterator[Violation]:
    if found.state is InvoiceState.cancelled:
        yield _difference("state", InvoiceState.draft.value, found.state.value)
    for name in ("legal_entity", "customer_id"):  # It was so when it was made; whoever mends it may have changed it.
        if getattr(found, name) != getattr(wanted, name):
            yield _difference(name, getattr(wanted, name), getattr(found, name))
    yield from _in_lines(found, wanted)
    yield from _in_net(found, wanted)
    yield from _in_taxes(found, taxes, entity)
    yield from _in_totals(found, taxes, entity)


def _in_lines(found: Invoice, wanted: NewInvoice) -> Iterator[Violation]:
    """Yield what differs line by line; where the ERP keeps no keys of lines, in their order."""
    if len(found.lines) != len(wanted.lines):
        yield _difference("lines", str(len(wanted.lines)), str(len(found.lines)))
        return
    by_key = {line.business_key: line for line in found.lines}
    for number, new in enumerate(wanted.lines):
        line = by_key.get(new.business_key, found.lines[number])
        if _plain(line.net) != _plain(new.net):
            yield _difference(f"lines/{number}/net", _text(new.net), _text(line.net))
        if line.tax_code not in {None, new.tax_code}:
            yield _difference(f"lines/{number}/tax_code", new.tax_code, line.tax_code or "")


def _in_net(found: Invoice, wanted: NewInvoice) -> Iterator[Violation]:
    net = money(total(amount_of(line.net) for line in wanted.lines), wanted.currency)
    if _plain(found.net) != _plain(net):
        yield _difference("net", _text(net), _text(found.net))


def _in_taxes(found: Invoice, taxes: Sequence[TaxGroup], entity: LegalEntity) -> Iterator[Violation]:
    told = {tax.tax_code: tax for tax in found.taxes}
    currency = found.net.currency
    for group in taxes:
        row = told.get(group.tax_code)
        if row is None and group.tax != 0:  # Some ERPs write no row for a tax of nothing.
            yield _difference(f"taxes/{group.tax_code}", _text(money(group.tax, currency)), "none")
        if row and amount_of(row.base) != group.base:
            yield _difference(f"taxes/{group.tax_code}/base", _text(money(group.base, currency)), _text(row.base))
        if row and abs(amount_of(row.tax) - group.tax) > allowed(group, entity, currency):
            yield _difference(f"taxes/{group.tax_code}/tax", _text(money(group.tax, currency)), _text(row.tax))
    for code in sorted(set(told) - {group.tax_code for group in taxes}):
        yield _difference(f"taxes/{code}", "none", _text(told[code].tax))


def _in_totals(found: Invoice, taxes: Sequence[TaxGroup], entity: LegalEntity) -> Iterator[Violation]:
    currency = found.net.currency
    expected = total_tax(taxes)
    most = total(allowed(group, entity, currency) for group in taxes)
    if abs(amount_of(found.tax) - expected) > most:
        yield _difference("tax", _text(money(expected, currency)), _text(found.tax))
    if amount_of(found.gross) != amount_of(found.net) + amount_of(found.tax):
        sum_of = money(amount_of(found.net) + amount_of(found.tax), currency)
        yield _difference("gross", _text(sum_of), _text(found.gross))


def allowed(group: TaxGroup, entity: LegalEntity, currency: str) -> Decimal:
    """Return by how much the ERP's tax of the group may differ."""
    return tolerance(group, basis=entity.tax_basis, places=PLACES[currency])


def _plain(value: Money) -> tuple[Decimal, str]:
    return amount_of(value), value.currency


def _text(value: Money) -> str:
    return f"{value.amount} {value.currency}"


def _difference(field: str, expected: str, actual: str) -> Violation:
    detail = "The ERP has another value."
    code = Code.tax_amount_mismatch if field.startswith("tax") else Code.invoice_total_mismatch
    return Violation(code=code, pointer=f"#/{field}", detail=detail, expected=expected, actual=actual)
