"""Projects that ask for a code, and what our tables say of all codes."""

from typing import Final

from sqlalchemy import select

from gateway.caller import INSTALLATION
from gateway.store.database import Store
from gateway.store.sequences import tb_sequence
from process_apis.ledger import customers, projects
from process_apis.ledger.codes import tb_project_code
from process_apis.project_onboarding.order import OnboardingOrder, customer_of, terms_of
from process_apis.project_onboarding.project_codes import CodeQuestion
from tests.fakes.psa import CAPABILITIES
from tests.fakes.statement_of_work import TEMPLATE, signed

TABLES: Final = [customers.tb_customer, projects.tb_project, tb_project_code, tb_sequence]


async def asked(store: Store, opportunity: str, **changes: object) -> CodeQuestion:
    """Return the question for the code of the opportunity's project, which our tables know."""
    body = signed(opportunity__id=opportunity, **changes)
    async with store.begin() as connection:
        customer = await customers.ensure_customer(connection, store, customer_of(body))
        project = await projects.ensure_project(connection, store, terms_of(body, TEMPLATE, customer))
    return CodeQuestion(body=body, pattern="P-{number:04}", project=project, wanted=None)


async def ordered(store: Store, question: CodeQuestion) -> OnboardingOrder:
    """Return the order of the onboarding that asks."""
    project = await projects.find_project(store, INSTALLATION, question.project)
    assert project
    return OnboardingOrder(
        erp="books",
        psa="delivery",
        psa_capabilities=CAPABILITIES,
        code_pattern=question.pattern,
        customer=project.customer,
        project=project.id,
        template=TEMPLATE,
        body=question.body,
    )


async def reserved(store: Store) -> dict[str, str]:
    """Return whose each code is that is given, or looked at, in small letters."""
    rows = select(tb_project_code.c.folded, tb_project_code.c.project_id)
    async with store.begin() as connection:
        return {row.folded: row.project_id for row in await connection.execute(rows)}
