"""Which code a project gets: unique over the PSA, the ERP and our own history."""

from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from gateway.errors import Refused, Unavailable
from gateway.store import sequences
from gateway.store.database import Store
from openapi.common.types import Code, Violation
from openapi.process.project_onboarding.v1 import NewOnboarding
from process_apis.ledger import codes, keys
from system_apis.ports import Erp, Psa

NUMBERS_TRIED: Final = 200
"""An installation that starts beside used codes passes over them; each number is asked for in both systems."""


class CodeQuestion(Struct, frozen=True, kw_only=True):
    """For which project a code is asked, and which one is wanted, if any."""

    body: NewOnboarding
    pattern: str
    project: str
    """The canonical id; empty where there is none yet."""
    wanted: str | None


async def reserve(store: Store, psa: Psa, erp: Erp, question: CodeQuestion) -> str:
    """Return the code that the project has from now on; raises Refused(project_code_collision), with another one."""
    kept = await codes.kept_code(store, question.project)
    if question.wanted:
        await check(store, psa, erp, question, question.wanted)
        if not await codes.reserve_code(store, question.wanted, question.project):
            raise _collision(f"Another project has taken {question.wanted} just now. Decide on another code.")
        if kept and kept.casefold() != question.wanted.casefold():
            await codes.release_code(store, kept, question.project)
        return question.wanted
    async for code in _candidates(store, psa, question, kept):
        # Ours first, then the systems: a try that is cut short leaves the number to the next one.
        if await codes.reserve_code(store, code, question.project):
            if await is_free(store, psa, erp, question, code):
                return code
            await _check_earlier(store, psa, question, "")
            await codes.release_code(store, code, question.project)
        elif not kept and await psa.find_project(_psa_key(question)):
            # Another onboarding is just looking whether the code that ours has in the PSA is free, and finds it is not.
            raise Unavailable(Code.gateway_overloaded, f"{code} is being looked at. It is tried again.")
    raise _collision(f"{NUMBERS_TRIED} numbers were in use. Decide on a code, or resume to try the next ones.")


async def _candidates(store: Store, psa: Psa, question: CodeQuestion, kept: str | None) -> AsyncIterator[str]:
    """Yield the code of an earlier attempt, which only the PSA remembers after a restore; then the next numbers."""
    if kept:
        yield kept
    elif (shown := await psa.find_project(_psa_key(question))) and shown.code:
        yield shown.code
    for _ in range(NUMBERS_TRIED):
        yield codes.code_of(question.pattern, await sequences.next_number(store, codes.SEQUENCE))


async def check(store: Store, psa: Psa, erp: Erp, question: CodeQuestion, code: str) -> None:
    """Return where the project may have the code; raises Refused(project_code_collision), with another one."""
    await _check_earlier(store, psa, question, code)
    if not await is_free(store, psa, erp, question, code):
        proposed = await propose(store, psa, erp, question)
        raise _collision(f"{code} is in use; {proposed} is free.")


async def propose(store: Store, psa: Psa, erp: Erp, question: CodeQuestion) -> str:
    """Return the next free code of the pattern; it is not reserved."""
    first = await sequences.peek(store, codes.SEQUENCE)
    for number in range(first, first + NUMBERS_TRIED):
        code = codes.code_of(question.pattern, number)
        if await is_free(store, psa, erp, question, code):
            return code
    raise _collision(f"{NUMBERS_TRIED} numbers are in use. Propose a code.")


async def is_free(store: Store, psa: Psa, erp: Erp, question: CodeQuestion, code: str) -> bool:
    """Tell whether neither system nor our history has the code for another project."""
    if await codes.owner_of(store, code) not in {None, question.project}:
        return False
    in_psa = (await psa.search_projects(code=code)).items
    if any(project.business_key != _psa_key(question) for project in in_psa):
        return False
    in_erp = (await erp.search_accounting_projects(code=code)).items
    return all(project.business_key == _erp_key(question) for project in in_erp)


async def _check_earlier(store: Store, psa: Psa, question: CodeQuestion, code: str) -> None:
    """Return unless an earlier attempt has shown the project under another code: one that was seen stays."""
    kept = await codes.kept_code(store, question.project)
    if kept and kept.casefold() != code.casefold() and await psa.find_project(_psa_key(question)):
        raise _collision(f"The PSA has the project as {kept} from an earlier attempt; it keeps that code.")


def _psa_key(question: CodeQuestion) -> str:
    opportunity = question.body.opportunity
    return keys.psa_project_key(opportunity.crm, opportunity.id)


def _erp_key(question: CodeQuestion) -> str:
    opportunity = question.body.opportunity
    return keys.erp_project_key(opportunity.crm, opportunity.id)


def _collision(detail: str) -> Refused:
    violation = Violation(code=Code.project_code_collision, pointer="#/project/code", detail=detail)
    return Refused(Code.project_code_collision, detail, violation)
