"""What `tiebeam explain`, `policies` and `denials` do: on the installation's own files and database."""

import getpass
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from msgspec import Struct, structs

from gateway import main, token_minting
from gateway.caller import INSTALLATION
from gateway.columns import in_columns, minute
from gateway.commands import with_parts
from gateway.commands_tokens import Claims, grant_of
from gateway.composition.issuers import denials_of, verifier_of
from gateway.composition.parts import CannotStart, Parts
from gateway.composition.policies import compiler_of, edge_of
from gateway.edge.explaining import Asked, Explainer, Explanation
from gateway.edge.in_force import Change
from gateway.edge.standing import DENIALS
from gateway.identity import Verifier
from gateway.identity.denials import UNKNOWN
from gateway.keys import KeyRing, TrustedIssuer
from gateway.policy.explain import Decides, Decision
from gateway.settings import Settings
from gateway.store import denials, policy_candidates, policy_sets
from gateway.store.database import Store
from gateway.store.denials import Denial, NewDenial
from gateway.store.pages import Window
from gateway.store.policy_candidates import Candidate
from gateway.store.policy_sets import LoadedSet

T = TypeVar("T")
SHOWN: Final = 100
"""Sets or denials in one listing."""
SETS: Final = ("set", "state", "loaded", "by", "note")
DENIED: Final = ("denial", "kind", "who", "until", "by", "reason")
MARKS: Final = {Decides.refuses: "✗", Decides.not_reached: "·", Decides.overridden: "·"}
REFUSED: Final = 400


class Question(Struct, frozen=True, kw_only=True):
    """A call, and who makes it: the holder of a token, or a client whose token says all that it may."""

    method: str
    target: str
    token: str | None = None
    claims: Claims
    tried: bool = False
    """Whether it is asked under the policies that are tried, instead of the files."""


def explain(settings: Settings, question: Question) -> Explanation:
    """Return the explanation of a call under the policy files as they are; limits are told as far as they are shared.

    What one web process counts in its memory, no other process can tell.
    """

    async def explained(parts: Parts) -> Explanation:
        with tempfile.TemporaryDirectory() as folder:
            verifier, token = _identified(parts, question, Path(folder))
            await verifier.reload_denials(UNKNOWN)
            apis = main.apis_of(parts)
            edge = edge_of(parts, apis, _nothing_served, verifier)
            if question.tried:
                edge.use(compiler_of(parts, apis)((await open_candidate(parts.store)).files).policies)
            asked = Asked(method=question.method.upper(), target=question.target, token=token)
            return await Explainer(edge, counted=settings.redis is not None).explain(asked)

    return with_parts(settings, explained)


def lines_of(told: Explanation) -> list[str]:
    """Return an explanation in lines: a mark, a kind, a row and a reason for each decision, then how it ends."""
    who = f"client {told.caller.client_id}, subject {told.caller.subject}" if told.caller else "nobody who is known"
    width = max((len(_place(one)) for one in told.decisions), default=0)
    return [
        f"{told.operation}, called by {who}",
        *(f"{MARKS.get(one.decides, '✓')} {_place(one):<{width}}  {_reason(one)}" for one in told.decisions),
        f"→ {_end(told)}",
    ]


def is_refused(told: Explanation) -> bool:
    """Tell whether the call would be refused."""
    return told.outcome.status is not None and told.outcome.status >= REFUSED


def list_policy_sets(settings: Settings) -> str:
    """Return a table of the sets of policies that were loaded, the newest first."""

    async def listed(parts: Parts) -> list[LoadedSet]:
        return (await policy_sets.listing(parts.store, Window(limit=SHOWN))).items

    sets = with_parts(settings, listed)
    return _table(SETS, map(_set_row, sets)) if sets else "No set was loaded yet; the first start does it."


def reload_policies(settings: Settings) -> str:
    """Return what is in force after the files were loaded."""
    return changed(settings, lambda parts: parts.in_force.reload(getpass.getuser()))


def roll_back_policies(settings: Settings) -> str:
    """Return what is in force after one step back."""
    return changed(settings, lambda parts: parts.in_force.roll_back(getpass.getuser()))


def list_denials(settings: Settings) -> str:
    """Return a table of the denials, the newest first."""

    async def listed(parts: Parts) -> list[Denial]:
        return (await denials.list_all(parts.store, INSTALLATION, Window(limit=SHOWN))).items

    found = with_parts(settings, listed)
    return _table(DENIED, map(_denial_row, found)) if found else "Nobody is denied."


