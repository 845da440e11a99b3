"""What a request is decided by, read from our own tables: contract, payer, what is ready, what is missing."""

from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

from msgspec import Struct, json
from sqlalchemy import Select, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store import cross_references, inbox
from gateway.store.cross_references import ReferenceState, tb_cross_reference
from gateway.store.database import Store
from gateway.store.inbox import Source, tb_inbox
from openapi.common.types import Code
from openapi.process.invoice_release.v1 import MissingTime
from process_apis.invoice_release.order import ReleaseOrder
from process_apis.invoice_release.pricing import Pricing
from process_apis.invoice_release.selection import LeftOut
from process_apis.ledger import contracts
from process_apis.ledger.contracts import SignedContract, tb_contract
from process_apis.ledger.entities import Entities
from process_apis.ledger.entries import UNDER_WAY, Approval, TimeEntry, Transfer, find_entries, tb_time_entry
from process_apis.ledger.facts import Billing, Fact, Kind, Posting, SourceType, find_facts, tb_fact
from process_apis.ledger.holds import Scope, ScopeType, line_scope
from process_apis.ledger.mappings import Mappings
from process_apis.ledger.money import PLACES, money, net_of, total
from process_apis.ledger.payers import Payer, payers_of
from process_apis.ledger.projects import tb_project
from process_apis.ledger.requests import (
    IN_FLIGHT,
    InvoiceRequest,
    RequestLine,
    RequestState,
    find_requests,
    tb_invoice_request,
)
from process_apis.ledger.schedules import PLANNED, SchedulePart, find_parts, tb_schedule_line

BILLED_KINDS = (Kind.sale.value, Kind.fee.value)
BY_TIME = "time_and_materials"
HOUR = "hour"
CUSTOMER = "customer"
PROJECT = "project"
"""What cross references call them."""


class Basis(Struct, frozen=True, kw_only=True):
    """What a request is built on, beside its facts."""

    contract: SignedContract
    payers: list[Payer]
    project_type: str
    due: list[SchedulePart]
    """Parts of the price that are not billed yet and have no milestone."""

    def pricing(self, payer: Payer, entities: Entities, mappings: Mappings) -> Pricing:
        """Return what prices to the payer depend on."""
        return Pricing(
            entity=entities[self.contract.legal_entity],
            mappings=mappings,
            contract=self.contract,
            project_type=self.project_type,
            country=payer.country,
        )

    def payer(self, customer: str) -> Payer:
        """Return the payer; raises Refused where the contract is not paid by it any more."""
        found = [payer for payer in self.payers if payer.customer == customer]
        if not found:
            raise Refused(Code.contract_split_mismatch, "The contract is paid by others now. Release again.")
        return found[0]

    def scopes(self, customer: str) -> list[Scope]:
        """Return the scopes whose locks a selection takes: a milestone's and a fact's are their line's."""
        contract = self.contract
        return [
            Scope(type=ScopeType.customer, id=customer),
            Scope(type=ScopeType.contract, id=contract.id),
            *(line_scope(contract.id, line.number) for line in contract.lines),
            Scope(type=ScopeType.project, id=contract.project),
        ]


async def contract_of(connection: AsyncConnection, contract_id: str) -> SignedContract:
    """Return the contract, which is there: a request names it by a foreign key."""
    return (await contracts.find_contracts(connection, tb_contract.c.id == contract_id))[0]


async def basis_of(connection: AsyncConnection, contract_id: str) -> Basis:
    """Return what requests of the contract are built on."""
    contract = await contract_of(connection, contract_id)
    asked = select(tb_project.c.project_type).where(tb_project.c.id == contract.project)
    columns = tb_schedule_line.c
    unplanned = and_(columns.contract_id == contract_id, columns.milestone.is_(None), columns.state == PLANNED)
    return Basis(
        contract=contract,
        payers=await payers_of(connection, contract),
        project_type=(await connection.execute(asked)).scalar_one(),
        due=await find_parts(connection, unplanned),
    )


async def external_id(store: Store, canonical_id: str, connection: str) -> str | None:
    """Return the id by which a connected system knows what is ours, or None."""
    known = await cross_references.list_all(store, INSTALLATION, canonical_id=canonical_id, instance=connection)
    return known[0].external_id if known else None


async def ready_facts(connection: AsyncConnection, order: ReleaseOrder) -> list[Fact]:
    """Return what of the contract may be invoiced to the payer.

    A fact with a code is not what the PSA says any more: it waits for its reversal.
    """
    columns = tb_fact.c
    booked = columns.posting.in_([Posting.posted.value, Posting.skipped.value])  # Some ERPs keep no postings.
    ready = (columns.billing == Billing.ready.value, columns.code.is_(None))
    return await find_facts(connection, _of(order), booked, *ready)


async def reversed_among(connection: AsyncConnection, facts: Sequence[Fact]) -> list[str]:
    """Return those of the facts for which a reversal exists, wherever that stands."""
    asked = select(tb_fact.c.reverses).where(tb_fact.c.reverses.in_([fact.id for fact in facts]))
    return list((await connection.execute(asked)).scalars())


async def out_of_reach(connection: AsyncConnection, order: ReleaseOrder) -> list[LeftOut]:
    """Return what is delivered and cannot be on this request: beyond a cap, on another one, or changed in the PSA."""
    columns = tb_fact.c
    states = [Billing.cap_failed.value, Billing.on_request.value]
    changed = and_(columns.billing == Billing.ready.value, columns.code.is_not(None))
    found = await find_facts(connection, _of(order), or_(columns.billing.in_(states), changed))
    return [_left_out(fact) for fact in found]


