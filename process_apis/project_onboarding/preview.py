"""What an onboarding would do, step by step, with the exact payloads. Pure; nothing is written."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from openapi.process.project_onboarding.v1 import (
    NewOnboarding,
    OnboardingPreview,
    PreviewAction,
    PreviewedCustomer,
    PreviewedStep,
    PreviewObject,
)
from openapi.system.psa.v1 import Capabilities
from process_apis.project_onboarding import documents
from process_apis.project_onboarding.customers import Choice
from process_apis.project_onboarding.templates import ProjectTemplate
from process_apis.project_onboarding.workflow import CAPABILITY, EXISTS

UNKNOWN_ID: Final = "…"
"""Stands for an id that only the system can give."""


class Prospect(Struct, frozen=True, kw_only=True):
    """What the look-ups found out."""

    erp: str
    psa: str
    psa_capabilities: Capabilities
    template: ProjectTemplate
    choice: Choice
    code: str


def preview(body: NewOnboarding, prospect: Prospect) -> OnboardingPreview:
    """Return what would be done, in order."""
    customer = prospect.choice.customer
    return OnboardingPreview(
        object=PreviewObject.onboarding_preview,
        business_key=documents.onboarding_key(body),
        legal_entity=body.legal_entity,
        project_code=prospect.code,
        customer=PreviewedCustomer(
            external_id=customer.id if customer else None,
            action=PreviewAction.link if customer else PreviewAction.create,
        ),
        steps=list(_numbered(_steps(body, prospect))),
    )


def _steps(body: NewOnboarding, prospect: Prospect) -> Iterator[PreviewedStep]:
    customer = prospect.choice.customer
    ledger_project = documents.new_erp_project(
        body, prospect.code, customer.id if customer else UNKNOWN_ID, body.project.dimensions
    )
    yield _step("lock_customer_and_opportunity")
    yield _step("check_customer", prospect.erp)
    yield from _customer_steps(body, prospect)
    yield _step("link_customer")
    yield _step("reserve_code")
    yield _step("record_contract")
    yield _step("create_contract", prospect.erp, skipped=CAPABILITY)
    yield _step("create_contract", prospect.psa, skipped=CAPABILITY)
    yield from _delivery_steps(body, prospect)
    yield _step("decide_dimensions")
    yield _step("create_accounting_project", prospect.erp, ledger_project)
    yield _step("link_accounting_project")
    yield _step("record_schedule")
    yield _step("create_schedule", prospect.erp, skipped=CAPABILITY)
    yield _step("create_schedule", prospect.psa, skipped=CAPABILITY)
    yield _step("read_back")
    yield _step("activate_accounting_project", prospect.erp)
    yield _step("open_project", prospect.psa)
    yield _step("activate_references")
    yield _step("announce_activation")
    yield _step("notify_crm", skipped=CAPABILITY)


def _customer_steps(body: NewOnboarding, prospect: Prospect) -> Iterator[PreviewedStep]:
    if prospect.choice.customer is None:
        yield _step("create_customer", prospect.erp, documents.new_customer(body))
    elif prospect.choice.to_reactivate:
        yield _step("update_customer", prospect.erp, documents.reactivation())
    else:
        yield _step("create_customer", prospect.erp, skipped=EXISTS)


def _delivery_steps(body: NewOnboarding, prospect: Prospect) -> Iterator[PreviewedStep]:
    native = documents.native_template(prospect.template, prospect.psa_capabilities)
    yield _step("create_project", prospect.psa, documents.new_psa_project(body, prospect.code, native))
    yield _step("link_project")
    plan = documents.plan(body, prospect.template, prospect.psa_capabilities)
    for task in plan.tasks:
        yield _step("create_task", prospect.psa, task.under(UNKNOWN_ID if task.parent_key else None))
    if plan.no_tasks:
        yield _step("create_task", prospect.psa, skipped=plan.no_tasks)
    for milestone in plan.milestones:
        yield _step("create_milestone", prospect.psa, milestone.new)
    if plan.no_milestones:
        yield _step("create_milestone", prospect.psa, skipped=plan.no_milestones)


def _numbered(steps: Iterable[PreviewedStep]) -> Iterator[PreviewedStep]:
    """Yield the steps under the names that a run gives them: the second of a name is `name:2`."""
    seen: Counter[str] = Counter()
    for step in steps:
        seen[step.name] += 1
        yield step if seen[step.name] == 1 else replace(step, name=f"{step.name}:{seen[step.name]}")


def _step(
    name: str, system: str | None = None, payload: Struct | None = None, skipped: str | None = None
) -> PreviewedStep:
    shown = None if payload is None else msgspec.to_builtins(payload)
    return PreviewedStep(name=name, system=system, payload=shown, skipped=skipped)
