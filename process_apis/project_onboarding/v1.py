"""Handlers of `openapi/process/project_onboarding/v1.yaml`: check, look up, enqueue, answer."""

from gateway.caller import Caller
from gateway.cursors import Cursors
from gateway.durable import (
    Engine,
    Process,
    cancel,
    enqueue,
    get_process,
    list_processes,
    resume,
    wait_until_resting,
)
from gateway.errors import Refused
from gateway.listing import Listing
from gateway.store import cross_references
from gateway.store.database import Store
from gateway.store.pages import Listed, Window
from openapi.common.types import Code, OwnerQueue, Violation
from openapi.process.project_onboarding.v1 import (
    NewOnboarding,
    Onboarding,
    OnboardingDecision,
    OnboardingPage,
    OnboardingPreview,
    OnboardingState,
)
from process_apis.ledger import customers, projects
from process_apis.ledger.entities import Entities
from process_apis.project_onboarding import admission, answers, documents, project_codes
from process_apis.project_onboarding.admission import Accepted
from process_apis.project_onboarding.customers import Choice
from process_apis.project_onboarding.look_ups import PROJECT
from process_apis.project_onboarding.order import OnboardingOrder, customer_of, payload_sha256, terms_of, value_of
from process_apis.project_onboarding.preview import Prospect, preview
from process_apis.project_onboarding.templates import Templates
from process_apis.project_onboarding.workflow import KIND, onboard_project
from system_apis.ports import Landscape


async def start_onboarding(  # noqa: PLR0913 - the contract's parameters, and what the installation provides
    *,
    landscape: Landscape,
    store: Store,
    engine: Engine,
    entities: Entities,
    templates: Templates,
    caller: Caller,
    correlation_id: str,
    body: NewOnboarding,
    dry_run: bool,
    wait_s: int | None,
) -> Onboarding | OnboardingPreview:
    """Return the accepted onboarding (202), or what it would do where the caller only asks (200)."""
    accepted = await admission.judge(landscape, store, entities, templates, caller, body)
    met = await admission.meet(store, accepted)
    if dry_run:
        return await _preview(landscape, store, accepted, await admission.look_up(landscape, store, caller, accepted))
    if met is None:
        met = await _met_meanwhile(landscape, store, caller, accepted)
    if met is None:
        met = await _enqueue(landscape, store, engine, caller, correlation_id, accepted)
    return await _answer(store, caller, met.id, wait_s)


async def _met_meanwhile(landscape: Landscape, store: Store, caller: Caller, accepted: Accepted) -> Process | None:
    """Return None where the look-ups take it, or the onboarding that began while they ran.

    What its worker has made by then looks like a duplicate of ours; it is no refusal, it is the same deed.
    """
    try:
        await admission.look_up(landscape, store, caller, accepted)
    except Refused:
        met = await admission.meet(store, accepted)
        if met is None:
            raise
        return met
    return None


async def list_onboardings(  # noqa: PLR0913 - the contract's parameters
    *,
    store: Store,
    caller: Caller,
    cursors: Cursors,
    state: OnboardingState | None,
    customer: str | None,
    connection: str | None,
    external_id: str | None,
    limit: int,
    cursor: str | None,
) -> OnboardingPage:
    """Return the onboardings that the caller may see, the newest first."""
    _require_pair(connection, external_id)
    filters = {"state": state, "customer": customer, "connection": connection, "external_id": external_id}
    listing = Listing(cursors, "process/project_onboarding/v1:list_onboardings", caller, **filters)
    window = Window(after=listing.after(cursor), limit=limit)
    found = await _found(store, caller, window, state, customer, connection, external_id)
    items = await answers.onboardings(store, caller, found.items)
    return OnboardingPage(items=items, next_cursor=listing.next_cursor(found.after))


async def get_onboarding(*, store: Store, caller: Caller, onboarding_id: str) -> Onboarding:
    """Return the onboarding with its steps."""
    return await _answer(store, caller, onboarding_id)


async def resume_onboarding(
    *,
    store: Store,
    engine: Engine,
    caller: Caller,
    onboarding_id: str,
    body: OnboardingDecision,
    wait_s: int | None,
) -> Onboarding:
    """Return the onboarding, which goes on at the step that was refused and reads the decision there."""
    await _require_onboarding(store, caller, onboarding_id)
    await resume(store, engine, onboard_project, caller, onboarding_id, body)
    return await _answer(store, caller, onboarding_id, wait_s)