def _left_out(fact: Fact) -> LeftOut:
    if fact.billing is Billing.cap_failed:
        detail = "It does not fit under the agreed cap. Have the contract amended."
        return LeftOut(fact=fact, code=Code.contract_cap_exceeded, detail=detail)
    if fact.billing is Billing.ready:
        detail = "The PSA says something else by now. It waits until that is in the books, or was mended."
        return LeftOut(fact=fact, code=Code.entry_edited_after_post, detail=detail)
    return LeftOut(fact=fact, code=Code.entry_duplicate, detail="It is on another request.")


def _of(order: ReleaseOrder) -> ColumnElement[bool]:
    columns = tb_fact.c
    return and_(
        columns.contract == order.contract,
        columns.customer == order.customer,
        columns.work_date <= order.through,
        columns.kind.in_(BILLED_KINDS),
    )


async def invoiced_of(connection: AsyncConnection, contract_id: str, but: str) -> Decimal:
    """Return what of the contract is invoiced, or on its way there, beside one request."""
    columns = tb_invoice_request.c
    states = [state.value for state in (*IN_FLIGHT, RequestState.posted)]
    others = await find_requests(
        connection, columns.contract == contract_id, columns.id != but, columns.state.in_(states)
    )
    return total(Decimal(other.net) for other in others)


def lines_on(request: InvoiceRequest) -> list[RequestLine]:
    """Return the lines that the request keeps."""
    return json.decode(request.lines, type=list[RequestLine])


async def missing_time(connection: AsyncConnection, order: ReleaseOrder, mappings: Mappings) -> list[MissingTime]:
    """Return the approved time of the project that is not in the books yet, day by day, with what it will bring."""
    columns = tb_time_entry.c
    late = [state.value for state in (*UNDER_WAY, Transfer.rejected_validation)]
    entries = await find_entries(
        connection,
        columns.project == order.project,
        columns.work_date <= order.through,
        columns.approval == Approval.approved.value,
        columns.transfer.in_(late),
        or_(columns.billable.is_(None), columns.billable.is_(True)),
    )
    contract = await contract_of(connection, order.contract)
    by_day = sorted(entries, key=lambda entry: entry.work_date)
    return [
        _day(order.project, list(day), contract, mappings) for _, day in groupby(by_day, key=lambda one: one.work_date)
    ]


async def unread_time(connection: AsyncConnection, order: ReleaseOrder) -> list[MissingTime]:
    """Return the PSA's entries that wait to be taken over and may be billed with the project, as if of the last day.

    One may be where the PSA has said that it is of the project, or where it was taken over on it before: it may leave.
    Of one that the PSA has not shown yet nobody knows.
    """
    source = Source(connection=order.psa, object_type=SourceType.time_entry.value)
    columns, change = tb_time_entry.c, tb_inbox.c
    ours = _external_ids(order.project, order.psa)
    taken_over = select(columns.id).where(columns.psa == order.psa, columns.external_id == change.external_id)
    on_it = or_(columns.project == order.project, columns.project.is_(None) & columns.psa_project_id.in_(ours))
    here = taken_over.where(
        on_it, columns.work_date <= order.through, columns.approval != Approval.superseded.value
    ).exists()
    said = change.within.in_(ours) & (change.day.is_(None) | (change.day <= order.through))
    unseen = change.within.is_(None) & ~taken_over.exists()
    waiting = await inbox.unsettled(connection, source, or_(said, here, unseen))
    if not waiting:
        return []
    return [MissingTime(project=order.project, work_date=order.through, entries=waiting, minutes=0, net=None)]


def _external_ids(project: str, connection: str) -> Select[tuple[str]]:
    """Return the query of the ids by which a connected system knows the project."""
    columns = tb_cross_reference.c
    known = (columns.object_type == PROJECT, columns.state == ReferenceState.active.value)
    ids: Select[tuple[str]] = select(columns.external_id).where(
        columns.canonical_id == project, columns.instance == connection, *known
    )
    return ids


def _day(project: str, entries: Sequence[TimeEntry], contract: SignedContract, mappings: Mappings) -> MissingTime:
    worth = [price for entry in entries if (price := _price(entry, contract, mappings)) is not None]
    return MissingTime(
        project=project,
        work_date=entries[0].work_date,
        entries=len(entries),
        minutes=sum(entry.minutes or 0 for entry in entries),
        net=money(total(worth), contract.currency) if worth else None,
    )


def _price(entry: TimeEntry, contract: SignedContract, mappings: Mappings) -> Decimal | None:
    """Return what the entry will bring, or None where no single rate says so: then that is why it is missing."""
    try:
        role = mappings.person(entry.resource_email, entry.work_date).role
    except Refused:
        return None
    lines = [line for line in contract.lines if line.billing_method == BY_TIME]
    rates = [rate.rate for line in lines for rate in line.rates if (rate.role, rate.unit) == (role, HOUR)]
    if len(rates) != 1:
        return None
    return net_of(
        minutes=entry.minutes,
        quantity=Decimal(entry.hours),
        rate=Decimal(rates[0]),
        places=PLACES[contract.currency],
        mode="half_up",
    )
