"""What a release asks for: which payers of which contracts, and under which key each of them is invoiced."""

from collections.abc import Sequence
from datetime import date

from msgspec import UNSET, Struct
from sqlalchemy import ColumnElement, select

from gateway.caller import INSTALLATION, Caller
from gateway.durable import State, find_process
from gateway.errors import Refused
from gateway.store.database import Store
from openapi.common.types import Code, Violation
from openapi.process.invoice_release.v1 import NewRelease
from process_apis.invoice_release.order import KIND, ReleaseOrder, invoice_key, key_parts
from process_apis.ledger import projects
from process_apis.ledger.contracts import CANCELLED, SIGNED, SignedContract, find_contracts, tb_contract
from process_apis.ledger.customers import tb_customer
from process_apis.ledger.entities import Entities
from process_apis.ledger.payers import Payer, asked_payers
from process_apis.ledger.projects import tb_project
from system_apis.ports import Landscape

SELECTORS = ("contracts", "projects", "customers")
UNKNOWN = {
    "contracts": Code.contract_not_found,
    "projects": Code.project_not_known,
    "customers": Code.customer_not_found,
}
"""What is answered to what does not exist, or may not be seen."""
MOST = 500
"""How many requests one release makes at most."""


class Target(Struct, frozen=True, kw_only=True):
    """One payer of one contract."""

    contract: SignedContract
    payer: Payer
    order: ReleaseOrder


async def targets_of(
    landscape: Landscape, store: Store, entities: Entities, caller: Caller, body: NewRelease
) -> list[Target]:
    """Return what the release asks for; raises Refused with every selector that names what is not there."""
    entity = entities.get(body.legal_entity)
    if not caller.may_see(legal_entity=body.legal_entity):
        raise Refused(Code.auth_entity_not_allowed, f"Ask for the claim on {body.legal_entity}.")
    if entity is None:
        raise Refused(Code.entity_mapping_missing, f"The installation has no legal entity {body.legal_entity}.")
    through = body.through or entity.today(store.now())
    contracts = await _contracts(store, caller, body)
    return [
        Target(
            contract=contract, payer=payer, order=await _order(landscape, store, caller, contract, payer, body, through)
        )
        for contract in contracts
        for payer in await _payers(store, caller, contract)
    ]


async def _payers(store: Store, caller: Caller, contract: SignedContract) -> list[Payer]:
    async with store.begin() as connection:
        payers = await asked_payers(connection, contract)
    return [payer for payer in payers if caller.may_see(customer=payer.customer)]


async def _order(
    landscape: Landscape,
    store: Store,
    caller: Caller,
    contract: SignedContract,
    payer: Payer,
    body: NewRelease,
    through: date,
) -> ReleaseOrder:
    entity = contract.legal_entity
    number = 1
    while await _is_finished(store, contract, payer, through, number):
        number += 1
    return ReleaseOrder(
        erp=landscape.erp_of(entity),
        psa=landscape.psa_of(entity),
        legal_entity=entity,
        contract=contract.id,
        customer=payer.customer,
        project=contract.project,
        key_parts=key_parts(entity, contract.id, payer.account, through, number),
        through=through,
        allow_incomplete=body.allow_incomplete is True,
        requested_by=caller.client_id,
    )


async def _is_finished(store: Store, contract: SignedContract, payer: Payer, through: date, number: int) -> bool:
    """Tell whether the number is used up: what is under way is met, what was cancelled is attempted anew."""
    key = invoice_key(key_parts(contract.legal_entity, contract.id, payer.account, through, number))
    process = await find_process(store, INSTALLATION, KIND, key)
    return process is not None and process.ended_at is not None and process.state != State.cancelled


async def _contracts(store: Store, caller: Caller, body: NewRelease) -> list[SignedContract]:
    """Return the contracts that fit every selector given."""
    given = {name: list(value) for name in SELECTORS if (value := getattr(body, name)) is not UNSET}
    if not given:
        detail = f"Give at least one of {', '.join(SELECTORS)}."
        violation = Violation(code=Code.request_body_invalid, pointer="#/contracts", detail=detail)
        raise Refused(Code.request_malformed, detail, violation)
    await _refuse_unknown(store, caller, body.legal_entity, given)
    columns = tb_contract.c
    wanted = [
        columns.legal_entity == body.legal_entity,
        columns.state.not_in([SIGNED, CANCELLED]),
        *(_fits(name, ids) for name, ids in given.items()),
    ]
    async with store.begin() as connection:
        found = await find_contracts(connection, seen_by_project(caller), *wanted)
    if len(found) > MOST:
        raise Refused(Code.request_malformed, f"These are {len(found)} contracts. Release {MOST} at most at a time.")
    return found


def seen_by_project(caller: Caller) -> ColumnElement[bool]:
    """Return the condition that the caller may see a contract: whoever pays a part of it is asked for later."""
    seen = select(tb_project.c.id).where(projects.visible(caller))
    return tb_contract.c.project.in_(seen)


def _fits(selector: str, ids: Sequence[str]) -> ColumnElement[bool]:
    columns = tb_contract.c
    column = {"contracts": columns.id, "projects": columns.project, "customers": columns.customer}[selector]
    return column.in_(ids)


async def _refuse_unknown(store: Store, caller: Caller, legal_entity: str, given: dict[str, list[str]]) -> None:
    """Return where all that is named is there; to who may not see something, it is not."""
    own = tb_customer.c.id.in_(sorted(caller.customers)) if caller.customers != "*" else tb_customer.c.id.is_not(None)
    queries = {
        "contracts": select(tb_contract.c.id).where(
            tb_contract.c.legal_entity == legal_entity, seen_by_project(caller)
        ),
        "projects": select(tb_project.c.id).where(tb_project.c.legal_entity == legal_entity, projects.visible(caller)),
        "customers": select(tb_customer.c.id).where(own),
    }
    found = []
    async with store.begin() as connection:
        for name, ids in given.items():
            column = queries[name].selected_columns[0]
            known = set((await connection.execute(queries[name].where(column.in_(ids)))).scalars())
            found += [
                Violation(code=UNKNOWN[name], pointer=f"#/{name}/{place}", detail="There is none that you may see.")
                for place, one in enumerate(ids)
                if one not in known
            ]
    if found:
        raise Refused(found[0].code, "There is no such thing, or you may not see it; `errors` names each.", *found)
