"""Tryton's parties and analytic accounts ↔ customers and accounting projects. Pure.

A customer's key is the party's `code`, which Tryton keeps unique. Tryton numbers parties itself, in digits: such a code
is nobody's key.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

from msgspec import UNSET

from gateway.errors import Refused
from openapi.common.types import Address, Code, Dimension, DimensionType, Reference, Violation
from openapi.system.erp.v1 import (
    AccountingProject,
    AccountingProjectState,
    CreditStatus,
    Customer,
    CustomerState,
    LegalEntity,
    NewAccountingProject,
    NewCustomer,
    TaxBasis,
)
from system_apis.connectors.tryton import marks, wire
from system_apis.connectors.tryton.records import entity_of, refused
from system_apis.connectors.tryton.settings import Settings
from system_apis.connectors.tryton.wire import Values

EU: Final = (
    *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
    *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
)
TAX_ID_TYPES: Final[Mapping[str, str]] = dict.fromkeys(EU, "eu_vat") | {
    "CH": "ch_vat",
    "GB": "gb_vat",
    "NO": "no_mva",
    "US": "us_ein",
}
"""By country, how Tryton checks a tax id; those of other countries are carried unchecked, without a type."""
STATES: Final[Mapping[str, AccountingProjectState]] = {
    "draft": AccountingProjectState.draft,
    "opened": AccountingProjectState.active,
    "closed": AccountingProjectState.inactive,
}
TAX_BASES: Final[Mapping[str, TaxBasis]] = {
    "document": TaxBasis.per_rate_group,  # Once for each set of taxes.
    "line": TaxBasis.per_line,
}
OURS: Final = re.compile(r"[0-9]*[A-Za-z_-][A-Za-z0-9_-]*")
DEPARTMENT: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")


def is_key(code: str | None) -> bool:
    """Tell whether a party's code can be one of our keys."""
    return bool(code and OURS.fullmatch(code))


def key_to_write(business_key: str) -> str:
    """Return the key as a party's code; one of digits alone could be Tryton's next number."""
    if not is_key(business_key):
        raise refused(Code.unsupported_field, "#/business_key", "Tryton takes no key of digits alone.")
    return business_key


def to_customer(party: wire.Party, settings: Settings) -> Customer:
    """Return the canonical customer. Payment terms that nobody mapped are told as a reference, by Tryton's name."""
    ours = {name: term for term, name in settings.payment_terms.items()}
    term = party.payment_term.name if party.payment_term else None
    address, identifier = billing_address(party), tax_identifier(party)
    references = [] if term is None or term in ours else [Reference(type="payment_terms_unmapped", value=term)]
    if party.code and not is_key(party.code):
        references.append(Reference(type="party_number", value=party.code))
    return Customer(
        id=str(party.id),
        version=version_of(party),
        business_key=party.code if is_key(party.code) else None,
        name=party.name or "",
        tax_id=identifier.code if identifier else None,
        country=address.country.code if address and address.country else None,
        state=CustomerState.active if party.active else CustomerState.inactive,
        credit_status=CreditStatus.unknown,  # Tryton keeps none.
        payment_terms=ours.get(term) if term else None,
        billing_address=_to_address(address),
        updated_at=party.last_modified_at,
        references=references,
    )


def version_of(party: wire.Party) -> str:
    """Return the version of the customer: a changed address or tax id does not change the party's own stamp."""
    stamps = " ".join(f"{record} {stamp}" for record, stamp in sorted(stamps_of(party).items()))
    return sha256(stamps.encode()).hexdigest()[:20]


def stamps_of(party: wire.Party) -> Mapping[str, str]:
    """Return the stamps by record, as Tryton compares them before it writes."""
    return {
        f"party.party,{party.id}": party.stamp,
        **{f"party.address,{one.id}": one.stamp for one in party.addresses},
        **{f"party.identifier,{one.id}": one.stamp for one in party.identifiers},
    }


def billing_address(party: wire.Party) -> wire.Address | None:
    """Return the address that invoices go to: the first that is marked so, else the first."""
    return next((one for one in party.addresses if one.invoice), next(iter(party.addresses), None))


def tax_identifier(party: wire.Party) -> wire.Identifier | None:
    """Return what counts as the tax id: the first identifier of a type that is one, or of none."""
    types = {*TAX_ID_TYPES.values(), None}
    return next((one for one in party.identifiers if one.type in types), None)


