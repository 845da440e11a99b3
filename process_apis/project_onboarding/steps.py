"""What the steps of an onboarding do beside the writes: read both systems, and keep our own tables.

Every step may run twice: what is there already is met.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from gateway.caller import INSTALLATION
from gateway.durable import corrections, decided, process_id
from gateway.errors import Refused
from gateway.store import business_events, cross_references, locks, processes
from gateway.store.business_events import NewEvent
from gateway.store.cross_references import EstablishedBy, NewReference, ReferenceState
from gateway.store.database import Store
from gateway.store.pages import Window
from openapi.common.types import Code, Dimension, Violation
from openapi.process.project_onboarding.v1 import OnboardingDecision
from process_apis.ledger import codes, contracts, customers, keys, projects, schedules
from process_apis.project_onboarding import documents, look_ups, project_codes, read_back
from process_apis.project_onboarding.customers import Choice, Wish
from process_apis.project_onboarding.look_ups import CUSTOMER, PROJECT, known_customer
from process_apis.project_onboarding.order import OnboardingOrder, contract_of, schedule_of, terms_of
from process_apis.project_onboarding.project_codes import CodeQuestion
from process_apis.project_onboarding.read_back import KeyFields
from system_apis.ports import Erp, Psa

ACTIVATED: Final = "tiebeam.project_onboarding.activated.v1"


class Made(Struct, frozen=True, kw_only=True):
    """What an onboarding made, or found, in both systems."""

    code: str
    customer_id: str
    customer_is_new: bool
    psa_project_id: str
    erp_project_id: str
    dimensions: list[Dimension]


async def begin(store: Store, order: OnboardingOrder) -> None:
    """Take the locks, and record that the project is under way; another version that is live is refused."""
    await locks.take(store, process_id(), order.locks)
    project = await projects.find_project(store, INSTALLATION, order.project)
    earlier = project.onboarding_id if project else None
    if earlier and earlier != process_id():
        other = await processes.get(store, INSTALLATION, earlier)
        if other.state != processes.State.cancelled:
            detail = "Another version of this statement of work is under way or active. Cancel this one."
            raise Refused(Code.amendment_conflict, detail, process_id=other.id)
    terms = terms_of(order.body, order.template, order.customer)
    await projects.begin_onboarding(store, order.project, process_id(), terms)


async def withdraw(store: Store, psa: Psa, order: OnboardingOrder) -> None:
    """Record that the project is cancelled; a code that its own step did not come to give goes back too."""
    await release_code(store, psa, order)
    await projects.change_project(store, order.project, state=projects.CANCELLED)


async def check_customer(store: Store, erp: Erp, order: OnboardingOrder) -> Choice:
    """Return which customer is meant, by what was sent and what was decided since."""
    said, sent = await _said_of_customer(store), order.body.customer
    known = await known_customer(store, order.customer, order.erp)
    wish = Wish(
        known_id=known.external_id if known else None,
        link_to=said.link_to or (None if said.confirmed_new else sent.link_to) or None,
        confirmed_new=said.confirmed_new or (not said.link_to and sent.confirmed_new) or False,
    )
    return await look_ups.choose(store, erp, order.body, order.customer, wish)


async def _said_of_customer(store: Store) -> OnboardingDecision:
    """Return the last decision that says which customer is meant: it takes back what was decided before."""
    decisions = await decided(store, process_id(), OnboardingDecision)
    said = [one for one in decisions if one.link_to or one.confirmed_new]
    return said[-1] if said else OnboardingDecision()


async def link_customer(
    store: Store, vendor: str, order: OnboardingOrder, customer_id: str, how: EstablishedBy
) -> bool:
    """Tell whether it is this onboarding that links the customer; one that was linked before stays as it is.

    From here on the ledger tells other onboardings all that the locks kept them from missing: they are let go.
    """
    known = await known_customer(store, order.customer, order.erp)
    if known is None or known.external_id != customer_id:
        known = await cross_references.establish(
            store,
            NewReference(
                canonical_id=order.customer,
                object_type=CUSTOMER,
                system=vendor,
                instance=order.erp,
                external_id=customer_id,
                state=ReferenceState.proposed,
                established_by=how,
                process_id=process_id(),
                legal_entity=order.body.legal_entity,
                customer=order.customer,
            ),
        )
    await locks.release(store, process_id())
    return known.process_id == process_id()


async def reserve_code(store: Store, psa: Psa, erp: Erp, order: OnboardingOrder) -> str:
    """Return the project's code: the one decided, the one sent, or the next of the entity's pattern."""
    corrected = await corrections(store, process_id(), OnboardingDecision)
    question = CodeQuestion(
        body=order.body,
        pattern=order.code_pattern,
        project=order.project,
        wanted=corrected.project_code or order.body.project.code or None,
    )
    return await project_codes.reserve(store, psa, erp, question)


async def release_code(store: Store, psa: Psa, order: OnboardingOrder) -> None:
    """Give back what the project has of codes, but the one that the PSA has shown; all stay where it shows none."""
    if await codes.kept_code(store, order.project) is None:
        return
    opportunity = order.body.opportunity
    shown = await psa.find_project(keys.psa_project_key(opportunity.crm, opportunity.id))
    if shown is None or shown.code:
        await codes.release_codes(store, order.project, but=shown.code if shown else "")


async def record_contract(store: Store, order: OnboardingOrder) -> str:
    """Return the id of our copy of the contract, with lines and splits."""
    return await contracts.record_contract(store, contract_of(order))


async def record_schedule(store: Store, order: OnboardingOrder, contract_id: str) -> int:
    """Return how many parts are planned; our copy is read back and must sum to the lines."""
    parts = schedule_of(order.body)
    recorded = await schedules.record_schedule(store, contract_id, parts)
    planned = schedules.total_of(parts)
    found = await schedules.scheduled_total(store, contract_id)
    if found != planned:
        raise Refused(Code.schedule_total_mismatch, "What was recorded is not what was signed. Report the process.")
    return recorded


async def link_project(store: Store, vendor: str, connection: str, external_id: str, order: OnboardingOrder) -> None:
    """Record the id by which a system knows the project; it counts once the onboarding is through."""
    await cross_references.establish(
        store,
        NewReference(
            canonical_id=order.project,
            object_type=PROJECT,
            system=vendor,
            instance=connection,
            external_id=external_id,
            state=ReferenceState.proposed,
            process_id=process_id(),
            legal_entity=order.body.legal_entity,
            customer=order.customer,
            project=order.project,
        ),
    )


async def unlink(store: Store, canonical_id: str, connection: str) -> None:
    """End the reference to the thing that is undone."""
    await cross_references.retire(store, canonical_id, connection)


async def decided_dimensions(store: Store, order: OnboardingOrder) -> list[Dimension]:
    """Return the dimensions decided, or those that were sent."""
    corrected = await corrections(store, process_id(), OnboardingDecision)
    return corrected.dimensions or order.body.project.dimensions


async def compare(erp: Erp, psa: Psa, order: OnboardingOrder, made: Made) -> None:
    """Return where both systems say what they were asked for; raises Refused with each difference."""
    ledger = read_back.told_by_erp(await erp.get_accounting_project(made.erp_project_id))
    found = [
        *(await _delivery_differences(psa, order, made, ledger)),
        *_ledger_differences(order, made, ledger),
        *(await _customer_differences(erp, order, made)),
    ]
    if found:
        detail = "A system says something else than it was asked for; `errors` names the fields. Mend it, then resume."
        raise Refused(Code.upstream_contract_violation, detail, *found)


async def _delivery_differences(psa: Psa, order: OnboardingOrder, made: Made, ledger: KeyFields) -> Sequence[Violation]:
    manager = await psa.find_resource(order.body.project.manager)
    wanted = read_back.wanted_of_psa(
        documents.new_psa_project(order.body, made.code, None),
        manager.id if manager else None,
        closes=psa.capabilities.close_for_time,
    )
    told = read_back.told_by_psa(await psa.get_project(made.psa_project_id))
    if ledger.state == read_back.OPEN:  # The PSA is opened after the ledger, never before.
        wanted = read_back.as_far_as(wanted, told)
    return read_back.differences(wanted, told, order.psa, PROJECT)


def _ledger_differences(order: OnboardingOrder, made: Made, ledger: KeyFields) -> Sequence[Violation]:
    new = documents.new_erp_project(order.body, made.code, made.customer_id, made.dimensions)
    wanted = read_back.as_far_as(read_back.wanted_of_erp(new), ledger)
    return read_back.differences(wanted, ledger, order.erp, PROJECT)


async def _customer_differences(erp: Erp, order: OnboardingOrder, made: Made) -> Sequence[Violation]:
    if not made.customer_is_new:  # It was there before; its ERP is its master.
        return ()
    wanted = read_back.wanted_of_customer(documents.new_customer(order.body))
    told = read_back.told_of_customer(await erp.get_customer(made.customer_id))
    return read_back.differences(wanted, told, order.erp, CUSTOMER)


async def activate_references(store: Store, order: OnboardingOrder, contract_id: str) -> None:
    """Record that contract, customer and project are active."""
    for canonical_id in (order.customer, order.project):
        await cross_references.promote(store, canonical_id)
    await contracts.move_contract(store, contract_id, contracts.ACTIVE)
    await projects.change_project(store, order.project, state=projects.ACTIVE)
    await customers.mark_customer(store, order.customer, customers.ACTIVE)


async def announce(store: Store, order: OnboardingOrder, made: Made) -> None:
    """Append the business event that the project is active; the CRM reads code and links from it."""
    told = await business_events.list_all(store, INSTALLATION, Window(), subject=order.project, type=ACTIVATED)
    if any(event.causation_id == process_id() for event in told.items):
        return
    async with store.begin() as connection:
        await business_events.append(connection, store, activated(order, made, process_id()))


def activated(order: OnboardingOrder, made: Made, onboarding: str) -> NewEvent:
    """Return the event."""
    opportunity = order.body.opportunity
    return NewEvent(
        type=ACTIVATED,
        subject=order.project,
        causation_id=onboarding,
        legal_entity=order.body.legal_entity,
        customer=order.customer,
        project=order.project,
        data={
            "onboarding": onboarding,
            "code": made.code,
            "name": order.body.project.name,
            "opportunity": {"crm": opportunity.crm, "id": opportunity.id},
            "systems": [
                {"connection": order.erp, "family": "erp", "external_id": made.erp_project_id},
                {"connection": order.psa, "family": "psa", "external_id": made.psa_project_id},
            ],
            "links": [{"rel": "status", "href": f"/process/status/v1/project-statuses/{order.project}"}],
        },
    )
