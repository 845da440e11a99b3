"""What both systems must say of a project before it takes time and postings: twelve fields, compared. Pure."""

from collections.abc import Sequence

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gateway.agreement import agreeing
from openapi.common.types import Address, Code, Dimension, Violation
from openapi.system.erp import v1 as erp
from openapi.system.psa import v1 as psa

CLOSED = "closed"
"""Takes no time, and no postings; an ERP calls it draft, or inactive after an earlier attempt."""
OPEN = "open"
Told = str | UnsetType


class KeyFields(Struct, frozen=True, kw_only=True):
    """What has to be the same everywhere; what a system does not tell is not compared."""

    code: Told = UNSET
    name: Told = UNSET
    customer: Told = UNSET
    legal_entity: Told = UNSET
    state: Told = UNSET
    start: Told = UNSET
    end: Told = UNSET
    manager: Told = UNSET
    dimensions: Told = UNSET
    tax_id: Told = UNSET
    country: Told = UNSET
    billing_address: Told = UNSET


def wanted_of_psa(new: psa.NewProject, manager_id: str | None, *, closes: bool) -> KeyFields:
    """Return what the PSA was asked for; one that cannot close a project has it open."""
    return KeyFields(
        code=new.code,
        name=new.name,
        customer=new.customer.name,
        legal_entity=new.legal_entity,
        state=CLOSED if closes else OPEN,
        start=new.start.isoformat(),
        end=new.end.isoformat() if new.end else UNSET,
        manager=manager_id or UNSET,
    )


def told_by_psa(project: psa.Project) -> KeyFields:
    """Return what the PSA says."""
    return KeyFields(
        code=project.code,
        name=project.name,
        customer=project.customer_name or UNSET,
        legal_entity=project.legal_entity or UNSET,
        state=project.state.value,
        start=project.start.isoformat() if project.start else UNSET,
        end=project.end.isoformat() if project.end else UNSET,
        manager=project.manager_id or UNSET,
    )


def wanted_of_erp(new: erp.NewAccountingProject) -> KeyFields:
    """Return what the ledger was asked for."""
    return KeyFields(
        code=new.code,
        name=new.name,
        customer=new.customer_id,
        legal_entity=new.legal_entity,
        state=CLOSED,
        dimensions=_listed(new.dimensions),
    )


def told_by_erp(project: erp.AccountingProject) -> KeyFields:
    """Return what the ledger says."""
    return KeyFields(
        code=project.code,
        name=project.name,
        customer=project.customer_id or UNSET,
        legal_entity=project.legal_entity,
        state=OPEN if project.state is erp.AccountingProjectState.active else CLOSED,
        dimensions=_listed(project.dimensions),
    )


def as_far_as(wanted: KeyFields, told: KeyFields) -> KeyFields:
    """Return what is wanted of a project that is open already: after a restore our tables do not say who opened it."""
    return replace(wanted, state=OPEN) if told.state == OPEN else wanted


def wanted_of_customer(new: erp.NewCustomer) -> KeyFields:
    """Return what the customer was made with."""
    return KeyFields(
        name=new.name,
        state=erp.CustomerState.active.value,
        tax_id=new.tax_id,
        country=new.country,
        billing_address=_written(new.billing_address),
    )


def told_of_customer(customer: erp.Customer) -> KeyFields:
    """Return what the ERP says of the customer."""
    return KeyFields(
        name=customer.name,
        state=customer.state.value,
        tax_id=customer.tax_id or UNSET,
        country=customer.country or UNSET,
        billing_address=_written(customer.billing_address) if customer.billing_address else UNSET,
    )


def differences(wanted: KeyFields, told: KeyFields, system: str, thing: str) -> list[Violation]:
    """Return each field in which a system says something else than it was asked for."""
    compared = [name for name in KeyFields.__struct_fields__ if getattr(told, name) is not UNSET]
    return [
        replace(
            difference.violation(system),
            code=Code.upstream_contract_violation,
            pointer=f"#/{thing}/{difference.field}",
        )
        for difference in agreeing(wanted, *compared)(told)
    ]


def _listed(dimensions: Sequence[Dimension]) -> str:
    return ", ".join(sorted(f"{dimension.type}: {dimension.code}" for dimension in dimensions))


def _written(address: Address) -> str:
    return ", ".join(part for part in (address.street, address.postal_code, address.city, address.country) if part)
