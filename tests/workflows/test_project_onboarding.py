"""The onboarding of a project as its caller meets it; the books of both systems say what became of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import UNSET, json
from msgspec.structs import replace
from sqlalchemy import select

from gateway.caller import INSTALLATION
from gateway.durable.migrate import migrate
from gateway.errors import Refused, Unavailable
from gateway.store import business_events, locks
from gateway.store.pages import Window
from gateway.store.processes import tb_process_instance
from openapi.common.types import Code
from openapi.common.types import Outcome as Effect
from openapi.process.project_onboarding.v1 import OnboardingState
from openapi.system.erp.v1 import AccountingProjectState, CreditStatus, CustomerState, NewAccountingProject
from openapi.system.psa.v1 import NewProject, Project, ProjectState
from process_apis.ledger import codes, contracts, projects, schedules
from process_apis.project_onboarding import admission, documents
from process_apis.project_onboarding.customers import Choice
from process_apis.project_onboarding.steps import ACTIVATED
from tests.fakes.coded import reserved
from tests.fakes.statement_of_work import TEMPLATE, signed
from tests.fakes.vendor import Book, Fault
from tests.servers_postgres import Postgres
from tests.workflows.onboarding_stage import Stage, states

NOWHERE = [{"type": "department", "code": "NOWHERE"}]
NEIGHBOUR = replace(documents.new_customer(signed()), business_key="cus_crm1_9999", name="Alder Foods SL")


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncIterator[Stage]:
    stage = Stage(sqlite_url)
    yield stage
    await stage.close()


@pytest.fixture
async def working(stage: Stage) -> AsyncIterator[Stage]:
    async with stage.working():
        yield stage


def books(stage: Stage) -> dict[str, list[tuple[str, str]]]:
    """Return what both systems have, and in which state."""
    return {
        "customers": [(one.name, one.state.value) for one in stage.erp.customers],
        "ledger": [(one.code, one.state.value) for one in stage.erp.projects],
        "delivery": [(one.code, one.state.value) for one in stage.psa.projects],
    }


def nothing_is_active(stage: Stage) -> bool:
    return (
        all(one.state is CustomerState.inactive for one in stage.erp.customers)
        and all(one.state is AccountingProjectState.inactive for one in stage.erp.projects)
        and all(one.state is ProjectState.cancelled for one in stage.psa.projects)
    )


def another_project(code: str) -> NewProject:
    """Return a project that somebody makes in the PSA by hand."""
    body = signed(opportunity__id="by hand", project__manager="ana.ruiz@example.com")
    return documents.new_psa_project(body, code, None)


ONE_OF_EACH = {
    "customers": [("Alder Foods S.A.", "active")],
    "ledger": [("P-0001", "active")],
    "delivery": [("P-0001", "open")],
}


async def test_statement_of_work_becomes_a_project_in_both_systems(working: Stage) -> None:
    onboarding = await working.onboard()

    assert (onboarding.state, onboarding.outcome) == (OnboardingState.active, Effect.applied)
    assert (onboarding.project.code, onboarding.attempt, onboarding.work_items) == ("P-0001", 1, [])
    assert books(working) == ONE_OF_EACH
    assert [task.name for task in working.psa.tasks] == ["Discovery", "Delivery", "Build"]
    assert [task.parent_id for task in working.psa.tasks] == [None, None, "2"]
    assert [one.name for one in working.psa.milestones] == ["Design accepted", "Platform in use", "Kick-off"]


async def test_each_step_is_shown_with_its_system_and_what_came_of_it(working: Stage) -> None:
    onboarding = await working.onboard()

    shown = {step.name: (step.system, step.state.value, step.external_id, step.detail) for step in onboarding.steps}
    assert shown["create_customer"] == ("books", "done", "1", None)
    assert shown["create_project"] == ("delivery", "done", "1", None)
    assert shown["create_contract"] == ("books", "skipped", None, "capability")
    assert shown["create_schedule:2"] == ("delivery", "skipped", None, "capability")
    assert shown["notify_crm"] == (None, "skipped", None, "capability")
    assert {state for _, state, _, _ in shown.values()} == {"done", "skipped"}


async def test_what_is_known_of_it_is_recorded(working: Stage) -> None:
    onboarding = await working.onboard()

    assert {(one.object.value, one.connection, one.external_id, one.state) for one in onboarding.cross_references} == {
        ("customer", "books", "1", "active"),
        ("project", "delivery", "1", "active"),
        ("project", "books", "1", "active"),
    }
    project = await projects.find_project(working.store, INSTALLATION, onboarding.project.id)
    assert project
    assert (project.state, project.code, project.onboarding_id) == ("active", "P-0001", onboarding.id)
    async with working.store.begin() as connection:
        contract = (await connection.execute(select(contracts.tb_contract))).one()
    assert (contract.state, contract.project, contract.customer) == ("active", project.id, onboarding.customer.id)
    assert str(await schedules.scheduled_total(working.store, contract.id)) == "48000.00"
    assert await locks.held_by(working.store, onboarding.id) == []


async def test_activation_is_told_once_with_code_and_links(working: Stage) -> None:
    onboarding = await working.onboard()

    told = await business_events.list_all(working.store, INSTALLATION, Window(), type=ACTIVATED)
    assert [event.subject for event in told.items] == [onboarding.project.id]
    data = json.decode(told.items[0].data)
    assert (data["code"], data["opportunity"]) == ("P-0001", {"crm": "crm1", "id": "0065"})
    assert told.items[0].correlation_id == "story-1"


async def test_preview_is_what_is_then_done_and_writes_nothing(working: Stage) -> None:
    preview = await working.preview()
    effects = working.erp.effects + working.psa.effects
    onboarding = await working.onboard()

    assert not effects
    assert preview.project_code == onboarding.project.code
    assert [(step.name, step.system) for step in preview.steps] == [
        (step.name, step.system) for step in onboarding.steps
    ]
    assert [step.name for step in preview.steps if step.skipped] == [
        name for name, state in states(onboarding).items() if state == "skipped"
    ]
    payloads = {step.name: step.payload for step in preview.steps}
    assert payloads["create_project"] == {
        "business_key": "prj_crm1_0065_psa",
        "legal_entity": "ES01",
        "code": "P-0001",
        "name": "Data platform",
        "customer": {"business_key": "cus_crm1_4711", "name": "Alder Foods S.A."},
        "start": "2026-12-01",
        "end": "2027-05-31",
        "manager": "ana.ruiz@example.com",
    }


async def test_preview_says_which_customer_would_be_linked_or_taken_up_again(working: Stage) -> None:
    customer = await working.erp.create_customer(NEIGHBOUR)
    linking = await working.preview(customer__link_to=customer.id)
    working.psa.plan("create_project", Fault.refused)
    await working.cancel((await working.onboard(customer__confirmed_new=True)).id)
    again = await working.preview()

    assert (linking.customer.action.value, linking.customer.external_id) == ("link", customer.id)
    assert [step.skipped for step in linking.steps if step.name == "create_customer"] == ["exists"]
    assert [step.payload for step in again.steps if step.name == "update_customer"] == [{"state": "active"}]


async def test_preview_shows_what_the_psa_lacks(working: Stage) -> None:
    working.psa.capabilities = replace(working.psa.capabilities, milestones=False)
    native = replace(TEMPLATE, native_templates={"fake": "Delivery standard"})
    working.templates = {native.code: native}

    preview = await working.preview()

    skipped = {step.name: step.skipped for step in preview.steps if step.system == "delivery" and step.skipped}
    assert skipped == {
        "create_contract:2": "capability",
        "create_task": "native template",
        "create_milestone": "capability",
        "create_schedule:2": "capability",
    }


async def test_links_lead_to_the_status_and_back_to_the_crm(working: Stage) -> None:
    onboarding = await working.onboard(
        opportunity__url="https://crm.example.com/0065", links=[{"rel": "quote", "href": "https://crm.example.com/q/1"}]
    )

    assert [(link.rel, link.href) for link in onboarding.links] == [
        ("status", f"/process/status/v1/project-statuses/{onboarding.project.id}"),
        ("opportunity", "https://crm.example.com/0065"),
        ("quote", "https://crm.example.com/q/1"),
    ]


async def test_same_statement_again_meets_the_same_process_and_asks_nobody(working: Stage) -> None:
    first = await working.onboard()
    calls = working.erp.calls + working.psa.calls
    again = await working.onboard()

    assert (again.id, again.state) == (first.id, first.state)
    assert working.erp.calls + working.psa.calls == calls


async def test_twenty_posts_at_once_make_one_project(working: Stage) -> None:
    answers = await asyncio.gather(*(working.onboard(wait_s=None) for _ in range(20)))
    onboarding = await working.onboard()

    assert {answer.id for answer in answers} == {onboarding.id}
    assert onboarding.state is OnboardingState.active
    assert books(working) == ONE_OF_EACH


async def test_post_whose_look_ups_find_what_its_twin_just_made_meets_the_twin(
    working: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, twins = admission.look_up, list[str]()

    async def overtaken(*arguments: Any) -> Choice:  # noqa: ANN401 - handed on
        monkeypatch.setattr(admission, "look_up", look_up)
        twins.append((await working.onboard()).id)
        return await look_up(*arguments)

    monkeypatch.setattr(admission, "look_up", overtaken)
    met = await working.onboard()

    assert [met.id] == twins
    assert books(working) == ONE_OF_EACH


async def test_another_payload_under_the_key_is_refused_and_names_the_process(working: Stage) -> None:
    first = await working.onboard()
    refused = await working.refused(project__name="Data platform 2")

    assert (refused.code, refused.process_id) == (Code.process_payload_conflict, first.id)


async def test_what_was_decided_about_the_customer_is_no_other_payload(working: Stage) -> None:
    first = await working.onboard()

    assert (await working.onboard(customer__confirmed_new=True)).id == first.id


async def test_another_version_while_one_is_live_is_an_amendment(working: Stage) -> None:
    first = await working.onboard()
    refused = await working.refused(statement_of_work__version=2)

    assert (refused.code, refused.process_id) == (Code.amendment_conflict, first.id)


async def test_two_versions_at_once_onboard_one_of_them(stage: Stage) -> None:
    first, second = await asyncio.gather(
        stage.onboard(wait_s=None), stage.onboard(wait_s=None, statement_of_work__version=2)
    )
    async with stage.working():
        rested = [await stage.rested(one) for one in (first, second)]

    assert sorted(one.state.value for one in rested) == ["active", "parked"]
    assert [item.code for item in await stage.open_items()] == [Code.amendment_conflict]
    assert books(stage) == ONE_OF_EACH


# What one of the systems, or an earlier onboarding, has to say.


async def test_caller_without_the_entity_is_refused_before_anything_else(working: Stage) -> None:
    working.caller = replace(INSTALLATION, legal_entities=frozenset({"DE01"}))

    refused = await working.refused(lines=[], project__template="nothing")

    assert (refused.code, refused.violations) == (Code.auth_entity_not_allowed, ())


async def test_everything_that_a_system_would_not_take_is_told_at_once(working: Stage) -> None:
    await working.onboard()

    refused = await working.refused(
        opportunity__id="0066", customer__account="9", project__code="P-0001", project__manager="ben.ode@example.com"
    )

    assert refused.code is Code.customer_duplicate_candidate
    assert [violation.pointer for violation in refused.violations] == [
        "#/customer",
        "#/project/manager",
        "#/project/code",
    ]
    assert [candidate.external_id for candidate in refused.candidates] == ["1"]


async def test_system_that_is_away_is_not_a_refusal(working: Stage) -> None:
    working.psa.away = True

    with pytest.raises(Unavailable):
        await working.onboard()
    assert (await working.find()).items == []


async def test_customer_that_exists_is_linked_once_somebody_says_so(working: Stage) -> None:
    await working.erp.create_customer(NEIGHBOUR)

    refused = await working.refused()
    onboarding = await working.onboard(customer__link_to=refused.candidates[0].external_id)

    assert onboarding.state is OnboardingState.active
    assert states(onboarding)["create_customer"] == "skipped"
    assert [project.customer_id for project in working.erp.projects] == ["1"]
    assert len(working.erp.customers) == 1


async def test_customer_that_is_another_accounts_is_refused_before_anything_is_made(working: Stage) -> None:
    await working.onboard()
    other = {"opportunity__id": "0099", "customer__account": "9", "customer__link_to": "1"}

    refused = await working.refused(**other)

    assert (refused.code, refused.violations[0].pointer) == (Code.customer_linked_elsewhere, "#/customer/link_to")
    assert len(working.psa.projects) == 1


async def test_customer_that_two_accounts_want_at_once_is_the_firsts_and_the_other_decides_again(stage: Stage) -> None:
    await stage.erp.create_customer(NEIGHBOUR)
    accounts = [
        {"opportunity__id": f"009{account}", "customer__account": account, "customer__link_to": "1"}
        for account in ("8", "9")
    ]
    accepted = [await stage.onboard(wait_s=None, **account) for account in accounts]

    async with stage.working():
        rested = [await stage.rested(one) for one in accepted]
        [parked] = [one for one in rested if one.state is OnboardingState.parked]
        mended = await stage.resume(parked.id, confirmed_new=True)

    assert sorted(one.state.value for one in rested) == ["active", "parked"]
    assert mended.state is OnboardingState.active
    assert [project.customer_id for project in stage.erp.projects] == ["1", "2"]


async def test_customer_confirmed_as_new_is_made_beside_the_candidate(working: Stage) -> None:
    await working.erp.create_customer(NEIGHBOUR)

    onboarding = await working.onboard(customer__confirmed_new=True)

    assert onboarding.state is OnboardingState.active
    assert [project.customer_id for project in working.erp.projects] == ["2"]


async def test_second_project_of_an_account_takes_the_customer_that_we_know(working: Stage) -> None:
    first = await working.onboard()
    second = await working.onboard(opportunity__id="0066")

    assert (second.state, second.customer.id) == (OnboardingState.active, first.customer.id)
    assert len(working.erp.customers) == 1
    assert [project.code for project in working.psa.projects] == ["P-0001", "P-0002"]


async def test_two_opportunities_of_a_new_account_at_once_make_one_customer(stage: Stage) -> None:
    both = [await stage.onboard(wait_s=None, opportunity__id=number) for number in ("0065", "0066")]
    async with stage.working():
        rested = [await stage.rested(one, OnboardingState.active) for one in both]

    assert len({one.customer.id for one in rested}) == 1
    assert len(stage.erp.customers) == 1


async def test_proposed_code_is_the_projects(working: Stage) -> None:
    assert (await working.onboard(project__code="ALDER-1")).project.code == "ALDER-1"


async def test_codes_that_a_system_has_already_are_passed_over(working: Stage) -> None:
    customer = await working.erp.create_customer(replace(NEIGHBOUR, name="Birch", tax_id=UNSET, business_key="b"))
    await working.erp.create_accounting_project(
        NewAccountingProject(
            business_key="x", legal_entity="ES01", code="P-0001", name="Old", customer_id=customer.id, dimensions=[]
        )
    )

    preview = await working.preview()
    onboarding = await working.onboard()

    assert (preview.project_code, onboarding.project.code) == ("P-0002", "P-0002")


# Parked, decided, resumed.


async def test_duplicate_that_appears_meanwhile_parks_and_is_linked_by_decision(stage: Stage) -> None:
    accepted = await stage.onboard(wait_s=None)
    await stage.erp.create_customer(NEIGHBOUR)
    async with stage.working():
        parked = await stage.rested(accepted)
        wrong = await stage.resume(parked.id, link_to="99")
        onboarding = await stage.resume(parked.id, link_to=parked.candidates[0].external_id, note="The same firm.")

    assert (parked.state, parked.current_step) == (OnboardingState.parked, "check_customer")
    assert [candidate.external_id for candidate in parked.candidates] == ["1"]
    assert len(parked.work_items) == 1
    assert wrong.state is OnboardingState.parked
    assert (onboarding.state, onboarding.work_items) == (OnboardingState.active, [])
    assert len(stage.erp.customers) == 1


async def test_duplicate_that_appears_meanwhile_is_confirmed_as_another_by_decision(stage: Stage) -> None:
    accepted = await stage.onboard(wait_s=None)
    await stage.erp.create_customer(NEIGHBOUR)
    async with stage.working():
        await stage.rested(accepted)
        onboarding = await stage.resume(accepted.id, confirmed_new=True)

    assert onboarding.state is OnboardingState.active
    assert [project.customer_id for project in stage.erp.projects] == ["2"]


async def test_later_decision_about_the_customer_takes_the_earlier_one_back(stage: Stage) -> None:
    onboarding = await stage.onboard(wait_s=None)
    neighbour = await stage.erp.create_customer(NEIGHBOUR)
    stage.erp.customers.put(replace(neighbour, credit_status=CreditStatus.hold), stage.store.now())
    async with stage.working():
        parked = await stage.rested(onboarding)
        held = await stage.resume(parked.id, link_to=neighbour.id)
        done = await stage.resume(parked.id, confirmed_new=True)

    assert [step.code for step in held.steps if step.name == "check_customer"] == [Code.customer_credit_hold]
    assert done.state is OnboardingState.active
    assert [project.customer_id for project in stage.erp.projects] == ["2"]


async def test_code_that_is_taken_meanwhile_is_decided(stage: Stage) -> None:
    accepted = await stage.onboard(wait_s=None, project__code="ALDER-1")
    await stage.psa.create_project(another_project("ALDER-1"))
    async with stage.working():
        parked = await stage.rested(accepted)
        again = await stage.resume(accepted.id)
        onboarding = await stage.resume(accepted.id, project_code="ALDER-2")

    assert (parked.state, parked.current_step) == (OnboardingState.parked, "reserve_code")
    assert again.state is OnboardingState.parked
    assert (onboarding.state, onboarding.project.code) == (OnboardingState.active, "ALDER-2")


async def test_code_that_is_taken_at_the_last_moment_is_decided_and_reserved_anew(stage: Stage) -> None:
    accepted = await stage.onboard(wait_s=None)

    async def take_the_code(moment: str, step: str) -> None:
        if (moment, step) == ("before", "create_project") and not stage.psa.projects:
            await stage.psa.create_project(another_project("P-0001"))

    async with stage.working(take_the_code):
        parked = await stage.rested(accepted)
        onboarding = await stage.resume(accepted.id, project_code="ALDER-2")

    assert (parked.state, parked.current_step) == (OnboardingState.parked, "create_project")
    assert (onboarding.state, onboarding.project.code) == (OnboardingState.active, "ALDER-2")
    assert await codes.owner_of(stage.store, "P-0001") is None


async def test_dimension_that_the_ledger_does_not_take_is_corrected_by_decision(working: Stage) -> None:
    parked = await working.onboard(project__dimensions=NOWHERE)
    onboarding = await working.resume(parked.id, dimensions=[{"type": "department", "code": "CLOUD"}])

    assert (parked.state, parked.current_step) == (OnboardingState.parked, "create_accounting_project")
    assert states(parked)["create_accounting_project"] == "refused"
    assert onboarding.state is OnboardingState.active
    assert [dimension.code for project in working.erp.projects for dimension in project.dimensions] == ["CLOUD"]


async def test_dimension_that_is_opened_in_the_ledger_needs_no_more_than_a_resume(working: Stage) -> None:
    parked = await working.onboard(project__dimensions=NOWHERE)
    working.erp.departments.add("NOWHERE")
    onboarding = await working.resume(parked.id, note="The department was opened.")

    assert onboarding.state is OnboardingState.active
    assert books(working) == ONE_OF_EACH


async def test_credit_hold_parks_until_finance_lifts_it(stage: Stage) -> None:
    customer = await stage.erp.create_customer(NEIGHBOUR)
    accepted = await stage.onboard(wait_s=None, customer__link_to=customer.id)
    stage.erp.customers.put(replace(customer, credit_status=CreditStatus.hold), stage.erp.clock())
    async with stage.working():
        parked = await stage.rested(accepted)
        items = await stage.open_items()
        stage.erp.customers.put(customer, stage.erp.clock())
        onboarding = await stage.resume(accepted.id)

    assert parked.state is OnboardingState.parked
    assert [(item.code, item.owner_queue.value) for item in items] == [(Code.customer_credit_hold, "Finance Ops")]
    assert onboarding.state is OnboardingState.active


async def test_system_that_is_away_parks_and_goes_on_by_itself(stage: Stage) -> None:
    accepted = await stage.onboard(wait_s=None)
    stage.psa.away = True
    async with stage.working():
        parked = await stage.rested(accepted)
        items = await stage.open_items()
        stage.psa.away = False
        onboarding = await stage.rested(accepted, OnboardingState.active)

    assert (parked.state, parked.current_step) == (OnboardingState.parked, "reserve_code")
    assert [item.code for item in items] == [Code.upstream_unavailable]
    assert onboarding.work_items == []
    assert books(stage) == ONE_OF_EACH


async def test_system_that_says_something_else_parks_with_each_field(stage: Stage) -> None:
    accepted = await stage.onboard(wait_s=None)

    async def spoil(moment: str, step: str) -> None:
        if (moment, step) == ("before", "read_back"):
            (project,), (ledger,), (customer,) = stage.psa.projects, stage.erp.projects, stage.erp.customers
            stage.psa.projects.put(replace(project, name="Data plat", end=None), stage.psa.clock())
            stage.erp.projects.put(replace(ledger, dimensions=[]), stage.erp.clock())
            stage.erp.customers.put(replace(customer, tax_id="ESB58818501"), stage.erp.clock())

    async with stage.working(spoil):
        await stage.rested(accepted)
        (item,) = await stage.open_items()

    assert (item.step, item.code) == ("read_back", Code.upstream_contract_violation)
    violations = [(one["pointer"], one["system"]) for one in json.decode(item.facts)["violations"]]
    assert violations == [
        ("#/project/name", "delivery"),
        ("#/project/dimensions", "books"),
        ("#/customer/tax_id", "books"),
    ]


@pytest.mark.parametrize("fault", [Fault.lost_before, Fault.lost_after])
@pytest.mark.parametrize(
    ("operation", "system"),
    [
        ("create_customer", "erp"),
        ("create_project", "psa"),
        ("create_accounting_project", "erp"),
        ("activate_accounting_project", "erp"),
        ("open_project", "psa"),
    ],
)
async def test_lost_answer_ends_in_one_of_each_thing(working: Stage, operation: str, system: str, fault: Fault) -> None:
    getattr(working, system).plan(operation, fault)

    onboarding = await working.onboard()

    assert onboarding.state is OnboardingState.active
    assert books(working) == ONE_OF_EACH


# Given up.


WRITES = [
    ("erp", "create_customer"),
    ("psa", "create_project"),
    ("psa", "create_task"),
    ("psa", "create_milestone"),
    ("erp", "create_accounting_project"),
    ("erp", "activate_accounting_project"),
    ("psa", "open_project"),
]


@pytest.mark.parametrize(("system", "operation"), WRITES)
async def test_cancelled_at_any_write_nothing_is_left_active_and_a_new_attempt_takes_up_what_is_there(
    working: Stage, system: str, operation: str
) -> None:
    getattr(working, system).plan(operation, Fault.refused)
    parked = await working.onboard()
    cancelled = await working.cancel(parked.id)
    left = nothing_is_active(working)
    again = await working.onboard()

    assert (parked.state, parked.current_step) == (OnboardingState.parked, operation)
    assert (cancelled.state, cancelled.outcome) == (OnboardingState.cancelled, Effect.none)
    assert left
    assert (again.id, again.state, again.attempt) == (parked.id, OnboardingState.active, 2)
    assert [state for _, state in (row for rows in books(working).values() for row in rows)] == [
        "active",
        "active",
        "open",
    ]
    assert len(working.psa.tasks) == 3


async def test_what_was_made_otherwise_than_wanted_is_undone_too(working: Stage) -> None:
    make = working.psa.create_project

    async def make_another(new: NewProject) -> Project:
        return await make(replace(new, code=f"X-{new.code}"))

    working.psa.create_project = make_another  # type: ignore[method-assign]  # a PSA that changes what it is told
    parked = await working.onboard()

    cancelled = await working.cancel(parked.id)

    refused = next(step for step in parked.steps if step.name == "create_project")
    assert (refused.state.value, refused.code) == ("refused", Code.upstream_conflict_stale)
    assert states(cancelled)["create_project"] == "undone"
    assert (cancelled.state, nothing_is_active(working)) == (OnboardingState.cancelled, True)


async def test_undoing_goes_backwards_and_shows_what_it_undid(working: Stage) -> None:
    working.psa.plan("open_project", Fault.refused)
    parked = await working.onboard()
    cancelled = await working.cancel(parked.id)

    names = [step.name for step in cancelled.steps]
    undone = names[names.index("open_project") + 1 :]
    assert undone == [
        "deactivate_accounting_project:2",
        "cancel_schedule",
        "unlink_accounting_project",
        "deactivate_accounting_project",
        "unlink_project",
        "cancel_project",
        "cancel_contract",
        "release_code",
        "unlink_customer",
        "deactivate_customer",
        "withdraw_project",
    ]
    assert states(cancelled)["create_project"] == "undone"
    assert {reference.state for reference in cancelled.cross_references} == set()
    project = await projects.find_project(working.store, INSTALLATION, cancelled.project.id)
    assert project
    assert project.state == "cancelled"


async def test_code_that_no_system_has_seen_is_given_back(working: Stage) -> None:
    working.psa.plan("create_project", Fault.refused)
    parked = await working.onboard(project__code="ALDER-1")
    cancelled = await working.cancel(parked.id)

    assert cancelled.project.code is None
    assert await codes.owner_of(working.store, "ALDER-1") is None


async def test_code_that_was_only_looked_at_is_given_back(working: Stage) -> None:
    working.erp.plan("search_accounting_projects", *[Fault.unavailable] * 99)
    parked = await working.onboard()
    looked_at = await reserved(working.store)
    cancelled = await working.cancel(parked.id)

    assert (parked.state, parked.current_step) == (OnboardingState.parked, "reserve_code")
    assert looked_at == {"p-0001": parked.project.id}
    assert (cancelled.state, await reserved(working.store)) == (OnboardingState.cancelled, {})


async def test_code_that_a_system_has_seen_stays_the_projects(working: Stage) -> None:
    working.erp.plan("create_accounting_project", Fault.refused)
    parked = await working.onboard(project__code="ALDER-1")
    await working.cancel(parked.id)
    again = await working.refused(project__code="ALDER-2", statement_of_work__version=2)

    assert await codes.owner_of(working.store, "ALDER-1") == parked.project.id
    assert again.code is Code.project_code_collision


async def test_what_somebody_has_deleted_meanwhile_needs_no_undoing(working: Stage) -> None:
    working.psa.plan("open_project", Fault.refused)
    parked = await working.onboard()
    working.psa.projects, working.erp.projects, working.erp.customers = Book(), Book(), Book()

    assert (await working.cancel(parked.id)).state is OnboardingState.cancelled


async def test_customer_that_was_there_before_stays_as_it_is(working: Stage) -> None:
    customer = await working.erp.create_customer(NEIGHBOUR)
    working.psa.plan("create_project", Fault.refused)
    parked = await working.onboard(customer__link_to=customer.id)
    await working.cancel(parked.id)

    assert [one.state for one in working.erp.customers] == [CustomerState.active]
    assert working.erp.effects["update_customer"] == 0


async def test_customer_that_another_project_needs_stays_active(working: Stage) -> None:
    working.psa.plan("create_project", Fault.refused)
    parked = await working.onboard()
    second = await working.onboard(opportunity__id="0066")
    await working.cancel(parked.id)
    third = await working.onboard(opportunity__id="0067")

    assert (second.state, third.state) == (OnboardingState.active, OnboardingState.active)
    assert [one.state for one in working.erp.customers] == [CustomerState.active]


async def test_customer_that_another_onboarding_is_about_to_use_stays_linked_and_active(stage: Stage) -> None:
    stage.psa.plan("open_project", Fault.refused)
    first = await stage.onboard(wait_s=None)
    async with stage.working():
        await stage.rested(first)
    second = await stage.onboard(wait_s=None, opportunity__id="0066")
    (customer,) = stage.erp.customers
    stage.erp.customers.put(replace(customer, credit_status=CreditStatus.hold), stage.erp.clock())
    async with stage.working():
        parked = await stage.rested(second)
        cancelled = await stage.cancel(first.id)
        stage.erp.customers.put(customer, stage.erp.clock())
        onboarding = await stage.resume(second.id)

    assert (parked.current_step, cancelled.state) == ("check_customer", OnboardingState.cancelled)
    assert onboarding.state is OnboardingState.active
    assert books(stage)["customers"] == ONE_OF_EACH["customers"]


async def test_erp_whose_customers_are_changed_by_hand_keeps_the_customer(working: Stage) -> None:
    working.erp.capabilities = replace(working.erp.capabilities, update_customers=False)
    working.psa.plan("create_project", Fault.refused)
    cancelled = await working.cancel((await working.onboard()).id)

    assert cancelled.state is OnboardingState.cancelled
    assert books(working)["customers"] == ONE_OF_EACH["customers"]


async def test_active_onboarding_cannot_be_cancelled_or_resumed(working: Stage) -> None:
    onboarding = await working.onboard()

    for act in (working.cancel, working.resume):
        with pytest.raises(Refused) as refused:
            await act(onboarding.id)
        assert refused.value.code is Code.process_illegal_transition


async def test_onboarding_that_has_not_begun_is_cancelled_at_once(stage: Stage) -> None:
    accepted = await stage.onboard(wait_s=None)

    assert (await stage.cancel(accepted.id)).state is OnboardingState.cancelled
    async with stage.working():
        again = await stage.onboard()
    assert (again.state, again.attempt) == (OnboardingState.active, 2)
    assert books(stage) == ONE_OF_EACH


# The other database.


async def test_on_postgresql_it_is_the_same(postgres_server: Postgres) -> None:
    url = postgres_server.database()
    migrate(url)
    stage = Stage(url)
    async with stage.working():
        stage.psa.plan("open_project", Fault.refused)
        answers = await asyncio.gather(*(stage.onboard(wait_s=None) for _ in range(20)))
        cancelled = await stage.cancel((await stage.rested(answers[0])).id)
        left = nothing_is_active(stage)
        again = await stage.onboard()
        second = await stage.onboard(opportunity__id="0066")
    await stage.close()

    assert {answer.id for answer in answers} == {again.id}
    assert left
    assert [one.state.value for one in (cancelled, again, second)] == ["cancelled", "active", "active"]
    assert again.project.code == "P-0001"
    assert len(stage.erp.customers) == 1


# Cut short.


class Stumbling:
    """Lets every step break once, after its effect: so each one runs twice."""

    def __init__(self) -> None:
        self.stumbled: list[str] = []

    async def __call__(self, moment: str, step: str) -> None:
        if moment == "after" and step not in self.stumbled:
            self.stumbled.append(step)
            raise RuntimeError(f"{step} is cut short.")


async def test_every_step_may_run_twice(stage: Stage) -> None:
    stumbling = Stumbling()
    accepted = await stage.onboard(wait_s=None)
    async with stage.working(stumbling):
        onboarding = await stage.rested(accepted)
        while onboarding.state is OnboardingState.parked:
            onboarding = await stage.resume(onboarding.id)

    assert onboarding.state is OnboardingState.active
    done = {step.name for step in onboarding.steps if step.state.value == "done"}
    assert done == {name for name in stumbling.stumbled if not name.startswith("tiebeam.")}
    assert books(stage) == ONE_OF_EACH
    assert (len(stage.psa.tasks), len(stage.psa.milestones)) == (3, 3)
    told = await business_events.list_all(stage.store, INSTALLATION, Window(), type=ACTIVATED)
    assert len(told.items) == 1
    assert {one.state for one in onboarding.cross_references} == {"active"}


async def test_every_step_that_undoes_may_run_twice(stage: Stage) -> None:
    stage.psa.plan("open_project", Fault.refused)
    accepted = await stage.onboard(wait_s=None)
    async with stage.working():
        parked = await stage.rested(accepted)
    stumbling = Stumbling()
    async with stage.working(stumbling):
        onboarding = await stage.cancel(parked.id)
        while onboarding.state is OnboardingState.parked:
            onboarding = await stage.resume(onboarding.id)

    assert onboarding.state is OnboardingState.cancelled
    assert "deactivate_customer" in stumbling.stumbled
    assert nothing_is_active(stage)


# What the systems lack.


async def test_native_template_is_copied_in_place_of_the_tasks(working: Stage) -> None:
    native = replace(TEMPLATE, native_templates={"fake": "Delivery standard"})
    working.templates = {native.code: native}

    onboarding = await working.onboard()

    assert onboarding.state is OnboardingState.active
    assert states(onboarding)["create_task"] == "skipped"
    assert [task.name for task in working.psa.tasks] == ["Discovery", "Build"]


async def test_psa_without_tasks_milestones_and_closing_is_used_as_far_as_it_goes(working: Stage) -> None:
    working.psa.capabilities = replace(
        working.psa.capabilities, tasks=False, milestones=False, native_templates=False, close_for_time=False
    )

    onboarding = await working.onboard()

    assert onboarding.state is OnboardingState.active
    assert states(onboarding)["create_milestone"] == states(onboarding)["create_task"] == "skipped"


async def test_template_is_kept_as_it_was_when_the_onboarding_began(stage: Stage) -> None:
    await stage.onboard(wait_s=None)
    stage.templates = {TEMPLATE.code: replace(TEMPLATE, version=2, tasks=())}
    async with stage.working():
        await stage.onboard()

    assert len(stage.psa.tasks) == 3


# Who sees what.


async def test_what_the_psa_can_is_kept_as_it_was_when_the_onboarding_began(stage: Stage) -> None:
    async with stage.working():
        parked = await stage.onboard(project__dimensions=NOWHERE)
    stage.psa.capabilities = replace(stage.psa.capabilities, milestones=False)
    stage.erp.departments.add("NOWHERE")

    async with stage.working():
        done = await stage.resume(parked.id)

    assert (parked.state, parked.current_step) == (OnboardingState.parked, "create_accounting_project")
    assert done.state is OnboardingState.active
    assert states(done)["create_milestone:3"] == "done"


async def test_onboardings_are_found_by_state_customer_and_external_id(working: Stage) -> None:
    first = await working.onboard()
    working.psa.plan("create_project", Fault.refused)
    second = await working.onboard(opportunity__id="0066", project__name="Second")

    found = {
        "all": await working.find(),
        "state": await working.find(state=OnboardingState.parked),
        "customer": await working.find(customer=first.customer.id),
        "opportunity": await working.find(connection="crm1", external_id="0066"),
        "project": await working.find(connection="delivery", external_id="1"),
        "erp": await working.find(connection="books", external_id="1"),
        "nobody": await working.find(connection="crm1", external_id="1"),
    }

    assert {name: [one.id for one in page.items] for name, page in found.items()} == {
        "all": [second.id, first.id],
        "state": [second.id],
        "customer": [second.id, first.id],
        "opportunity": [second.id],
        "project": [first.id],
        "erp": [second.id, first.id],
        "nobody": [],
    }


async def test_list_goes_on_where_it_stopped(working: Stage) -> None:
    ids = [(await working.onboard(opportunity__id=number)).id for number in ("1", "2", "3")]

    first = await working.find(limit=2)
    rest = await working.find(limit=2, cursor=first.next_cursor)

    assert [one.id for one in (*first.items, *rest.items)] == ids[::-1]
    assert rest.next_cursor is None


async def test_external_id_needs_its_system(working: Stage) -> None:
    for given in ({"connection": "crm1"}, {"external_id": "0065"}):
        with pytest.raises(Refused) as refused:
            await working.find(**given)
        assert refused.value.code is Code.request_malformed


async def test_who_may_not_see_an_onboarding_is_answered_as_if_it_were_not_there(working: Stage) -> None:
    onboarding = await working.onboard()
    for claims in (
        {"legal_entities": frozenset({"DE01"})},
        {"customers": frozenset({"cus_other"})},
        {"projects": frozenset({"prj_other"})},
    ):
        working.caller = replace(INSTALLATION, **claims)

        assert (await working.find()).items == []
        for act in (working.get, working.resume, working.cancel):
            with pytest.raises(Refused) as refused:
                await act(onboarding.id)
            assert refused.value.code is Code.resource_not_found


async def test_caller_limited_to_a_customer_onboards_for_that_one_only(working: Stage) -> None:
    first = await working.onboard()
    working.caller = replace(INSTALLATION, customers=frozenset({first.customer.id}))

    second = await working.onboard(opportunity__id="0066")
    refused = await working.refused(opportunity__id="0067", customer__account="9")

    assert second.state is OnboardingState.active
    assert (refused.code, refused.violations[0].pointer) == (Code.customer_not_found, "#/customer/account")


async def test_caller_limited_to_a_customer_is_not_told_of_the_others(stage: Stage) -> None:
    first = await stage.onboard(wait_s=None)
    await stage.erp.create_customer(NEIGHBOUR)
    async with stage.working():
        parked = await stage.rested(first)
    stage.caller = replace(INSTALLATION, customers=frozenset({first.customer.id}))

    seen, refused = await stage.get(first.id), await stage.refused(opportunity__id="0066")

    assert [one.external_id for one in parked.candidates] == ["1"]
    assert seen.candidates == []
    assert (refused.code, refused.candidates) == (Code.customer_duplicate_candidate, ())


async def test_opportunity_of_another_entity_is_not_taken_over_by_a_new_version(stage: Stage) -> None:
    first = await stage.onboard(wait_s=None)
    await stage.cancel(first.id)
    stage.caller = replace(INSTALLATION, legal_entities=frozenset({"DE01"}))

    refused = await stage.refused(legal_entity="DE01", statement_of_work__version=2)

    assert (refused.code, refused.process_id) == (Code.auth_entity_not_allowed, None)


async def test_process_of_another_kind_is_no_onboarding(working: Stage) -> None:
    onboarding = await working.onboard()
    async with working.store.begin() as connection:
        await connection.execute(tb_process_instance.update().values(kind="another"))

    with pytest.raises(Refused) as refused:
        await working.get(onboarding.id)
    assert refused.value.code is Code.resource_not_found