def add_denial(settings: Settings, new: NewDenial, hours: float | None) -> str:
    """Return the denial as it is listed; it holds from each process's next request on."""

    async def denied(parts: Parts) -> str:
        until = parts.store.now() + timedelta(hours=hours) if hours else None
        by = structs.replace(INSTALLATION, client_id=getpass.getuser())
        denial = await denials.deny(parts.store, by, structs.replace(new, until=until))
        await parts.news.tell(DENIALS)
        check_told(parts)
        return _table(DENIED, [_denial_row(denial)])

    return with_parts(settings, denied)


def remove_denial(settings: Settings, denial_id: str) -> str:
    """Return a sentence that says whose tokens are accepted again."""

    async def lifted(parts: Parts) -> str:
        denial = await denials.get(parts.store, INSTALLATION, denial_id)
        await denials.lift(parts.store, INSTALLATION, denial_id)
        await parts.news.tell(DENIALS)
        check_told(parts)
        return f"The {denial.kind} {denial.name} is accepted again."

    return with_parts(settings, lifted)


def changed(settings: Settings, change: Callable[[Parts], Awaitable[Change]]) -> str:
    """Return what is in force after the change, and what is to be done yet."""

    async def made(parts: Parts) -> str:
        parts.in_force.attach(compiler_of(parts, main.apis_of(parts)))
        return _said(await change(parts), parts)

    return with_parts(settings, made)


def _said(change: Change, parts: Parts) -> str:
    check_told(parts)
    lines = [f"{change.loaded.id} is in force{'' if change.changed else ', as before'}."]
    if change.restart_needed:
        lines.append(f"Restart for the rows of the kind upstream: {', '.join(change.restart_needed)}.")
    return "\n".join(lines)


def check_told(parts: Parts) -> None:
    """Return where running processes know; raises CannotStart, which says how they get to."""
    if parts.news.untold:
        raise CannotStart(
            "It is written down, and running processes could not be told: the shared counters are away. "
            "Run the same once more when they are back."
        )


def _identified(parts: Parts, question: Question, folder: Path) -> tuple[Verifier, str]:
    """Return what verifies the token, and the token; for a client that has none here, one that it trusts."""
    settings = parts.installation.settings
    if question.token:
        return verifier_of(settings, parts.store), question.token
    if not settings.issuers:
        raise CannotStart("No issuer is in the settings: no token is accepted.")
    issuer, grant = settings.issuers[0], grant_of(settings, question.claims)
    jwks_file = token_minting.ensure_development_key(folder)
    token = token_minting.mint(folder, grant, issuer=issuer.issuer, audience=issuer.audience)
    trusted = TrustedIssuer(issuer=issuer.issuer, audience=issuer.audience, jwks_file=jwks_file)
    return Verifier(KeyRing([trusted]), denials=denials_of(parts.store)), token


async def open_candidate(store: Store) -> Candidate:
    """Return the policies that are tried; raises CannotStart, which says how others get to be."""
    found = await policy_candidates.candidate(store)
    if found is None:
        raise CannotStart("No policies are tried just now. Begin with: tiebeam policies shadow FOLDER")
    return found


async def _nothing_served(*_: object) -> NoReturn:
    raise RuntimeError("An explanation calls nothing.")


def _place(decision: Decision) -> str:
    row = decision.row
    return f"{decision.kind:<13} {f'{row.file}, row {row.number}' if row else decision.file or 'no row'}"


def _reason(decision: Decision) -> str:
    silent = {Decides.admits, Decides.counts, Decides.keeps, Decides.passes, Decides.refuses}
    left = f" {decision.left} left." if decision.left is not None else ""
    said = "" if decision.decides in silent else f"{decision.decides.replace('_', ' ')}: "
    return f"{said}{decision.why}{left}"


def _end(told: Explanation) -> str:
    outcome = told.outcome
    return " ".join(str(part) for part in (outcome.status, outcome.code, outcome.detail) if part)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(in_columns(headings, rows))


def _set_row(loaded: LoadedSet) -> tuple[str, ...]:
    return loaded.id, loaded.state, minute(loaded.loaded_at), loaded.loaded_by, loaded.note or ""


def _denial_row(denial: Denial) -> tuple[str, ...]:
    until = minute(denial.until) if denial.until else "lifted"
    return denial.id, denial.kind, denial.name, until, denial.denied_by, denial.reason
