"""Which customer of the ERP is meant: one that we know, one that was chosen, or a new one. Nothing links by itself."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from gateway.errors import Refused
from openapi.common.types import Candidate, Code, Reason, Violation
from openapi.process.project_onboarding.v1 import NewOnboarding, SowCustomer
from openapi.system.erp import v1 as erp
from process_apis.project_onboarding import documents, names, tax_ids
from system_apis.ports import Erp, Found

MERGED_INTO: Final = "merged_into"
"""The type of the reference by which an ERP names a customer's survivor."""
SEARCHED: Final = 200
"""How many customers of one search are looked at; who has more of a name has to choose by tax id."""


class Wish(Struct, frozen=True, kw_only=True):
    """What is known of the customer before the ERP is asked."""

    known_id: str | None
    """The ERP's id of the customer that we linked, or made, for this account before."""
    link_to: str | None
    confirmed_new: bool


class Choice(Struct, frozen=True, kw_only=True):
    """The customer that is meant; None where it has to be made."""

    customer: erp.Customer | None
    to_reactivate: bool = False
    """It is ours, and inactive because an earlier attempt was undone."""


def wish(customer: SowCustomer, known_id: str | None) -> Wish:
    """Return what the statement of work says about the customer."""
    return Wish(known_id=known_id, link_to=customer.link_to or None, confirmed_new=customer.confirmed_new or False)


async def choose(port: Erp, body: NewOnboarding, wish: Wish) -> Choice:
    """Return the customer that is meant; raises Refused where a person has to decide, or it takes no business."""
    if wish.known_id:
        return usable(await port.get_customer(wish.known_id), documents.customer_key(body))
    ours = await port.find_customer(documents.customer_key(body))
    if ours:
        return usable(ours, documents.customer_key(body))
    candidates = await find_candidates(port, body.customer)
    if wish.link_to:
        return usable(await _chosen(port, wish.link_to, candidates), documents.customer_key(body))
    if candidates and not wish.confirmed_new:
        detail = "A customer like this exists. Say which one is meant, or that none is."
        violation = Violation(code=Code.customer_duplicate_candidate, pointer="#/customer", detail=detail)
        raise Refused(Code.customer_duplicate_candidate, detail, violation, candidates=candidates)
    if not port.capabilities.create_customers:
        detail = "Customers are made in this ERP by hand; then link to the one that was made."
        raise Refused(Code.capability_missing, detail, _at_customer(Code.capability_missing, detail))
    return Choice(customer=None)


def usable(customer: erp.Customer, own_key: str) -> Choice:
    """Return the customer as chosen; raises Refused where it was merged, is inactive, or on credit hold."""
    if any(reference.type == MERGED_INTO for reference in customer.references):
        _refuse(Code.customer_merged, "The customer was merged into another one: link to the survivor.")
    if customer.credit_status is erp.CreditStatus.hold:
        _refuse(Code.customer_credit_hold, "Finance has put the customer on credit hold.")
    ours = customer.business_key == own_key
    if customer.state is erp.CustomerState.inactive and not ours:
        _refuse(Code.customer_inactive, "The customer is inactive in the ERP.")
    return Choice(customer=customer, to_reactivate=customer.state is erp.CustomerState.inactive)


async def find_candidates(port: Erp, customer: SowCustomer) -> list[Candidate]:
    """Return the customers that may be the one meant, the likeliest first: same tax id, or a name alike."""
    found: dict[str, erp.Customer] = {}
    able = port.capabilities.search_customers
    tax_id = tax_ids.written(customer.tax_id, customer.country) if customer.tax_id else None
    if tax_id and erp.SearchCustomer.tax_id in able:
        found |= {one.id: one for one in (await port.search_customers(tax_id=tax_id)).items}
    if erp.SearchCustomer.name in able:
        for fragment in names.fragments(customer.legal_name):
            found |= {one.id: one for one in await _by_name(port, fragment)}
    return _likely(found.values(), customer.legal_name, tax_id)


async def _by_name(port: Erp, fragment: str) -> list[erp.Customer]:
    found: list[erp.Customer] = []
    page: Found[erp.Customer] = await port.search_customers(name=fragment, limit=100)
    found += page.items
    while page.after and len(found) < SEARCHED:
        page = await port.search_customers(name=fragment, after=page.after, limit=100)
        found += page.items
    return found


def _likely(found: Iterable[erp.Customer], legal_name: str, tax_id: str | None) -> list[Candidate]:
    candidates = []
    for customer in found:
        score = names.likeness(legal_name, customer.name)
        same = tax_id is not None and customer.tax_id is not None and _compact(customer.tax_id) == _compact(tax_id)
        reasons = [Reason.tax_id_equal] * same + [Reason.name_alike] * (score >= names.ALIKE)
        if reasons:
            candidates.append(
                Candidate(
                    external_id=customer.id, name=customer.name, tax_id=customer.tax_id, score=score, reasons=reasons
                )
            )
    return sorted(candidates, key=lambda one: (Reason.tax_id_equal not in (one.reasons or ()), -one.score))


async def _chosen(port: Erp, customer_id: str, candidates: list[Candidate]) -> erp.Customer:
    if customer_id not in {candidate.external_id for candidate in candidates}:
        detail = "`link_to` names one of the candidates."
        violation = Violation(code=Code.customer_not_found, pointer="#/customer/link_to", detail=detail)
        raise Refused(Code.customer_not_found, detail, violation, candidates=candidates)
    return await port.get_customer(customer_id)


def _compact(tax_id: str) -> str:
    return "".join(filter(str.isalnum, tax_id)).upper()


def _at_customer(code: Code, detail: str) -> Violation:
    return Violation(code=code, pointer="#/customer", detail=detail)


def _refuse(code: Code, detail: str) -> None:
    raise Refused(code, detail, _at_customer(code, detail))
