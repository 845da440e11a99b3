"""What both systems are asked before an onboarding is accepted. Reads only; what is refused is told altogether."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store import cross_references
from gateway.store.cross_references import CrossReference, ReferenceState
from gateway.store.database import Store
from openapi.common.types import Code, Violation
from openapi.process.project_onboarding.v1 import NewOnboarding
from openapi.system.psa import v1 as psa
from process_apis.project_onboarding import customers, project_codes
from process_apis.project_onboarding.customers import Choice, Wish
from process_apis.project_onboarding.project_codes import CodeQuestion
from system_apis.ports import Erp, Psa

A = TypeVar("A")
B = TypeVar("B")
CUSTOMER: Final = "customer"
PROJECT: Final = "project"
"""What cross references call them."""
LIVE: Final = {ReferenceState.active, ReferenceState.proposed}


async def check(store: Store, erp: Erp, delivery: Psa, question: CodeQuestion, customer: str | None) -> Choice:
    """Return which customer is meant; raises Refused with all that one of the systems would not take.

    `customer` is the canonical id; None where the account is new.
    """
    known = await known_customer(store, customer, erp.connection) if customer else None
    wish = customers.wish(question.body.customer, known.external_id if known else None)
    choice, _ = await both(
        choose(store, erp, question.body, customer, wish),
        both(_manager(delivery, question.body), _code(store, erp, delivery, question)),
    )
    return choice


async def choose(store: Store, erp: Erp, body: NewOnboarding, customer: str | None, wish: Wish) -> Choice:
    """Return which customer is meant; raises Refused also where it is another account's: one is nobody else's."""
    choice = await customers.choose(erp, body, wish)
    if choice.customer:
        await _refuse_linked(store, erp.connection, choice.customer.id, customer)
    return choice


async def _refuse_linked(store: Store, connection: str, external_id: str, customer: str | None) -> None:
    known = await cross_references.list_all(
        store, INSTALLATION, object_type=CUSTOMER, instance=connection, external_id=external_id, state=None
    )
    if any(one.state in LIVE and one.canonical_id != customer for one in known):
        detail = "Another account of the CRM is linked to this customer. Send that account, or mean another customer."
        violation = Violation(code=Code.customer_linked_elsewhere, pointer="#/customer/link_to", detail=detail)
        raise Refused(Code.customer_linked_elsewhere, detail, violation)


async def known_customer(store: Store, customer: str, connection: str) -> CrossReference | None:
    """Return by which id a connection knows our customer, from an earlier onboarding."""
    known = await cross_references.list_all(
        store, INSTALLATION, canonical_id=customer, object_type=CUSTOMER, instance=connection, state=None
    )
    live = [one for one in known if one.state in LIVE]
    return live[-1] if live else None


async def both(one: Awaitable[A], other: Awaitable[B]) -> tuple[A, B]:
    """Return both answers; where both are refused, raises one Refused that says both, in the words of the first."""
    answers = await asyncio.gather(one, other, return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, BaseException)]
    for error in failed:
        if not isinstance(error, Refused):
            raise error
    refused = [error for error in failed if isinstance(error, Refused)]
    if refused:
        first = refused[0]
        violations = [violation for error in refused for violation in error.violations]
        raise Refused(first.code, first.detail, *violations, candidates=first.candidates)
    return answers[0], answers[1]  # type: ignore[return-value]  # neither is an exception any more


async def _manager(delivery: Psa, body: NewOnboarding) -> psa.Resource:
    person = await delivery.find_resource(body.project.manager)
    if person is None or person.state is not psa.State.active:
        detail = "Nobody with this address is active in the PSA."
        raise Refused(
            Code.resource_not_mapped,
            detail,
            Violation(code=Code.resource_not_mapped, pointer="#/project/manager", detail=detail),
        )
    return person


async def _code(store: Store, erp: Erp, delivery: Psa, question: CodeQuestion) -> None:
    if question.wanted:
        await project_codes.check(store, delivery, erp, question, question.wanted)
