"""What an onboarding would do, step by step, with the exact payloads. Pure; nothing is written."""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct

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
        steps=list(_steps(body, prospect)),
    )


def _steps(body: NewOnboarding, prospect: Prospect) -> Iterator[PreviewedStep]:
    customer = prospect.choice.customer
    ledger_project = documents.new_erp_project(
        body, prospect.code, customer.id if customer else UNKNOWN_ID, body.project.dimensions
    )
    yield _step("lock_opportunity")
    yield _step("lock_customer")
    yield _step("check_customer", prospect.erp)
    yield from _customer_steps(body, prospect)
    yield _step("link_customer")
    yield _step("reserve_code", prospect.psa)
    yield _step("record_contract")
    yield _step("create_contract", skipped="capability")
    yield from _delivery_steps(body, prospect)
    yield _step("create_erp_project", prospect.erp, ledger_project)
    yield _step("record_schedule")
    yield _step("create_schedule", skipped="capability")
    yield _step("read_back")
    yield _step("activate_erp_project", prospect.erp)
    yield _step("open_psa_project", prospect.psa)
    yield _step("activate_references")
    yield _step("announce_activation")
    yield _step("notify_crm", skipped="capability")


def _customer_steps(body: NewOnboarding, prospect: Prospect) -> Iterator[PreviewedStep]:
    if prospect.choice.customer is None:
        yield _step("create_customer", prospect.erp, documents.new_customer(body))
    elif prospect.choice.to_reactivate:
        yield _step("reactivate_customer", prospect.erp, documents.reactivation())
    else:
        yield _step("create_customer", prospect.erp, skipped="exists")


def _delivery_steps(body: NewOnboarding, prospect: Prospect) -> Iterator[PreviewedStep]:
    native = documents.native_template(prospect.template, prospect.psa_capabilities)
    yield _step("create_psa_project", prospect.psa, documents.new_psa_project(body, prospect.code, native))
    plan = documents.plan(body, prospect.template, prospect.psa_capabilities)
    for task in plan.tasks:
        yield _step(f"create_task_{task.code}", prospect.psa, task.under(UNKNOWN_ID if task.parent_key else None))
    if plan.no_tasks:
        yield _step("create_tasks", prospect.psa, skipped=plan.no_tasks)
    for milestone in plan.milestones:
        yield _step(f"create_milestone_{milestone.code}", prospect.psa, milestone.new)
    if plan.no_milestones:
        yield _step("create_milestones", prospect.psa, skipped=plan.no_milestones)


def _step(
    name: str, system: str | None = None, payload: Struct | None = None, skipped: str | None = None
) -> PreviewedStep:
    shown = None if payload is None else msgspec.to_builtins(payload)
    return PreviewedStep(name=name, system=system, payload=shown, skipped=skipped)