def _to_address(address: wire.Address | None) -> Address | None:
    if address is None or not (address.street and address.city and address.country and address.country.code):
        return None
    return Address(
        street=address.street,
        city=address.city,
        country=address.country.code,
        postal_code=address.postal_code or UNSET,
    )


def from_new_customer(new: NewCustomer, *, country: int, term: int | None) -> Values:
    """Return the values of a new party, in one call with what hangs on it."""
    values: Values = {
        "code": key_to_write(new.business_key),
        "name": new.name,
        "addresses": [["create", [from_address(new.billing_address, country)]]],
    }
    if new.tax_id is not UNSET:
        values["identifiers"] = [["create", [from_tax_id(new.tax_id, new.country)]]]
    if term is not None:
        values["customer_payment_term"] = term
    return values


def from_address(address: Address, country: int) -> Values:
    """Return the values of a billing address."""
    postal_code = None if address.postal_code is UNSET else address.postal_code
    return {
        "street": address.street,
        "city": address.city,
        "postal_code": postal_code,
        "country": country,
        "invoice": True,
    }


def from_tax_id(tax_id: str, country: str | None) -> Values:
    """Return the values of an identifier; blanks in it do not count."""
    return {"type": TAX_ID_TYPES.get(country or ""), "code": tax_id.replace(" ", "")}


def to_legal_entity(company: wire.Company, code: str, tax_rounding: str) -> LegalEntity:
    """Return the legal entity that is this company here."""
    countries = (one.country.code for one in company.party.addresses if one.country)
    return LegalEntity(
        id=str(company.id),
        version=company.stamp,
        code=code,
        name=company.party.name or "",
        currency=company.currency.code or "",
        country=next(countries, None),
        time_zone=company.timezone,
        tax_basis=TAX_BASES.get(tax_rounding),
        references=[],
    )


def to_accounting_project(account: wire.Account, settings: Settings) -> AccountingProject:
    """Return the canonical project; the department is the view account that it stands below."""
    lines = marks.read(account.note)
    return AccountingProject(
        id=str(account.id),
        version=account.stamp,
        business_key=lines.get(marks.KEY),
        legal_entity=entity_of(account.company, settings),
        code=account.code or "",
        name=account.name,
        customer_id=lines.get("customer", "").partition(" ")[0] or None,
        state=_state(account),
        dimensions=_dimensions(account, settings),
        updated_at=account.last_modified_at,
        references=[],
    )


def _state(account: wire.Account) -> AccountingProjectState:
    if not account.active:
        return AccountingProjectState.inactive
    try:
        return STATES[account.state]
    except KeyError as error:
        raise Refused(Code.mapping_missing, "Give this state of an analytic account a row.") from error


def _dimensions(account: wire.Account, settings: Settings) -> list[Dimension]:
    parent = account.parent.code if account.parent else None
    department = (parent or "").removeprefix(settings.department_prefix)
    if parent is None or department == parent or not DEPARTMENT.fullmatch(department):
        return []
    return [Dimension(type=DimensionType.department, code=department)]


def department_of(dimensions: Sequence[Dimension]) -> str | None:
    """Return the department, the one dimension that can be carried; others are refused, each by its place."""
    lacks = [
        Violation(code=Code.unsupported_field, pointer=f"#/dimensions/{place}", detail="Only a department is carried.")
        for place, dimension in enumerate(dimensions)
        if dimension.type is not DimensionType.department
    ]
    if lacks:
        raise Refused(Code.unsupported_field, "An analytic account of Tryton stands in one department.", *lacks)
    if len(dimensions) > 1:
        detail = "An analytic account of Tryton stands in one department. Name one."
        raise refused(Code.dimension_invalid_combination, "#/dimensions/1", detail)
    return dimensions[0].code if dimensions else None


def from_new_accounting_project(new: NewAccountingProject, parent: wire.Account, customer: wire.Party) -> Values:
    """Return the values of a new analytic account; its note says whose it is, for people too."""
    return {
        "type": "normal",
        "root": parent.root or parent.id,
        "parent": parent.id,
        "code": new.code,
        "name": new.name,
        "state": "draft",
        "note": marks.written(key=new.business_key, customer=f"{customer.id} {customer.name}"),
    }