async def cancel_onboarding(
    *, store: Store, engine: Engine, caller: Caller, onboarding_id: str, wait_s: int | None
) -> Onboarding:
    """Return the onboarding, which undoes what it made."""
    await _require_onboarding(store, caller, onboarding_id)
    await cancel(store, engine, caller, onboarding_id)
    return await _answer(store, caller, onboarding_id, wait_s)


async def _preview(landscape: Landscape, store: Store, accepted: Accepted, choice: Choice) -> OnboardingPreview:
    erp, psa = landscape.erp(accepted.erp), landscape.psa(accepted.psa)
    prospect = Prospect(
        erp=accepted.erp,
        psa=accepted.psa,
        psa_capabilities=psa.capabilities,
        template=accepted.template,
        choice=choice,
        code=await project_codes.foresee(store, psa, erp, accepted.question),
    )
    return preview(accepted.body, prospect)


async def _enqueue(
    landscape: Landscape, store: Store, engine: Engine, caller: Caller, correlation_id: str, accepted: Accepted
) -> Process:
    body, template = accepted.body, accepted.template
    async with store.begin() as connection:
        customer = await customers.ensure_customer(connection, store, customer_of(body))
        project = await projects.ensure_project(connection, store, terms_of(body, template, customer))
    order = OnboardingOrder(
        erp=accepted.erp,
        psa=accepted.psa,
        psa_capabilities=landscape.psa(accepted.psa).capabilities,
        code_pattern=accepted.entity.code_pattern,
        customer=customer,
        project=project,
        template=template,
        body=body,
    )
    return await enqueue(
        store,
        engine,
        onboard_project,
        order,
        key=documents.onboarding_key(body),
        payload_sha256=payload_sha256(body),
        caller_client_id=caller.client_id,
        correlation_id=correlation_id,
        legal_entity=body.legal_entity,
        owner=OwnerQueue.PMO,
        customer=customer,
        project=project,
        source=body.opportunity.crm,
        external_id=body.opportunity.id,
        amount=value_of(body),
    )


async def _answer(store: Store, caller: Caller, process_id: str, wait_s: int | None = None) -> Onboarding:
    process = await _require_onboarding(store, caller, process_id)
    if wait_s:
        process = await wait_until_resting(store, process_id, wait_s)
    return (await answers.onboardings(store, caller, [process]))[0]


async def _require_onboarding(store: Store, caller: Caller, process_id: str) -> Process:
    process = await get_process(store, caller, process_id)
    if process.kind != KIND:
        raise Refused(Code.resource_not_found, "There is no such onboarding, or you may not see it.")
    return process


async def _found(
    store: Store,
    caller: Caller,
    window: Window,
    state: OnboardingState | None,
    customer: str | None,
    connection: str | None,
    external_id: str | None,
) -> Listed[Process]:
    known = await _projects_by(store, caller, connection, external_id) if connection and external_id else []
    return await list_processes(
        store,
        caller,
        window,
        kind=KIND,
        state=state,
        customer=customer,
        project=known or None,
        source=None if known else connection,
        external_id=None if known else external_id,
    )


async def _projects_by(store: Store, caller: Caller, connection: str, external_id: str) -> list[str]:
    """Return the projects that a connected system knows by the id, as project or as their customer."""
    known = await cross_references.list_all(store, caller, instance=connection, external_id=external_id, state=None)
    direct = [reference.canonical_id for reference in known if reference.object_type == PROJECT]
    owners = [reference.canonical_id for reference in known if reference.object_type != PROJECT]
    theirs = await projects.projects_of_customers(store, caller, owners)
    return [*direct, *(project.id for project in theirs)]


def _require_pair(connection: str | None, external_id: str | None) -> None:
    if (connection is None) != (external_id is None):
        detail = "Give `connection` and `external_id` together: an id means something in its system only."
        missing = "connection" if connection is None else "external_id"
        violation = Violation(code=Code.request_parameter_invalid, pointer=f"#query/{missing}", detail=detail)
        raise Refused(Code.request_malformed, detail, violation)
