"""Which code a project gets: unique over the PSA, the ERP and our own history."""

from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from gateway.caller import INSTALLATION
from gateway.errors import Refused
from gateway.store import sequences
from gateway.store.database import Store
from openapi.common.types import Code, Violation
from openapi.process.project_onboarding.v1 import NewOnboarding
from process_apis.ledger import codes, keys, projects
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
    """Return the code that the project has from now on; raises Refused(project_code_collision) where there is none.

    What the PSA shows under our key stays, whatever our tables say: after a restore they have lost it, or have an older
    one. Nobody is waited for: who only looks at a code yields to whom it is given.
    """
    kept = await codes.kept_code(store, question.project)
    seen = await _seen(store, psa, question, kept)
    if seen:
        _require(seen, question.wanted)
        await _free_from_another(store, psa, question, seen)
        if await _give(store, psa, erp, question, seen):
            return seen
        raise _collision(f"The PSA has the project as {seen}, and another one has that code. Mend one, then resume.")
    if question.wanted:
        if await _give(store, psa, erp, question, question.wanted):
            return question.wanted
        raise await _in_use(store, psa, erp, question, question.wanted)
    return await _next(store, psa, erp, question, kept)


async def _next(store: Store, psa: Psa, erp: Erp, question: CodeQuestion, kept: str | None) -> str:
    async for code in _candidates(store, question, kept):
        # Ours first, then the systems: a try that is cut short leaves the number to the next one.
        if await codes.reserve_code(store, code, question.project):
            if await _give(store, psa, erp, question, code):
                return code
            await codes.release_code(store, code, question.project)
    raise _collision(f"{NUMBERS_TRIED} numbers were in use. Decide on a code, or resume to try the next ones.")


async def _candidates(store: Store, question: CodeQuestion, kept: str | None) -> AsyncIterator[str]:
    """Yield the code of an earlier attempt, then the next numbers."""
    if kept:
        yield kept
    for _ in range(NUMBERS_TRIED):
        yield codes.code_of(question.pattern, await sequences.next_number(store, codes.SEQUENCE))


async def _free_from_another(store: Store, psa: Psa, question: CodeQuestion, code: str) -> None:
    """Take the code back that the PSA has for this project from one of the same entity for which it does not have it.

    Our tables say so after a restore, where that one was to have it, and was cancelled after the backup.
    """
    owner = await projects.find_project(store, INSTALLATION, await codes.owner_of(store, code) or "")
    if owner and owner.id != question.project and owner.legal_entity == question.body.legal_entity:
        shown = await psa.find_project(keys.psa_project_key(owner.crm, owner.opportunity))
        if shown is None or shown.code.casefold() != code.casefold():
            await codes.release_code(store, code, owner.id)


async def require_own(store: Store, project: str, code: str) -> None:
    """Return while the code is the project's; raises Refused(project_code_collision) where another has it now."""
    if await codes.owner_of(store, code) != project:
        raise _collision(f"The PSA has {code} for another project. Resume to be given the next one, or decide on one.")


async def check(store: Store, psa: Psa, erp: Erp, question: CodeQuestion, code: str) -> None:
    """Return where the project may have the code; raises Refused(project_code_collision), with another one."""
    kept = await codes.kept_code(store, question.project)
    _require(await _seen(store, psa, question, kept), code)
    if not await is_free(store, psa, erp, question, code):
        raise await _in_use(store, psa, erp, question, code)


async def foresee(store: Store, psa: Psa, erp: Erp, question: CodeQuestion) -> str:
    """Return the code that the project would get just now; nothing is reserved."""
    kept = await codes.kept_code(store, question.project)
    seen = await _seen(store, psa, question, kept)
    return seen or question.wanted or kept or await propose(store, psa, erp, question)


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


async def _give(store: Store, psa: Psa, erp: Erp, question: CodeQuestion, code: str) -> bool:
    """Tell whether the project has the code from now on: it was free, and was given to nobody else meanwhile."""
    return await is_free(store, psa, erp, question, code) and await codes.give_code(store, code, question.project)


async def _seen(store: Store, psa: Psa, question: CodeQuestion, kept: str | None) -> str | None:
    """Return the code that the project has in the PSA; as we gave it, where somebody emptied it or changed its case."""
    shown = await psa.find_project(_psa_key(question))
    if shown is None:
        return None
    if not shown.code:
        return kept if kept and await codes.owner_of(store, kept) == question.project else None
    return kept if kept and kept.casefold() == shown.code.casefold() else shown.code


def _require(seen: str | None, wanted: str | None) -> None:
    """Return unless another code is wanted than the one that was seen: that one stays."""
    if seen and wanted and seen.casefold() != wanted.casefold():
        raise _collision(f"The PSA has the project as {seen} from an earlier attempt; it keeps that code.")


async def _in_use(store: Store, psa: Psa, erp: Erp, question: CodeQuestion, code: str) -> Refused:
    """Return the refusal of a code, with one that is free."""
    return _collision(f"{code} is in use; {await propose(store, psa, erp, question)} is free.")


def _psa_key(question: CodeQuestion) -> str:
    opportunity = question.body.opportunity
    return keys.psa_project_key(opportunity.crm, opportunity.id)


def _erp_key(question: CodeQuestion) -> str:
    opportunity = question.body.opportunity
    return keys.erp_project_key(opportunity.crm, opportunity.id)


def _collision(detail: str) -> Refused:
    violation = Violation(code=Code.project_code_collision, pointer="#/project/code", detail=detail)
    return Refused(Code.project_code_collision, detail, violation)
