"""What `tiebeam policies shadow`, `differences`, `promote` and `drop` do: policies that are tried before they hold."""

import getpass
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway import main
from gateway.columns import in_columns, minute
from gateway.commands import with_parts
from gateway.commands_policies import changed, check_told, open_candidate
from gateway.composition.parts import CannotStart, Parts
from gateway.composition.policies import compiler_of
from gateway.edge.in_force import Change
from gateway.policy.document import PolicyError, texts_of
from gateway.settings import Settings
from gateway.store import policy_sets, shadow_differences
from gateway.store.pages import Window
from gateway.store.policy_candidates import Candidate
from gateway.store.shadow_differences import Difference, Totals

SHOWN: Final = 200
"""Differences in one table."""
HEADINGS: Final = ("operation", "now", "then", "calls", "last seen")
PROMOTED: Final = (
    "Write the same files into {folder}: the next reload reads what stands there. "
    "`tiebeam policies rollback` takes this back."
)


def shadow_policies(settings: Settings, folder: Path) -> str:
    """Return what is tried from now on: the policy files of the folder."""
    try:
        texts = texts_of(folder)
    except PolicyError as error:
        raise CannotStart(str(error)) from error

    async def proposed(parts: Parts) -> str:
        parts.in_force.attach(compiler_of(parts, main.apis_of(parts)))
        found = await parts.in_force.propose(texts, getpass.getuser())
        check_told(parts)
        return f"{found.id} is tried beside {found.beside}, and nothing comes of it. Then: tiebeam policies differences"

    return with_parts(settings, proposed)


def list_differences(settings: Settings, client_id: str | None = None) -> str:
    """Return a table for each consumer, and how many calls of all would be answered otherwise."""

    async def listed(parts: Parts) -> str:
        candidate = await open_candidate(parts.store)
        found = await shadow_differences.listing(parts.store, candidate.id, Window(limit=SHOWN), client_id=client_id)
        totals = await shadow_differences.totals(parts.store, candidate.id, client_id=client_id)
        live = await policy_sets.live(parts.store)
        resting = live is None or live.id != candidate.beside
        last = _last_lines(candidate, totals, more=found.after is not None, resting=resting)
        return "\n".join([*tables_of(found.items), *last])

    return with_parts(settings, listed)


def promote_policies(settings: Settings) -> str:
    """Return what is in force after the candidate was put there, and what is to be done yet."""

    async def promoted(parts: Parts) -> Change:
        candidate = await open_candidate(parts.store)
        return await parts.in_force.promote(candidate.id, getpass.getuser())

    return f"{changed(settings, promoted)}\n{PROMOTED.format(folder=settings.path('policies'))}"


def drop_policies(settings: Settings) -> str:
    """Return a sentence that says what is tried no longer."""

    async def dropped(parts: Parts) -> str:
        candidate = await open_candidate(parts.store)
        await parts.in_force.drop(candidate.id, getpass.getuser())
        check_told(parts)
        return f"{candidate.id} is tried no longer."

    return with_parts(settings, dropped)


def tables_of(found: Sequence[Difference]) -> Iterator[str]:
    """Yield the lines of a table for each consumer; whose calls differ most often comes first."""
    often = Counter[str]()
    for one in found:
        often[one.client_id] += one.count
    for client_id, _ in often.most_common():
        yield client_id
        rows = [_cells(one) for one in found if one.client_id == client_id]
        yield from (f"  {line}" for line in in_columns(HEADINGS, rows))


def _cells(found: Difference) -> tuple[str, ...]:
    return found.operation, found.live, found.candidate, f"{found.count:,}", minute(found.last_seen)


def _last_lines(candidate: Candidate, totals: Totals, *, more: bool, resting: bool) -> Iterator[str]:
    if more:
        yield f"These are the {SHOWN} most frequent; --client shows one consumer's."
    if resting:
        yield "It rests: another set is in force than the one that it was tried beside. Shadow its files again."
    yield (
        f"{totals.differing:,} of {totals.compared:,} calls would differ under {candidate.id}, "
        f"tried since {minute(candidate.proposed_at)} by {candidate.proposed_by}."
    )
